"""Real Ethernet frames from one port to another."""

from __future__ import annotations

from collections.abc import Sequence

from demo import show
from demo.host import guest_tap
from demo.ports import Port, network
from demo.show import Checks
from vif_agent.helper import guards
from vif_agent.testing.frames import TapEnd, crosses
from vif_agent.testing.host import ScratchHost

_VLAN = "101"
_A_MAC = "02:00:00:00:00:01"
_SILENCE = 0.3  # seconds without the frame that count as "does not arrive"


def all_ways(host: ScratchHost, burst: Sequence[Port], checks: Checks) -> None:
    kinds = {name: [p for p in burst if p.payload == name] for name in {p.payload for p in burst}}
    through_linux_bridge(host, kinds["bridge"], checks)
    through_ovs(host, kinds["ovs_create_tap"], checks)
    through_hybrid(host, kinds["ovs_hybrid"], checks)


def through_linux_bridge(host: ScratchHost, ports: Sequence[Port], checks: Checks) -> None:
    first = ports[0]
    neighbour = next(p for p in ports[1:] if network(p) == network(first))
    stranger = next(p for p in ports if network(p) != network(first))
    a, b, c = (p.device("tap") for p in (first, neighbour, stranger))
    bridge = first.vif["network"]["bridge"]
    show.note(f"Linux bridge: two ports of one network, both in {bridge}.")
    mac, others = (port.vif["address"] for port in (first, neighbour))
    checks.that(f"a frame from {a} arrives at {b}", not _arrives(host, a, b, mac=mac))
    checks.that(f"and not at {c}, in another network", _arrives(host, a, c, _SILENCE, mac))
    if not guards.lacks():
        spoofed = _arrives(host, a, b, _SILENCE, others)
        checks.that(f"nor one of {a} that pretends to be from {b}", spoofed)


def through_ovs(host: ScratchHost, ports: Sequence[Port], checks: Checks) -> None:
    a, b = (p.device("tap") for p in ports[:2])
    show.note("Open vSwitch: two direct ports on br-int, bound by OVN, hence never isolated.")
    checks.that(f"a frame from {a} arrives at {b}", not _arrives(host, a, b))


def through_hybrid(host: ScratchHost, ports: Sequence[Port], checks: Checks) -> None:
    """Ports bound by ML2/OVS start in the dead VLAN, until somebody tags them."""
    first, second = ports[:2]
    show.note(
        "Hybrid: guest tap - qbr - qvb/qvo - br-int and back. The demo stands in for libvirt (puts "
        f"a tap into each qbr) and for Neutron's agent (ovs-vsctl: tag={_VLAN}, no vlan_mode)."
    )
    a, b = (p.device("tap") for p in (first, second))
    with guest_tap(a, first.device("qbr")), guest_tap(b, second.device("qbr")):
        checks.that("nothing crosses while both are in the dead VLAN, 4095",
                    _arrives(host, a, b, _SILENCE))  # fmt: skip
        for port in (first, second):
            _tag(host, port.device("qvo"))
        checks.that(f"once tagged, a frame from {a} arrives at {b}", not _arrives(host, a, b))


def _tag(host: ScratchHost, name: str) -> None:
    """As Neutron's agent wires a port."""
    clear = [word for c in ("vlan_mode", "trunks") for word in ("--", "clear", "port", name, c)]
    host.ovs.vsctl("set", "port", name, f"tag={_VLAN}", *clear)


def _arrives(
    host: ScratchHost, source: str, target: str, timeout: float = 5, mac: str = _A_MAC
) -> bool:
    tun = host.own_tun_device()
    with TapEnd(source, tun) as a, TapEnd(target, tun) as b:
        return crosses(a, b, timeout, mac)
