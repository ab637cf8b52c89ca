"""A host that has one of everything, as facts."""

from __future__ import annotations

from vif_agent.ownership import SHARED
from vif_agent.topology.drawing_up import draw_up
from vif_agent.topology.facts import (
    BridgeFacts,
    Glimpse,
    LinkFacts,
    OrphanFacts,
    OvsFacts,
    PortFacts,
)
from vif_agent.topology.graph import Graph


def uuid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-{number:012x}"


def named(prefix: str, number: int) -> str:
    return prefix + uuid(number)[:11]


BRIDGED, LATE, HYBRID, DIRECT, SOCKET, VF, ROUTED, ALONE, OWN, LEFT = range(1, 11)
NET = "7151fa78-2a00-4000-8000-000000000000"


def _link(name: str, kind: str, **more: object) -> LinkFacts:
    facts: dict[str, object] = {"name": name, "kind": kind, "mtu": 1500, "up": True, **more}
    return LinkFacts(**facts)  # type: ignore[arg-type]


def _tap(number: int, held: bool, **more: object) -> LinkFacts:
    return _link(named("tap", number), "tun", held=held, **more)


LINKS = (
    _link("lo", "", mtu=65536),
    *(_link(name, "", carrier=True, mtu=9000) for name in ("eth1", "eth2", "eth10")),
    *(_link(name, "", carrier=True, master="bond0") for name in ("eth3", "eth4")),
    _link("bond0", "bond", carrier=True),
    _link("eth1.103", "vlan", below="eth1", tag=103, owner=SHARED, master="brq7151fa78-2a"),
    _link("brq7151fa78-2a", "bridge", owner=SHARED),
    _tap(BRIDGED, held=True, owner=uuid(BRIDGED), master="brq7151fa78-2a"),
    _tap(LATE, held=False, master="brq7151fa78-2a"),
    _link(
        "vxlan-77", "vxlan", below="bond0", tag=77, local="10.0.0.1", owner=SHARED, master="brqvx"
    ),
    _link("brqvx", "bridge", owner=SHARED),
    _link("docker0", "bridge", up=False),
    _link("br-int", "tun", held=True),
    _link("br-ex", "tun", held=True),
    _link(named("qbr", HYBRID), "bridge", owner=uuid(HYBRID)),
    _link(
        named("qvb", HYBRID), "veth", owner=uuid(HYBRID), below=named("qvo", HYBRID),
        master=named("qbr", HYBRID),
    ),
    _link(named("qvo", HYBRID), "veth", owner=uuid(HYBRID), below=named("qvb", HYBRID)),
    _tap(HYBRID, held=True, master=named("qbr", HYBRID)),
    _tap(OWN, held=True, owner=uuid(OWN)),
    _tap(ROUTED, held=False, owner=uuid(ROUTED)),
    _link("vethX", "veth", below="another namespace's"),
)  # fmt: skip


def _row(name: str, bridge: str = "br-int", **more: object) -> OvsFacts:
    facts: dict[str, object] = {"name": name, "bridge": bridge, "ofport": 7, **more}
    return OvsFacts(**facts)  # type: ignore[arg-type]


def _patch(name: str, bridge: str, peer: str, **more: object) -> OvsFacts:
    return _row(name, bridge, type="patch", options={"peer": peer}, **more)


PB = "pb" + uuid(OWN)[:12]
ROWS = (
    _row("br-int", type="internal", ofport=65534),
    _row(named("qvo", HYBRID), tag=7, owner=uuid(HYBRID), iface_id=uuid(HYBRID), ofport=41),
    _row(
        named("tap", DIRECT), iface_id=uuid(DIRECT), owner=uuid(DIRECT), ofport=-1, tag=4095,
        error="could not open network device",
    ),
    _row(
        named("vhu", SOCKET), type="dpdkvhostuserclient", iface_id=uuid(SOCKET),
        owner=uuid(SOCKET), ofport=9,
    ),
    _row(named("tap", LEFT), owner=uuid(LEFT), ofport=-1, error="could not open network device"),
    _row("vethX", ofport=12),
    _patch("int-br-ex", "br-int", "phy-br-ex"),
    _patch("phy-br-ex", "br-ex", "int-br-ex"),
    _row("eth2", "br-ex", ofport=1),
    _row("vxlan-0a000002", "br-tun", type="vxlan", options={"remote_ip": "10.0.0.2"}),
    _patch("patch-tun", "br-int", "patch-int"),
    _patch("patch-int", "br-tun", "patch-tun"),
    _patch("ibp" + uuid(OWN), "br-int", "pbp" + uuid(OWN), owner=uuid(OWN)),
    _patch("pbp" + uuid(OWN), PB, "ibp" + uuid(OWN), owner=uuid(OWN)),
    _row(named("tap", OWN), PB, owner=uuid(OWN)),
)  # fmt: skip
BRIDGES = (
    BridgeFacts(name="br-int", datapath_type="netdev", fail_mode="secure", owner=SHARED),
    BridgeFacts(name="br-ex"),
    BridgeFacts(name="br-tun", fail_mode="secure"),
    BridgeFacts(name=PB, fail_mode="secure", owner=uuid(OWN)),
)


def _port(number: int, state: str = "ready", **more: object) -> PortFacts:
    facts: dict[str, object] = {
        "port_id": uuid(number), "state": state, "network": NET, "instance": f"instance-{number}",
        "devices": ("br-int",), **more,
    }  # fmt: skip
    return PortFacts(**facts)  # type: ignore[arg-type]


PORTS = (
    _port(BRIDGED, pairs=1),
    _port(LATE, "retrying", code="not_yet", instance="", instance_uuid="0b2a3f6e"),
    _port(HYBRID),
    _port(DIRECT),
    _port(SOCKET),
    _port(VF, vfs={"0000:81:00.2": "eth10"}),
    _port(ROUTED, "pending"),
    _port(ALONE, "error", code="binding_refused"),
    _port(OWN),
)
ORPHANS = (OrphanFacts(port_id=uuid(LEFT), devices=(named("tap", LEFT),), sightings=3, due=True),)
PHYSNETS = {"eth1": "physnet1", "br-ex": "physnet2"}


def everything() -> Graph:
    return draw_up("compute-1", Glimpse(LINKS, BRIDGES, ROWS), PORTS, ORPHANS, PHYSNETS)


def crowd(ports: int, networks: int, wrong: int = 0) -> Graph:
    """Hybrid ports, of so many networks; the first are in error."""
    links, rows, facts = [], [BridgeFacts(name="br-int", owner=SHARED)], []
    switch = []
    for number in range(ports):
        owner = uuid(number)
        qbr, qvb, qvo = (named(prefix, number) for prefix in ("qbr", "qvb", "qvo"))
        links += [
            _link(qbr, "bridge", owner=owner),
            _link(qvb, "veth", owner=owner, below=qvo, master=qbr),
            _link(qvo, "veth", owner=owner, below=qvb),
            _tap(number, held=True, master=qbr),
        ]
        switch.append(_row(qvo, owner=owner, iface_id=owner, ofport=number + 1))
        state, code = ("error", "conflict") if number < wrong else ("ready", "")
        facts.append(_port(number, state, code=code, network=f"net-{number % networks:04}"))
    return draw_up("compute-1", Glimpse((*links,), (*rows,), (*switch,)), facts)
