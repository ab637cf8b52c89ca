"""A picture as lines of text."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence

from vif_agent.errors import plain as one_line
from vif_agent.topology import graph, words
from vif_agent.topology.forest import Tree, grow
from vif_agent.topology.graph import Graph
from vif_agent.topology.words import BAD, DIM, GOOD, WAITS, Word

_COLOURS = {GOOD: "32", WAITS: "33", BAD: "1;31", DIM: "2"}
_LONGEST = 300  # characters of a word


@dataclasses.dataclass(frozen=True, slots=True)
class Style:
    """``signs``: of a state, by its tone; the rest is what lines are drawn with."""

    branch: str = "├─ "
    last: str = "└─ "
    past: str = "│  "
    wire: str = " ── "
    both_ways: str = "⇄"
    signs: tuple[tuple[str, str], ...] = ((GOOD, "● "), (WAITS, "◐ "), (BAD, "✗ "))
    coloured: bool = False


#: without signs and lines that a terminal, a log or a screen reader may not have
PLAIN = Style("|- ", "`- ", "|  ", " -- ", "<->", ())


def lines(picture: Graph, style: Style) -> Iterator[str]:
    """The host first, then what leads out of it and whatever hangs on that."""
    show = _shown(style)
    faces = words.faces(picture)
    at = {thing: picture.ports.get(port) for port, thing in faces.items()}

    def of(tree: Tree) -> str:
        state = words.of_port(at[tree.thing.id]) if tree.thing.id in at else []
        there = (f"{style.both_ways} {' '.join(filter(None, t))}" for t in tree.elsewhere)
        return show([*words.of_thing(tree.thing), *map(Word, there), *state])

    yield show(words.title(picture))
    if picture.ovs_away:
        yield show([Word("Open vSwitch is not in the picture:"), Word(picture.ovs_away, BAD, True)])
    for root in grow(picture):
        yield of(root)
        yield from _below(root.children, "", style, of)
    if picture.idle:
        yield show([Word(f"foreign and idle: {', '.join(picture.idle)} (--all shows them)", DIM)])


def _below(
    trees: Sequence[Tree], margin: str, style: Style, of: Callable[[Tree], str]
) -> Iterator[str]:
    for tree in trees:
        is_last = tree is trees[-1]
        start = margin + (style.last if is_last else style.branch)
        if _in_one_line(tree):
            yield start + style.wire.join(map(of, _chain(tree)))
            continue
        yield start + of(tree)
        yield from _below(tree.children, margin + ("   " if is_last else style.past), style, of)


def _in_one_line(tree: Tree) -> bool:
    """What is one port's, and what leads to nothing but a line of counts."""
    return tree.is_chain and (bool(tree.thing.port) or tree.end.whose == graph.FOLDED)


def _chain(tree: Tree) -> Iterator[Tree]:
    yield tree
    for child in tree.children:
        yield from _chain(child)


def _shown(style: Style) -> Callable[[Iterable[Word]], str]:
    signs = dict(style.signs)

    def show(these: Iterable[Word]) -> str:
        return "  ".join(_coloured(word, style, signs) for word in these if word.text)

    return show


def _coloured(word: Word, style: Style, signs: dict[str, str]) -> str:
    """What others have named may have signs in it that control a terminal."""
    text = one_line(word.text, _LONGEST)
    text = signs.get(word.tone, "") + text if word.is_state else text
    colour = _COLOURS.get(word.tone) if style.coloured else None
    return f"\033[{colour}m{text}\033[0m" if colour else text
