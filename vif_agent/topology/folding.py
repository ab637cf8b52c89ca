"""What makes a picture of two thousand ports readable: those that are well become one line of their
network, and what is nobody's of ours is only named."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable

from vif_agent.topology import graph
from vif_agent.topology.drawing_up import COMMON, INNER
from vif_agent.topology.graph import MEMBER, Edge, Graph, Thing, other_end, reached

#: ports that a picture shows one by one, if they are all that there are
READABLE = 40
#: of one network: fewer need no folding, and of those that are not well so many are shown
_FEW, _WRONG = 3, 10
_FOREIGN = 4
_READY = "ready"


def without_idle(whole: Graph) -> Graph:
    """What leads to nothing of ours is only named; of others' things in a bridge with ours a few
    are shown."""
    steps = {
        thing: [other_end(edge, thing) for edge in edges]
        for thing, edges in whole.neighbours().items()
    }
    ours = (t.id for t in whole.things.values() if t.whose != graph.OTHERS)
    kept = {*reached(ours, steps)}
    gone = (thing for thing in whole.things.values() if thing.id not in kept)
    idle = tuple(sorted(thing.name for thing in gone if thing.kind != INNER))
    return _without_many(whole.only(kept, idle=idle))


def _without_many(whole: Graph) -> Graph:
    """A network node has hundreds of routers' and DHCP servers' devices in br-int."""
    ends = whole.neighbours()
    beside: dict[str, list[str]] = defaultdict(list)
    for edge in whole.edges:
        thing = whole.things[edge.target]
        alone = thing.whose == graph.OTHERS and thing.kind not in COMMON
        if edge.what == MEMBER and alone and len(ends[thing.id]) == 1:
            beside[edge.source].append(edge.target)
    many = {bridge: names for bridge, names in beside.items() if len(names) > _FOREIGN}
    gone = {name for names in many.values() for name in names}
    folds = {bridge: _others(bridge, names) for bridge, names in many.items()}
    return _replaced(whole, gone, folds.items())


def _others(bridge: str, names: Collection[str]) -> Thing:
    facts = {"names": sorted(names)}
    return Thing(id=f"others {bridge}", kind="others", name="others", facts=facts)


def by_network(whole: Graph) -> Graph:
    """If there are many ports: of each network in each bridge one line for those that are well."""
    if len(whole.ports) <= READABLE:
        return whole
    where = _bridges(whole)
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for port_id, port in sorted(whole.ports.items()):
        groups[where.get(port_id, ""), port["network"]].append(port_id)
    folds, folded = [], set[str]()
    for (bridge, network), ports in sorted(groups.items()):
        hidden = _hidden(whole, ports)
        if len(hidden) > _FEW:
            folded |= hidden
            folds.append((bridge, _fold(whole, bridge, network, hidden)))
    gone = {thing.id for thing in whole.things.values() if thing.port in folded}
    shown = {port_id: port for port_id, port in whole.ports.items() if port_id not in folded}
    return _replaced(dataclasses.replace(whole, ports=shown), gone, folds)


def _hidden(whole: Graph, ports: Collection[str]) -> set[str]:
    """Those that are well, and of the others what is more than can be read."""
    wrong = [port for port in ports if whole.ports[port]["state"] != _READY]
    return set(ports) - set(wrong[:_WRONG])


def _fold(whole: Graph, bridge: str, network: str, ports: Collection[str]) -> Thing:
    states = Counter(whole.ports[port]["state"] for port in ports)
    facts = {"network": network, "ports": len(ports), "states": dict(sorted(states.items()))}
    name = f"network {network}"
    return Thing(id=f"{name} {bridge}", kind="fold", name=name, whose=graph.FOLDED, facts=facts)


def _bridges(whole: Graph) -> dict[str, str]:
    """The bridge, or the card, that a port's things hang on."""
    found: dict[str, str] = {}
    for edge in whole.edges:
        for inner, outer in ((edge.source, edge.target), (edge.target, edge.source)):
            port, thing = whole.things[inner].port, whole.things[outer]
            if port and not thing.port and thing.kind in COMMON:
                found.setdefault(port, outer)
    return found


def _replaced(whole: Graph, gone: Collection[str], folds: Iterable[tuple[str, Thing]]) -> Graph:
    folds = list(folds)
    kept = whole.only(whole.things.keys() - set(gone))
    more = {fold.id: fold for _, fold in folds}
    edges = (Edge(bridge, fold.id, MEMBER) for bridge, fold in folds if bridge)
    return dataclasses.replace(
        kept, things={**kept.things, **more}, edges=tuple(sorted({*kept.edges, *edges}))
    )
