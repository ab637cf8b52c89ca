"""A part of a picture: a port, a network or a bridge, with the way from there out of the host."""

from collections.abc import Collection

from vif_agent.errors import InvalidRequest
from vif_agent.topology.drawing_up import COMMON
from vif_agent.topology.graph import (
    FUNCTION,
    ORPHAN,
    PORTS,
    STACKED,
    UPLINK,
    WIRE,
    Edge,
    Graph,
    Thing,
    other_end,
    reached,
)

_SEVERAL = "the name of a bridge or device on this host"


def of_port(whole: Graph, port_id: str) -> Graph:
    """Its own things, and the way out."""
    return _with_ways_out(whole, [t.id for t in whole.things.values() if t.port == port_id])


def of_network(whole: Graph, network: str) -> Graph:
    """``network``: a network's id, or its beginning."""
    ports = {i for i, port in whole.ports.items() if port["network"].startswith(network)}
    if not ports:
        raise InvalidRequest("network", network, "the id, or its beginning, of a port's network")
    return _with_ways_out(whole, [t.id for t in whole.things.values() if t.port in ports])


def of_bridge(whole: Graph, name: str) -> Graph:
    """All that is in it, whole chains of it, and the way out. Any device may be named so."""
    if name not in whole.things:
        raise InvalidRequest("bridge", name, _SEVERAL)
    inner = {
        thing: [other_end(edge, thing) for edge in edges]
        for thing, edges in whole.neighbours().items()
        if thing == name or not _is_common(whole.things[thing])
    }
    return _with_ways_out(whole, [*reached([name], inner)])


def _is_common(thing: Thing) -> bool:
    """Where one picture ends and another begins."""
    return thing.kind in COMMON and thing.whose not in (PORTS, ORPHAN)


def _with_ways_out(whole: Graph, start: Collection[str]) -> Graph:
    outward = {
        thing: [other_end(edge, thing) for edge in edges if _leads_out(whole, thing, edge)]
        for thing, edges in whole.neighbours().items()
    }
    chosen = {*reached(start, outward)}
    return whole.only(chosen, idle=()).of_ports({whole.things[thing].port for thing in chosen})


def _leads_out(whole: Graph, thing: str, edge: Edge) -> bool:
    """From a member to its bridge, from there to its ways out and its patches to other bridges."""
    here, there = whole.things[thing], whole.things[other_end(edge, thing)]
    if edge.what in (STACKED, FUNCTION):
        return edge.target == thing
    if edge.what == WIRE:
        return not there.port or there.port == here.port
    if edge.what == UPLINK:
        return edge.target == thing
    return edge.target == thing or (there.kind == "patch" and not there.port)
