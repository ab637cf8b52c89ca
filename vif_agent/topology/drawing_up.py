"""Facts become things and edges."""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from vif_agent.names import means_something
from vif_agent.ownership import SHARED as SHARED_OWNER
from vif_agent.ownership import is_named_after
from vif_agent.topology import graph
from vif_agent.topology.facts import (
    BridgeFacts,
    Glimpse,
    LinkFacts,
    OrphanFacts,
    OvsFacts,
    PortFacts,
)
from vif_agent.topology.graph import MEMBER, STACKED, UPLINK, WIRE, Edge, Graph, Thing

#: what leads out of the host, or stands on what does
WAYS_OUT = ("nic", "bond", "team", "vlan", "vxlan", "tunnel", "dummy", "dpdk")
INNER = "inner"
#: what several ports may use, whoever has made it
COMMON = (*WAYS_OUT, "bridge", "ovs-bridge")
_UPON = ("vlan", "macvlan", "macvtap", "ipvlan")
_TUNNELS = ("vxlan", "gre", "geneve", "stt", "lisp", "erspan", "ip6gre", "bareudp", "gtpu", "srv6")
_NAMES = {"": "nic", "tun": "tap"}
#: the host's own, and Open vSwitch's: a datapath has a device of its own
_OWN = {"lo": INNER, "ovs-system": INNER, "ovs-netdev": INNER}

Whose = Callable[..., tuple[str, str]]


def draw_up(
    host: str,
    seen: Glimpse,
    ports: Collection[PortFacts],
    orphans: Collection[OrphanFacts] = (),
    physnets: Mapping[str, str] | None = None,
) -> Graph:
    """``physnets``: the physical network that each device or bridge leads to."""
    whose = _judge(ports, orphans)
    left = {name: orphan for orphan in orphans for name in orphan.devices}
    things = _things(seen, whose)
    named = dict(physnets or {})
    edges = {*_of_links(seen.links, things, named), *_of_switches(seen, things)}
    out = {edge.source for edge in edges if edge.what in (STACKED, UPLINK)} | named.keys()
    things = {name: _with_more(thing, named, left, name in out) for name, thing in things.items()}
    for port in ports:
        for address, card in port.vfs.items():
            things[address] = Thing(
                id=address, kind="vf", name=address, whose=graph.PORTS, port=port.port_id
            )
            edges |= {Edge(card, address, graph.FUNCTION)} if card in things else set()
    drawn = Graph(
        host=host,
        things=things | _of_nothing(ports, things.values()),
        edges=tuple(sorted(edges)),
        ports={port.port_id: _told(port) for port in ports},
        ovs_away=seen.ovs_away,
    )
    return drawn.of_ports(drawn.ports)


def _judge(ports: Collection[PortFacts], orphans: Collection[OrphanFacts]) -> Whose:
    """Whose is the thing of this name and owner tag, and which port's? ``common``: several may use
    it, so that one does says nothing."""
    known = {port.port_id for port in ports}
    starts = {port.port_id[:11]: port.port_id for port in ports}
    left = {name: orphan.port_id for orphan in orphans for name in orphan.devices}
    claims = dict(_claims(ports))

    def of_name(name: str, common: bool) -> str:
        port = starts.get(name[3:14]) or starts.get(name[2:13]) or ""
        if port and is_named_after(name, port):
            return port
        return "" if common else claims.get(name, "")

    def whose(
        name: str, owner: str | None, iface_id: str = "", common: bool = False
    ) -> tuple[str, str]:
        if owner == SHARED_OWNER:
            return graph.SHARED, ""
        if owner:
            return (graph.PORTS if owner in known else graph.ORPHAN), owner
        if port := (iface_id if iface_id in known else of_name(name, common)):
            return graph.PORTS, port
        return (graph.ORPHAN, left[name]) if name in left else (graph.OTHERS, "")

    return whose


def _claims(ports: Iterable[PortFacts]) -> Iterator[tuple[str, str]]:
    """What one port alone has among its devices; but a NIC that it would have is nobody's."""
    seen: dict[str, str] = {}
    for port in ports:
        for name in port.devices:
            seen[name] = "" if name in seen else port.port_id
    return ((n, port) for n, port in seen.items() if port and not means_something(n))


def _things(seen: Glimpse, whose: Whose) -> dict[str, Thing]:
    """An OVS port and the device of its name are one thing; so are a bridge and its own port."""
    things = {link.name: _of_link(link, whose) for link in seen.links}
    for bridge in seen.bridges:
        things[bridge.name] = _of_bridge(bridge, things.get(bridge.name), whose)
    switches = {bridge.name for bridge in seen.bridges}
    for port in seen.ports:
        if port.name not in switches:
            things[port.name] = _of_port(port, things.get(port.name), whose)
    return things


def _of_link(link: LinkFacts, whose: Whose) -> Thing:
    kind = _OWN.get(link.name) or _NAMES.get(link.kind, link.kind)
    told = ("up", "carrier", "mtu", "mac")
    facts: dict[str, Any] = {name: getattr(link, name) for name in told}
    if link.held is not None:
        facts["guest"] = link.held
    facts |= {"tag": link.tag} if link.tag is not None else {}
    facts |= {"local": link.local} if link.local else {}
    what, port = whose(link.name, link.owner, common=kind in COMMON)
    return Thing(id=link.name, kind=kind, name=link.name, whose=what, port=port, facts=facts)


def _of_bridge(bridge: BridgeFacts, device: Thing | None, whose: Whose) -> Thing:
    what, port = whose(bridge.name, bridge.owner, common=True)
    facts = {
        **(device.facts if device else {}),
        "datapath": bridge.datapath_type,
        "fail_mode": bridge.fail_mode,
        "unattended": bridge.unattended,
    }
    facts.pop("guest", None)
    facts = {name: value for name, value in facts.items() if value != ""}
    name = bridge.name
    return Thing(id=name, kind="ovs-bridge", name=name, whose=what, port=port, facts=facts)


def _of_port(port: OvsFacts, device: Thing | None, whose: Whose) -> Thing:
    what, owner = whose(port.name, port.owner, port.iface_id)
    if what == graph.OTHERS and device:
        what, owner = device.whose, device.port
    given = {
        "ofport": port.ofport if (port.ofport or 0) > 0 else None,
        "vlan": port.tag,
        "error": port.error,
        "bond": port.bond,
        "remote": port.options.get("remote_ip", ""),
        "peer": port.options.get("peer", ""),
    }
    facts = {name: value for name, value in given.items() if value not in (None, "")}
    return Thing(
        id=port.name,
        kind=_kind_of(port, device),
        name=port.name,
        whose=what,
        port=owner,
        facts={**(device.facts if device else {}), **facts},
    )


def _kind_of(port: OvsFacts, device: Thing | None) -> str:
    if port.type in _TUNNELS:
        return "tunnel"
    if port.type not in ("", "system", "tap"):
        return port.type
    return device.kind if device else "missing"


def _with_more(
    thing: Thing, physnets: Mapping[str, str], orphans: Mapping[str, OrphanFacts], out: bool
) -> Thing:
    """``out``: it leads out of the host, and so is a NIC, whatever stands for one."""
    more: dict[str, Any] = {}
    if out and thing.whose == graph.OTHERS and thing.kind not in COMMON:
        thing = dataclasses.replace(thing, kind="nic")
    if thing.name in physnets:
        more["physnet"] = physnets[thing.name]
    if thing.whose == graph.ORPHAN and (orphan := orphans.get(thing.name)):
        more |= {"sightings": orphan.sightings, "due": orphan.due, "in_use": orphan.in_use}
    return dataclasses.replace(thing, facts={**thing.facts, **more}) if more else thing


def _of_links(
    links: Collection[LinkFacts], things: Mapping[str, Thing], physnets: Mapping[str, str]
) -> Iterator[Edge]:
    by_name = {link.name: link for link in links}
    for link in links:
        master, below = things.get(link.master), by_name.get(link.below)
        if master and master.kind in ("bond", "team"):
            yield Edge(link.name, master.name, STACKED)
        elif master and master.kind not in ("ovs-bridge", "openvswitch"):
            out = things[link.name].kind in WAYS_OUT or link.name in physnets
            yield _member(master.name, link.name, out)
        if below is None:
            continue
        if link.kind in _UPON or link.kind == "vxlan":
            yield Edge(below.name, link.name, STACKED)
        elif link.kind == "veth" and below.kind == "veth" and below.below == link.name:
            yield _wire(link.name, below.name)


def _of_switches(seen: Glimpse, things: Mapping[str, Thing]) -> Iterator[Edge]:
    peers = {port.name: port.options.get("peer", "") for port in seen.ports}
    for port in seen.ports:
        if port.bridge in things and port.name != port.bridge and port.name in things:
            yield _member(port.bridge, port.name, things[port.name].kind in WAYS_OUT)
        peer = peers[port.name]
        if port.type == "patch" and peers.get(peer) == port.name:
            yield _wire(port.name, peer)


def _wire(one: str, other: str) -> Edge:
    """The same from both ends."""
    return Edge(min(one, other), max(one, other), WIRE)


def _member(bridge: str, name: str, leads_out: bool) -> Edge:
    return Edge(name, bridge, UPLINK) if leads_out else Edge(bridge, name, MEMBER)


def _told(port: PortFacts) -> dict[str, Any]:
    """Of a port, what every picture has beside its things."""
    kept = ("state", "code", "vif_type", "network", "instance", "instance_uuid", "pairs")
    return {name: getattr(port, name) for name in kept}


def _of_nothing(ports: Iterable[PortFacts], things: Iterable[Thing]) -> dict[str, Thing]:
    """Ports of which nothing is on the host."""
    there = {thing.port for thing in things}
    lost = (port.port_id for port in ports if port.port_id not in there)
    alone = (Thing(id=f"port {p}", kind="port", name=p, whose=graph.PORTS, port=p) for p in lost)
    return {thing.id: thing for thing in alone}
