"""What passes and what does not: the table of frames through the daemon's own ports, in each kind
of network that it makes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support import guarded
from tests.support.casting import Site, Vif
from tests.support.guarded import DEVICES, behind_tunnel, behind_vlan, counted, ip, removed, tap
from tests.support.guarded_frames import (
    FREE,
    IP,
    IP6,
    LOOSE,
    MINE,
    PERMITTED,
    SHARED_IP,
    SHARED_MAC,
)
from vif_agent.helper import guards
from vif_agent.testing.frames import End, TapEnd
from vif_agent.testing.host import ScratchHost

BRIDGE = "brq-guarded"
OPTIONS: dict[str, dict[str, Any]] = {
    "firewall": {"driver": "nftables", "permitted_ethertypes": hex(PERMITTED)},
    "bridge": {"create_tap": True, "wire_taps": True},
    "network": {
        "physical_interface_mappings": "physnet1:trunk",
        "vxlan_local_ip": "192.0.2.1",
        "vxlan_peers": "192.0.2.2",
        "vxlan_port": guarded.TUNNEL_PORT,
    },
    "vif_agent": {"check_interval": 0},
}
#: as nova and Neutron would say it; nobody can say yet of a port that it may serve DHCP or route
SAID: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "strict": (
        MINE,
        (IP, IP6),
        {
            "allowed_address_pairs": [
                {"ip_address": SHARED_IP, "mac_address": SHARED_MAC},
                {"ip_address": "10.0.1.0/24"},
                {"ip_address": "2001:db8:1::/64"},
            ]
        },
    ),
    "mac only": (LOOSE, ("10.0.0.16",), {}),
    "unguarded": (FREE, (), {"port_security_enabled": False}),
}


@pytest.fixture(scope="module")
def site(scratch_with_bus: ScratchHost) -> Iterator[Site]:
    if missing := guards.lacks():
        pytest.skip(f"the kernel cannot guard ports: {missing}")
    with Site(scratch_with_bus, "threading", OPTIONS) as running:
        yield running


class Network:
    """The ports of one; ``meta``: of the network, as Neutron's types have it."""

    def __init__(self, site: Site, vif: Vif, **meta: Any) -> None:
        self._site = site
        self._network = {**vif["network"], "bridge": BRIDGE}
        self._network["meta"] = {**vif["network"]["meta"], "mtu": 1400, **meta}
        self._vif = vif

    @contextlib.contextmanager
    def plugged(self) -> Iterator[None]:
        for port in SAID:
            assert self._site.plug(self._vif_of(port))["state"] == "ready", port
        try:
            yield
        finally:
            self._site.unplug_all()

    def _vif_of(self, port: str) -> Vif:
        mac, addresses, meta = SAID[port]
        subnet = {"ips": [{"address": address} for address in addresses]}
        return {
            **self._vif,
            "id": _id(port),
            "devname": DEVICES[port],
            "address": mac,
            "meta": meta,
            "network": {**self._network, "subnets": [subnet]},
        }


Load = Callable[[str], Vif]


@contextlib.contextmanager
def linux_bridge(site: Site, payload: Load) -> Iterator[End]:
    """The other guest is in the same one."""
    with Network(site, payload("bridge")).plugged(), tap("tap-far", BRIDGE) as far:
        yield far
        ip("link", "delete", "tap-far")


@contextlib.contextmanager
def wire_taps(site: Site, payload: Load) -> Iterator[End]:
    """nova makes the taps."""
    with contextlib.ExitStack() as stack:
        for port in SAID:
            ip("tuntap", "add", DEVICES[port], "mode", "tap")
            ip("link", "set", DEVICES[port], "up")
            stack.enter_context(removed(DEVICES[port]))
        stack.enter_context(Network(site, payload("tap")).plugged())
        yield stack.enter_context(tap("tap-far", BRIDGE))
        ip("link", "delete", "tap-far")


@contextlib.contextmanager
def vlan(site: Site, payload: Load) -> Iterator[End]:
    of = {"network_type": "vlan", "physical_network": "physnet1", "segmentation_id": 7}
    with behind_vlan("trunk", 7) as far, Network(site, payload("bridge"), **of).plugged():
        yield far


@contextlib.contextmanager
def vxlan(site: Site, payload: Load) -> Iterator[End]:
    of = {"network_type": "vxlan", "segmentation_id": 7}
    with (
        behind_tunnel(7, "192.0.2.1", "192.0.2.2") as far,
        Network(site, payload("bridge"), **of).plugged(),
    ):
        yield far


@pytest.mark.parametrize("network", [linux_bridge, wire_taps, vlan, vxlan])
def test_what_passes_and_what_does_not_by_the_daemons_own_ports(
    network: Callable[[Site, Load], contextlib.AbstractContextManager[End]],
    site: Site,
    payload: Load,
    figures: Callable[[str], None],
) -> None:
    with (
        network(site, payload) as far,
        guarded.without_netfilter(),
        contextlib.ExitStack() as stack,
    ):
        ends = {port: stack.enter_context(TapEnd(DEVICES[port])) for port in SAID}
        for port, end in ends.items():
            guarded.reaches(end, far, port)
        sent = guarded.send_all(ends, far)
        assert guarded.wrong(sent, ends) == {}
        assert {port: _drops(site, port) for port in SAID} == {
            port: counted([port]).get(DEVICES[port], {}) for port in SAID
        }
    assert len(sent) >= 60
    passed = sum(one.arrived for one in sent.values())
    figures(f"guard, daemon's {network.__name__}: {len(sent)} frames, {passed} arrived, 0 wrong")


def _drops(site: Site, port: str) -> dict[str, int]:
    """As operators see them."""
    guard = site.port({"id": _id(port)}).get("guard") or {"drops": {}}
    drops: dict[str, int] = guard["drops"]
    return drops


def _id(port: str) -> str:
    return guarded.OWNER.format([*DEVICES].index(port))
