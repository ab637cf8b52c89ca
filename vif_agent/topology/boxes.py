"""A picture as boxes and lines between them, for languages that draw such: each bridge is a frame
around what is in it, and guests stand at the end."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vif_agent.errors import plain
from vif_agent.topology import graph, words
from vif_agent.topology.graph import MEMBER, UPLINK, WIRE, Graph, Thing, other_end
from vif_agent.topology.words import BAD, DIM, GOOD, NEUTRAL, WAITS

_LONGEST = 60  # characters of a line in a box
_BRIDGES = ("bridge", "ovs-bridge")
_PORTS_OWN = 2
#: (line, fill): readable on white and on black paper
COLOURS = {
    GOOD: ("#2e7d32", "#e8f5e9"),
    WAITS: ("#b26a00", "#fff4e0"),
    BAD: ("#c62828", "#fdecea"),
    DIM: ("#9e9e9e", "#f5f5f5"),
    NEUTRAL: ("#455a64", "#eceff1"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Box:
    """``lines``: of text; ``tone``: how it is; ``is_guest``: a virtual machine."""

    id: str
    lines: tuple[str, ...]
    tone: str = NEUTRAL
    is_foreign: bool = False
    is_guest: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """Of a bridge, with what is in it."""

    id: str
    lines: tuple[str, ...]
    tone: str
    boxes: tuple[Box, ...]
    is_foreign: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """``text``: what it is, if that is not plain. ``is_hidden``: it only says what stands before
    what."""

    source: str
    target: str
    text: str = ""
    is_hidden: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Drawing:
    """``boxes``: that are in no frame. A box's id is ``n`` and a number, a frame's ``b``."""

    title: str
    frames: tuple[Frame, ...]
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def draw(picture: Graph) -> Drawing:
    """Always in the same order, so that two pictures can be compared."""
    return _Drawing(picture).drawn()


class _Drawing:
    def __init__(self, picture: Graph) -> None:
        self._picture = picture
        things = picture.things
        self._at = {thing: port for port, thing in words.faces(picture).items()}
        self._members = _members(picture)
        self._ways_out = {edge.source for edge in picture.edges if edge.what == UPLINK}
        #: how far what is in a bridge is from the network
        self._far = {
            name: self._distance(bridge)
            for bridge, members in self._members.items()
            for name in members
        }
        self._ids = {
            name: f"b{number}" if name in self._members else f"n{number}"
            for number, name in enumerate(sorted(things))
        }
        self._boxes = {n: self._box(things[n]) for n in sorted(things) if n not in self._members}

    def drawn(self) -> Drawing:
        inside = {name for members in self._members.values() for name in members}
        free = [box for name, box in self._boxes.items() if name not in inside]
        guests = self._guests()
        return Drawing(
            _text("  ".join(word.text for word in words.title(self._picture))),
            tuple(map(self._frame, self._members)),
            (*free, *guests),
            (*self._edges(), *self._order(), *self._guest_lines(guests)),
        )

    def _distance(self, bridge: str) -> int:
        if self._picture.things[bridge].port:
            return _PORTS_OWN
        return int(self._ways_out.isdisjoint(self._members[bridge]))

    def _box(self, thing: Thing) -> Box:
        return Box(self._ids[thing.id], self._lines(thing), self._tone(thing), _is_foreign(thing))

    def _frame(self, name: str) -> Frame:
        bridge = self._picture.things[name]
        inside = tuple(self._boxes[n] for n in self._members[name])
        lines, tone = self._lines(bridge), self._tone(bridge)
        return Frame(self._ids[name], lines, tone, inside, _is_foreign(bridge))

    def _lines(self, thing: Thing) -> tuple[str, ...]:
        name, *more = (_text(word.text) for word in words.of_thing(thing) if word.text)
        state = words.of_port(self._port_at(thing.id))[:1]
        lines = [name, "  ".join(more), *(_text(word.text) for word in state)]
        return tuple(filter(None, lines))

    def _port_at(self, thing: str) -> Mapping[str, Any] | None:
        return self._picture.ports.get(self._at.get(thing, ""))

    def _tone(self, thing: Thing) -> str:
        if thing.whose == graph.OTHERS:
            return DIM if _is_foreign(thing) else NEUTRAL
        found = {word.tone for word in words.of_thing(thing) if word.is_state}
        if thing.port in self._picture.ports:
            found.add(words.of_port(self._picture.ports[thing.port])[0].tone)
        return next((tone for tone in (BAD, WAITS, GOOD) if tone in found), NEUTRAL)

    def _edges(self) -> Iterator[Line]:
        """A wire begins at the end that is nearer to the network."""
        for edge in self._picture.edges:
            ends = [edge.source, edge.target]
            if edge.what == WIRE:
                ends.sort(key=lambda end: (self._far.get(end, 1), end))
            if edge.what not in (MEMBER, UPLINK):
                yield Line(self._ids[ends[0]], self._ids[ends[1]])

    def _order(self) -> Iterator[Line]:
        """In a frame ways out stand before what is behind them."""
        things, leading = self._picture.things, set(self._ways_out)
        for edge in self._picture.edges:
            if edge.what == WIRE:
                ends = (edge.source, edge.target)
                leading |= {e for e in ends if self._far.get(e) == _PORTS_OWN}
                leading |= {e for e in ends if things[e].kind == "patch" and not things[e].port}
        for members in self._members.values():
            first = next((self._ids[name] for name in members if name in leading), "")
            for behind in members if first else ():
                if behind not in leading:
                    yield Line(first, self._ids[behind], is_hidden=True)

    def _guests(self) -> list[Box]:
        names = {self._guest_of(thing) for thing in self._at} - {""}
        return [
            Box(f"g{number}", (_text(name),), is_guest=True)
            for number, name in enumerate(sorted(names))
        ]

    def _guest_lines(self, guests: Sequence[Box]) -> Iterator[Line]:
        by_name = {box.lines[0]: box.id for box in guests}
        for thing in sorted(self._at):
            if name := self._guest_of(thing):
                yield Line(self._ids[thing], by_name[_text(name)])

    def _guest_of(self, thing: str) -> str:
        """Who has it open; of a VF and a socket nobody tells."""
        port, here = self._port_at(thing), self._picture.things[thing]
        if port is None or not here.facts.get("guest"):
            return ""
        return str(port["instance"] or port["instance_uuid"] or "a guest")


def _members(picture: Graph) -> dict[str, list[str]]:
    """What is in each bridge that has something in it; no frame stands in another."""
    inside: dict[str, str] = {}
    for edge in sorted(picture.edges):
        if edge.what in (MEMBER, UPLINK):
            bridge = edge.source if edge.what == MEMBER else edge.target
            if picture.things[bridge].kind in _BRIDGES:
                inside.setdefault(other_end(edge, bridge), bridge)
    found: dict[str, list[str]] = {}
    bridges = {*inside.values()}
    for name in sorted(inside.keys() - bridges):
        found.setdefault(inside[name], []).append(name)
    return dict(sorted(found.items()))


def _is_foreign(thing: Thing) -> bool:
    return thing.whose == graph.OTHERS and any(w.tone == DIM for w in words.of_thing(thing))


def _text(text: str) -> str:
    return plain(text, _LONGEST)
