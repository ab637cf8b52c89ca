"""A NIC's move by itself: what goes along, what stays, and what a failure leaves."""

from __future__ import annotations

import errno
import functools
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.casting import wait_for
from tests.support.real_host import ip, links, set_sysctl, sysctl
from tests.support.wire import HOST, NIC, ROUTER, Wire, belongings, furnish, unfurnish
from vif_agent.host.netlink.rtnetlink import Answer, Socket
from vif_agent.host.nic_migration import migrate

BRIDGE = "brq-a"

pytestmark = pytest.mark.usefixtures("namespace", "wire")


@pytest.fixture
def wire(namespace: None) -> Iterator[Wire]:
    wire = Wire()
    furnish()
    yield wire
    unfurnish()
    wire.close()


def a_bridge(name: str = BRIDGE, alias: str = "vif-agent shared") -> None:
    ip("link", "add", name, "type", "bridge", "forward_delay", "0")
    set_sysctl("ipv6", name, "disable_ipv6", 1)
    ip("link", "set", name, "up", "alias", alias)


def move(bridge: str = "") -> Answer:
    index = socket.if_nametoindex(bridge) if bridge else 0
    with Socket() as netlink:
        return migrate.move(netlink, socket.if_nametoindex(NIC), index)


def test_all_goes_along_and_comes_back() -> None:
    a_bridge()
    before = belongings(NIC)
    for _again in range(2):
        for _twice in range(2):
            assert move(BRIDGE).errno == 0
            assert belongings(BRIDGE) == before
            assert belongings(NIC)["addresses"] == belongings(NIC)["routes"] == []
        for _twice in range(2):
            assert move().errno == 0
            assert belongings(NIC) == before
            assert belongings(BRIDGE)["addresses"] == belongings(BRIDGE)["routes"] == []


def test_all_goes_from_bridge_to_bridge() -> None:
    a_bridge()
    a_bridge("brq-b")
    before = belongings(NIC)
    move(BRIDGE)
    assert move("brq-b").errno == 0
    assert belongings("brq-b") == before
    assert links()[NIC]["master"] == "brq-b"


def test_bridge_of_ours_behaves_as_the_nic_did() -> None:
    a_bridge()
    for family, name, value in (("ipv4", "rp_filter", 1), ("ipv6", "accept_ra", 2)):
        set_sysctl(family, NIC, name, value)
    move(BRIDGE)
    assert (sysctl("ipv4", BRIDGE, "rp_filter"), sysctl("ipv6", BRIDGE, "accept_ra")) == (1, 2)
    assert links()[BRIDGE]["address"] == links()[NIC]["address"]
    assert sysctl("ipv6", BRIDGE, "disable_ipv6") == 0


def test_secret_of_addresses_goes_along() -> None:
    """The kernel refuses the mode of making addresses that it is for, where it is not set."""
    a_bridge()
    secret = "2001:0db8:0000:0000:0000:0000:0000:0007"
    text = (Path("/proc/sys/net/ipv6/conf", device, "stable_secret") for device in (NIC, BRIDGE))
    next(text).write_text(secret)
    assert sysctl("ipv6", NIC, "addr_gen_mode") == 2
    assert move(BRIDGE).errno == 0
    assert next(text).read_text().strip() == secret
    assert sysctl("ipv6", BRIDGE, "addr_gen_mode") == 2


def test_bridge_of_others_keeps_its_mac_and_its_ways() -> None:
    a_bridge(alias="the operator's")
    mac = links()[BRIDGE]["address"]
    ip("link", "set", BRIDGE, "address", mac)  # else the kernel itself takes a member's
    set_sysctl("ipv4", NIC, "rp_filter", 1)
    before = belongings(NIC)
    assert move(BRIDGE).errno == 0
    assert links()[BRIDGE]["address"] == mac
    assert sysctl("ipv4", BRIDGE, "rp_filter") == 0
    assert belongings(BRIDGE) == before


def test_address_is_never_tentative() -> None:
    """It would not answer, and a second of the same in the network would take it away."""
    a_bridge()
    for bridge, device in ((BRIDGE, BRIDGE), ("", NIC)):
        move(bridge)
        own = [a for a in links()[device]["addr_info"] if a["local"] == HOST[1]]
        assert [a.get("tentative") for a in own] == [None]


def test_advertisements_go_on_to_be_heeded(wire: Wire) -> None:
    """Else what the first one has given would end, address and all."""
    a_bridge()
    ip("-6", "route", "delete", "default", "via", "fe80::1")
    set_sysctl("ipv6", NIC, "forwarding", 0)
    set_sysctl("ipv6", NIC, "accept_ra", 1)
    for device, lifetime in ((NIC, 10_000), (BRIDGE, 20_000), (NIC, 30_000), (BRIDGE, 40_000)):
        move(BRIDGE if device == BRIDGE else "")
        assert _by_router(device) or lifetime == 10_000
        heeded = functools.partial(_heeded, wire, device, lifetime)
        wait_for(heeded, f"{lifetime} seconds for {device}")
    assert [route["metric"] for route in _by_router(BRIDGE)] == [1024, 1025]


def _heeded(wire: Wire, device: str, lifetime: int) -> bool:
    wire.advertise("2001:db8:5::", lifetime)
    found = links()[device]["addr_info"]
    lives = [a["valid_life_time"] for a in found if a["local"].startswith("2001:db8:5:")]
    return len(lives) == 1 and lifetime - 100 < lives[0] <= lifetime


def _by_router(device: str) -> list[dict[str, Any]]:
    routes = json.loads(ip("-j", "-6", "route", "show", "default", "dev", device))
    return [route for route in routes if route["gateway"] == ROUTER]


def test_next_hop_by_another_device_stays_where_it_is() -> None:
    ip("link", "add", "eth2", "type", "veth", "peer", "name", "far2")
    for device in ("eth2", "far2"):
        ip("link", "set", device, "up")
    ip("address", "add", "10.8.0.1/24", "dev", "eth2")
    ip("-6", "address", "add", "fd08::1/64", "dev", "eth2", "nodad")
    _two_ways("10.4.0.0/16", "192.0.2.2", "10.8.0.2")
    _two_ways("fd04::/64", "2001:db8::2", "fd08::2")
    before = belongings(NIC), belongings("eth2")
    a_bridge()
    move(BRIDGE)
    text = ip("route", "show", "10.4.0.0/16") + ip("-6", "route", "show", "fd04::/64")
    assert (text.count(f"dev {BRIDGE}"), text.count("dev eth2"), text.count(NIC)) == (2, 2, 0)
    move()
    assert (belongings(NIC), belongings("eth2")) == before


def test_next_hop_by_a_device_that_is_down_holds_up_nothing() -> None:
    """The kernel keeps it in a route that it has, and takes it in no new one."""
    ip("link", "add", "eth2", "type", "veth", "peer", "name", "far2")
    ip("link", "set", "eth2", "up")
    ip("address", "add", "10.8.0.1/24", "dev", "eth2")
    _two_ways("10.4.0.0/16", "192.0.2.2", "10.8.0.2")
    ip("link", "set", "eth2", "down")
    a_bridge()
    assert move(BRIDGE).errno == 0
    assert ip("route", "show", "10.4.0.0/16").split() == [
        "10.4.0.0/16", "via", "192.0.2.2", "dev", BRIDGE,
    ]  # fmt: skip
    assert belongings(NIC)["routes"] == []


def test_route_by_a_nexthop_object_goes_along() -> None:
    """The object itself cannot: it would go on leading to the NIC, which hears nothing any more."""
    ip("link", "add", "eth2", "type", "veth", "peer", "name", "far2")
    for device in ("eth2", "far2"):
        ip("link", "set", device, "up")
    ip("-6", "address", "add", "fd08::1/64", "dev", "eth2", "nodad")
    for family, number, gateway, device in (
        ("-4", "1", "192.0.2.2", NIC),
        ("-6", "2", "2001:db8::2", NIC),
        ("-6", "3", "fd08::2", "eth2"),
    ):
        ip(family, "nexthop", "add", "id", number, "via", gateway, "dev", device)
    ip("nexthop", "add", "id", "9", "group", "2/3")
    ip("route", "add", "10.4.0.0/16", "nhid", "1")
    ip("-6", "route", "add", "fd04::/64", "nhid", "9")
    a_bridge()
    assert move(BRIDGE).errno == 0
    text = ip("route", "show", "10.4.0.0/16") + ip("-6", "route", "show", "fd04::/64")
    assert (text.count(f"dev {BRIDGE}"), text.count("dev eth2"), text.count(NIC)) == (2, 1, 0)


def test_bridge_that_is_down_is_not_joined() -> None:
    a_bridge(alias="the operator's")
    ip("link", "set", BRIDGE, "down")
    before = belongings(NIC)
    with pytest.raises(OSError, match=f"the bridge {BRIDGE} is down"):
        move(BRIDGE)
    assert belongings(NIC) == before
    assert belongings(BRIDGE)["addresses"] == []


def test_nic_that_is_busy_otherwise_leaves_nothing_with_the_bridge() -> None:
    a_bridge()
    ip("link", "add", "link", NIC, "name", "guest", "type", "macvtap")
    before = belongings(NIC)
    with pytest.raises(OSError, match="a macvlan, macvtap or ipvlan device stands on it"):
        move(BRIDGE)
    assert belongings(NIC) == before
    assert belongings(BRIDGE)["addresses"] == []


def _two_ways(to: str, ours: str, other: str) -> None:
    ip(
        *("route", "add", to, "nexthop", "via", ours, "dev", NIC, "weight", "2"),
        *("nexthop", "via", other, "dev", "eth2"),
    )


def test_nic_that_cannot_have_its_addresses_back_does_not_leave() -> None:
    a_bridge()
    move(BRIDGE)
    there = belongings(BRIDGE)
    set_sysctl("ipv6", NIC, "disable_ipv6", 1)
    assert move().errno == errno.EACCES
    assert links()[NIC]["master"] == BRIDGE
    assert belongings(BRIDGE)["addresses"] == there["addresses"]
    set_sysctl("ipv6", NIC, "disable_ipv6", 0)
    assert move().errno == 0
    assert "master" not in links()[NIC]


def test_nic_that_cannot_join_keeps_all_it_has() -> None:
    ip("link", "add", BRIDGE, "type", "veth", "peer", "name", "y")
    before = belongings(NIC)
    with pytest.raises(OSError, match=f"{BRIDGE} is not a bridge"):
        move(BRIDGE)
    assert belongings(NIC) == before
