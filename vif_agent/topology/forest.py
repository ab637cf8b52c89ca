"""A picture as trees, for lines of text: from the way out of the host to its guests.

Every thing is drawn once. An OVS bridge that several ports use is a root of its own, and so what
leads to it (a patch, a NIC) is drawn in it.
"""

import dataclasses
import re

from vif_agent.topology import graph
from vif_agent.topology.drawing_up import WAYS_OUT
from vif_agent.topology.graph import MEMBER, UPLINK, WIRE, Edge, Graph, Thing, other_end

_DIGITS = re.compile(r"(\d+)")
_LAST = {graph.FOLDED: 1, graph.SHARED: 2, graph.OTHERS: 2, graph.ORPHAN: 3}


@dataclasses.dataclass(slots=True)
class Tree:
    """``elsewhere``: names of what it leads to and is drawn in another place, each with the switch
    that it is in, or ""."""

    thing: Thing
    children: list["Tree"] = dataclasses.field(default_factory=list)
    elsewhere: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    @property
    def is_chain(self) -> bool:
        """Has nothing in it more than one child?"""
        return not self.children or (len(self.children) == 1 and self.children[0].is_chain)

    @property
    def end(self) -> Thing:
        """Of a chain, its last thing."""
        return self.children[0].end if self.children else self.thing


def grow(picture: Graph) -> list[Tree]:
    """Ways out first, then switches, then bridges that lead nowhere, then the rest."""
    growing = _Growing(picture)
    for thing in sorted(picture.things.values(), key=growing.root_order):
        if thing.id not in growing.drawn:
            growing.roots.append(growing.tree(thing.id, ""))
    return growing.roots


class _Growing:
    def __init__(self, picture: Graph) -> None:
        self.roots: list[Tree] = []
        self.drawn: set[str] = set()
        self._things = picture.things
        self._ends = picture.neighbours()
        switches = [thing for thing in picture.things.values() if thing.kind == "ovs-bridge"]
        #: nobody comes by a wire to what is in these: they are roots
        self._common = {switch.id for switch in switches if not switch.port}
        self._switch = {
            other_end(edge, switch.id): switch.id
            for switch in switches
            for edge in self._ends[switch.id]
            if edge.what in (MEMBER, UPLINK)
        }

    def root_order(self, thing: Thing) -> tuple[object, ...]:
        """Where it stands among the roots, if it is one."""
        below = any(e.target == thing.id and e.what in _UPWARD for e in self._ends[thing.id])
        if thing.kind in WAYS_OUT and thing.id not in self._switch and not below:
            rank = 0
        elif thing.kind in ("ovs-bridge", "bridge"):
            rank = (1 if thing.kind == "ovs-bridge" else 2) + 2 * bool(thing.port)
        else:
            rank = 5 + (thing.kind == "port")
        return rank, *_order(thing)

    def tree(self, name: str, came_from: str) -> Tree:
        """From there on, with what is not drawn yet."""
        self.drawn.add(name)
        tree = Tree(self._things[name])
        others = {other_end(edge, name): edge for edge in self._ends[name]}
        others.pop(came_from, None)
        for there in sorted((self._things[other] for other in others), key=_order):
            edge = others[there.id]
            goes = self._goes(tree.thing, there, edge)
            if goes and there.id not in self.drawn:
                tree.children.append(self.tree(there.id, name))
            elif goes or edge.what == WIRE:
                tree.elsewhere.append((there.name, self._switch.get(there.id, "")))
        return tree

    def _goes(self, here: Thing, there: Thing, edge: Edge) -> bool:
        forward = edge.source == here.id
        if edge.what == MEMBER:
            return forward or bool(there.port) or (here.kind == "veth" and there.kind == "bridge")
        if edge.what == UPLINK:
            return forward != (self._things[edge.target].kind == "ovs-bridge")
        if edge.what == WIRE:
            return self._switch.get(there.id) not in self._common
        return forward


_UPWARD = (graph.STACKED, graph.FUNCTION)


def _order(thing: Thing) -> tuple[object, ...]:
    """Ports' things first, others' last; eth2 before eth10, but a UUID's digits are no number."""
    strange = thing.whose == graph.OTHERS and thing.kind not in WAYS_OUT and thing.kind != "patch"
    parts = [thing.name] if thing.port else _DIGITS.split(thing.name)
    return 4 if strange else _LAST.get(thing.whose, 0), tuple(map(_comparable, parts))


def _comparable(part: str) -> tuple[int, int, str]:
    return (0, int(part), "") if part.isdecimal() else (1, 0, part)
