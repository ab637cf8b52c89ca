"""A picture in Graphviz' language, for ``dot``."""

from collections.abc import Iterator, Sequence

from vif_agent.topology.boxes import COLOURS, Box, Drawing, Frame, Line

#: ends a line that stands to the left
_LEFT = "\\l"
_HEAD = """\
digraph host {{
  graph [label={title}, labelloc=t, fontname="sans-serif", fontsize=13, rankdir=LR, nodesep=0.12,
         ranksep=0.6, compound=true, bgcolor="white"]
  node [shape=box, style="filled,rounded", fontname="sans-serif", fontsize=10, margin="0.12,0.05",
        height=0.3]
  edge [arrowhead=none, color="#455a64"]"""


def lines(drawing: Drawing) -> Iterator[str]:
    """Of a file that ``dot`` reads."""
    yield _HEAD.format(title=_quoted([drawing.title]))
    for frame in drawing.frames:
        yield from _frame(frame)
    for box in drawing.boxes:
        yield f"  {_box(box)}"
    inside = {frame.id: frame.boxes[0].id for frame in drawing.frames}
    for line in drawing.lines:
        yield f"  {_line(line, inside)}"
    yield "}"


def _frame(frame: Frame) -> Iterator[str]:
    line, _ = COLOURS[frame.tone]
    style = "rounded,dashed" if frame.is_foreign else "rounded"
    yield f"  subgraph cluster_{frame.id} {{"
    label = f"label={_quoted(frame.lines, _LEFT)} labeljust=l fontsize=11"
    yield f'    {label} style="{style}" color="{line}" margin=10'
    yield from (f"    {_box(box)}" for box in frame.boxes)
    yield "  }"


def _box(box: Box) -> str:
    line, fill = COLOURS[box.tone]
    shape = "shape=box3d style=filled " if box.is_guest else ""
    dashed = 'style="filled,rounded,dashed" ' if box.is_foreign else ""
    label = f"label={_quoted(box.lines)}"
    return f'{box.id} [{label} {shape}{dashed}color="{line}" fillcolor="{fill}"]'


def _line(line: Line, inside: dict[str, str]) -> str:
    """A frame is no end of a line: one of its boxes is, and the line ends at the frame."""
    given = ["style=invis"] if line.is_hidden else []
    if line.source in inside:
        given.append(f"ltail=cluster_{line.source}")
    if line.target in inside:
        given.append(f"lhead=cluster_{line.target}")
    ends = inside.get(line.source, line.source), inside.get(line.target, line.target)
    return f"{ends[0]} -> {ends[1]} [{' '.join(given)}]"


def _quoted(lines: Sequence[str], end: str = "") -> str:
    r"""In quotes \ would begin what dot puts in itself, as \N for the node's name."""
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + (end or "\\n").join([*escaped, *[""] * bool(end)]) + '"'
