"""One cast takes no device of the host but its own: the whole machine is as it was."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.casting import MODES, Site, Vif, wait_for
from tests.support.real_host import TUN, ip, rows
from vif_agent.bus.api import PlugFailed
from vif_agent.testing.frames import TapEnd
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]

MANAGEMENT, GUESTS, BRIDGE, OTHER = "mgmt0", "vnet77", "theirs", "tap00c0ffee-00"
BRQ = "brq7151fa78-2a"


@pytest.fixture(scope="module", params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    options: dict[str, dict[str, object]] = {
        "bridge": {"wire_taps": True, "create_tap": True},
        "network": {"physical_interface_mappings": "physnet1:eth1", "interfaces": "eth[23]"},
        "vif_agent": {"check_interval": 0},
    }
    with _machine(), Site(scratch_with_bus, request.param, options) as running:
        yield running


@contextlib.contextmanager
def _machine() -> Iterator[None]:
    """What a host has: a NIC for its management, another's bridge with a guest in it, a VPN."""
    ip("link", "add", MANAGEMENT, "up", "type", "veth", "peer", "name", "far")
    ip("link", "set", "far", "up")
    ip("address", "add", "192.0.2.9/24", "dev", MANAGEMENT)
    ip("route", "add", "default", "via", "192.0.2.1", "dev", MANAGEMENT)
    ip("link", "add", BRIDGE, "up", "type", "bridge")
    for name in (GUESTS, OTHER, "vpn"):
        ip("tuntap", "add", name, "mode", "tap")
        ip("link", "set", name, "up")
    for name in (GUESTS, OTHER):
        ip("link", "set", name, "master", BRIDGE)
    wait_for(lambda: "tentative" not in ip("address"), "addresses that stay as they are")
    try:
        yield
    finally:
        for name in (MANAGEMENT, GUESTS, OTHER, "vpn", BRIDGE):
            ip("link", "del", name)


def machine(site: Site) -> dict[str, Any]:
    """Without what runs by itself: statistics are not asked for, lifetimes and timers do."""
    site.host.ovs.sync()
    tables = ("Open_vSwitch", "Bridge", "Port", "Interface", "QoS")
    return {
        "links": _without_timers(json.loads(ip("-d", "-j", "link"))),
        "addresses": _without_timers(json.loads(ip("-j", "address"))),
        "routes": [json.loads(ip("-j", f"-{v}", "route", "show", "table", "all")) for v in (4, 6)],
        "ovsdb": {table: _without_timers(rows(site.host.ovs, table)) for table in tables},
    }


def _without_timers(found: Any) -> Any:
    if isinstance(found, dict):
        skipped = (
            "timer",
            "valid_life_time",
            "preferred_life_time",
            "statistics",
            "status",
            "_cfg",
            "link_",
        )
        return {
            key: _without_timers(value)
            for key, value in found.items()
            if not any(word in key for word in skipped)
        }
    return [_without_timers(item) for item in found] if isinstance(found, list) else found


def _by_interface(payload: Payload, device: str) -> Vif:
    vif = payload("bridge")
    meta = {**vif["network"]["meta"], "bridge_interface": device}
    return {**vif, "network": {**vif["network"], "meta": meta}}


def _by_vlan(payload: Payload, device: str) -> Vif:
    vif = payload("bridge_vlan")
    vif["network"]["meta"]["bridge_interface"] = device
    return vif


def _by_macvtap(payload: Payload, device: str) -> Vif:
    details = {"physical_interface": device, "macvtap_source": f"{device}.7", "vlan": 7}
    return {**payload("macvtap"), "details": details}


def _by_devname(payload: Payload, device: str) -> Vif:
    """With wire_taps: into the network's bridge with it."""
    vif = payload("tap")
    return {**vif, "devname": device, "network": {**vif["network"], "bridge": BRQ}}


def _into(payload: Payload, bridge: str) -> Vif:
    """There before us, and no network's by its name."""
    vif = payload("bridge")
    return {**vif, "network": {**vif["network"], "bridge": bridge}}


def _made(name: str) -> Callable[[Payload, str], Vif]:
    return lambda payload, device: {**payload(name), "devname": device}


CASTS = {
    **{
        f"{device} by {how.__name__[4:]}": (how, device, "not_configured", "[network] interfaces")
        for how in (_by_interface, _by_vlan, _by_macvtap)
        for device in (MANAGEMENT, "lo", BRIDGE, GUESTS, "far")
    },
    **{
        f"{device} to be wired": (_by_devname, device, "invalid_request", "vif.devname")
        for device in (MANAGEMENT, "lo", "br-int", "ovs-system", "eth1", "bond0", "eth1.7")
    },
    "into another's bridge": (_into, BRIDGE, "host_refused", f"the bridge {BRIDGE} is others'"),
    "a guest's tap": (_by_devname, GUESTS, "conflict", f"in the bridge {BRIDGE}, and not"),
    "another port's tap": (_by_devname, OTHER, "conflict", f"in the bridge {BRIDGE}, and not"),
    "another's bridge": (_by_devname, BRIDGE, "conflict", "a bridge, and not named after"),
    "a NIC": (_by_devname, "far", "conflict", "far is a veth, and not named after"),
    "an OVS bridge": (_by_devname, "ovsb", "conflict", "a port of Open vSwitch already"),
    **{
        f"{device} made by {name}": (_made(name), device, "invalid_request", "vif.devname")
        for name in ("ovs_create_tap", "ovs", "bridge")
        for device in ("eth5", "bond0", "br-ex", "ovs-system", "enp3s0", "lo")
    },
}


@pytest.mark.parametrize("name", CASTS)
def test_cast_leaves_the_machine_as_it_is(site: Site, payload: Payload, name: str) -> None:
    cast, device, code, words = CASTS[name]
    site.host.ovs.vsctl("--may-exist", "add-br", "br-int", "--", "set", "bridge", "br-int",
                        "datapath_type=netdev")  # fmt: skip
    site.host.ovs.vsctl("--may-exist", "add-br", "ovsb", "--", "set", "bridge", "ovsb",
                        "datapath_type=netdev")  # fmt: skip
    before, vif = machine(site), cast(payload, device)
    with pytest.raises(PlugFailed) as refused:
        site.plug(vif)
    assert (refused.value.code, words in str(refused.value)) == (code, True), refused.value
    assert machine(site) == before
    site.unplug(vif)
    assert machine(site) == before


@pytest.mark.parametrize("name", ["vpn", GUESTS])
def test_tap_that_nobody_has_put_anywhere_may_be_lent(
    site: Site, payload: Payload, name: str
) -> None:
    """As libvirt calls its own: vnet0, vnet1."""
    ip("link", "set", name, "nomaster")
    vif = _by_devname(payload, name)
    with TapEnd(name, TUN):
        assert site.plug(vif)["state"] == "ready"
        assert json.loads(ip("-j", "link", "show", name))[0]["master"] == BRQ
        assert site.writes(lambda: site.plug(vif)) == []
    site.unplug(vif)
    assert "master" not in json.loads(ip("-j", "link", "show", name))[0]
