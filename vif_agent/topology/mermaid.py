"""A picture in Mermaid's language, which code forges and ticket systems draw by themselves."""

import re
from collections.abc import Iterator, Sequence

from vif_agent.topology.boxes import COLOURS, Box, Drawing, Frame
from vif_agent.topology.words import NEUTRAL

#: what would end the text, be taken for a tag, an entity or Markdown
_SPECIAL = re.compile(r"[^\w .,:;()/+@\u2026-]")


def lines(drawing: Drawing) -> Iterator[str]:
    """Of a flowchart."""
    yield "flowchart LR"
    for frame in drawing.frames:
        yield f"  subgraph {frame.id}[{_quoted(frame.lines)}]"
        yield from (f"    {_box(box)}" for box in frame.boxes)
        yield "  end"
    for box in drawing.boxes:
        yield f"  {_box(box)}"
    for line in drawing.lines:
        yield f"  {line.source} {'~~~' if line.is_hidden else '---'} {line.target}"
    yield from _styles(drawing)


def _box(box: Box) -> str:
    text = _quoted(box.lines)
    return f"{box.id}[[{text}]]" if box.is_guest else f"{box.id}[{text}]"


def _styles(drawing: Drawing) -> Iterator[str]:
    everything: list[Box | Frame] = [*drawing.frames, *drawing.boxes]
    everything += [box for frame in drawing.frames for box in frame.boxes]
    for tone, (line, fill) in COLOURS.items():
        named = tone or "plain"
        some = sorted(b.id for b in everything if b.tone == tone and not isinstance(b, Frame))
        if some and tone != NEUTRAL:
            yield f"  classDef {named} fill:{fill},stroke:{line},color:#000"
            yield f"  class {','.join(some)} {named}"
    if strange := sorted(each.id for each in everything if each.is_foreign):
        yield "  classDef foreign stroke-dasharray:4 3"
        yield f"  class {','.join(strange)} foreign"


def _quoted(lines: Sequence[str]) -> str:
    escaped = (_SPECIAL.sub(lambda found: f"#{ord(found[0])};", line) for line in lines)
    return '"' + "<br/>".join(escaped) + '"'
