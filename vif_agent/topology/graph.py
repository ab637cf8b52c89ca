"""Things and the edges between them, as plain data: what the bus tells, and every picture shows."""

import dataclasses
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

#: whose a thing is: one port's, several ports', of no port that is known, somebody else's; or it
#: stands for several ports
PORTS, SHARED, ORPHAN, OTHERS, FOLDED = "port", "shared", "orphan", "others", "folded"

#: what an edge says: the target stands on the source; it is in that bridge or switch; the source is
#: the bridge's way out, so the bridge hangs on it; two ends of one wire; a VF of its card
STACKED, MEMBER, UPLINK, WIRE, FUNCTION = "stacked", "member", "uplink", "wire", "function"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """``id`` is its own in one picture. ``facts``: whatever else is known, by words that
    ``words`` prints; ``port``: the port that it is for, or was."""

    id: str
    kind: str
    name: str
    whose: str = OTHERS
    port: str = ""
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Edge:
    """From what is nearer to the network to what is nearer to the guest: a wire goes both ways."""

    source: str
    target: str
    what: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """``ports``: by id, {"state", "code", "instance", ...}, of those that are shown one by one;
    ``states``: how many there are in which; ``idle``: names of what is nobody's of ours and leads
    to nothing of ours; ``ovs_away``: why a part is missing."""

    host: str = ""
    things: Mapping[str, Thing] = dataclasses.field(default_factory=dict)
    edges: tuple[Edge, ...] = ()
    ports: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    states: Mapping[str, int] = dataclasses.field(default_factory=dict)
    idle: tuple[str, ...] = ()
    ovs_away: str = ""

    def neighbours(self) -> dict[str, list[Edge]]:
        """Each edge at both of its ends."""
        ends: dict[str, list[Edge]] = {thing: [] for thing in self.things}
        for edge in self.edges:
            ends[edge.source].append(edge)
            ends[edge.target].append(edge)
        return ends

    def only(self, chosen: Iterable[str], **changes: Any) -> "Graph":
        """What is among these, and the edges between them; of ports none is left out."""
        kept = set(chosen)
        return dataclasses.replace(
            self,
            things={name: thing for name, thing in self.things.items() if name in kept},
            edges=tuple(e for e in self.edges if e.source in kept and e.target in kept),
            **changes,
        )

    def of_ports(self, ports: Container[str]) -> "Graph":
        """The same of these ports alone, counted anew."""
        kept = {port_id: port for port_id, port in self.ports.items() if port_id in ports}
        states = Counter(port["state"] for port in kept.values())
        return dataclasses.replace(self, ports=kept, states=states)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; always in the same order."""
        things = [dataclasses.asdict(self.things[name]) for name in sorted(self.things)]
        return {
            "host": self.host,
            "things": things,
            "edges": [dataclasses.asdict(edge) for edge in sorted(self.edges)],
            "ports": {port: dict(facts) for port, facts in sorted(self.ports.items())},
            "states": dict(sorted(self.states.items())),
            "idle": list(self.idle),
            "ovs_away": self.ovs_away,
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "Graph":
        """Of what an agent, perhaps a later one, has answered: what is not known is left out."""
        things = [Thing(**_known(Thing, each)) for each in given["things"]]
        return cls(
            host=given["host"],
            things={thing.id: thing for thing in things},
            edges=tuple(Edge(**_known(Edge, each)) for each in given["edges"]),
            ports=given["ports"],
            states=given["states"],
            idle=tuple(given["idle"]),
            ovs_away=given["ovs_away"],
        )


def other_end(edge: Edge, thing: str) -> str:
    """Of the two, the one that is not ``thing``."""
    return edge.target if edge.source == thing else edge.source


def reached(start: Iterable[str], steps: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """All that can be come to from there, once each, the start among them."""
    waiting, seen = list(start), set(start)
    while waiting:
        here = waiting.pop()
        yield here
        for there in steps.get(here, ()):
            if there not in seen:
                seen.add(there)
                waiting.append(there)


def _known(kind: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in given.items() if name in names}
