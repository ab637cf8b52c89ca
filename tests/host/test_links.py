"""What is read of a link is what `ip` and /proc/sys say of it."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest

from tests.support.real_host import PORT, TUN, bridge_fdb, ip, links, set_sysctl, sysctl
from vif_agent.helper.create import create
from vif_agent.helper.orders import CreateTap
from vif_agent.host.netlink import links as host_links
from vif_agent.host.netlink.events import LinkEvents
from vif_agent.host.netlink.rtnetlink import Socket
from vif_agent.ownership import Found
from vif_agent.plan.steps import REMAKE, REMOVE, Step
from vif_agent.resources import LINK, Bridge, Key, Link, OtherLink, Tap, Veth, Vxlan
from vif_agent.testing.frames import TapEnd

pytestmark = pytest.mark.usefixtures("in_process", "namespace")


def read(names: set[str], members_of: Collection[str] = ()) -> dict[Key, Found]:
    """By a replica that was filled after all that a test has prepared."""
    with watching() as watch:
        return watch.read(names, members_of)


@contextlib.contextmanager
def watching() -> Iterator[LinkEvents]:
    watch = LinkEvents(lambda keys: None, lambda card: (), None)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def found(name: str, members: bool = False) -> Found:
    return read({name}, {name} if members else ())[Key(LINK, name)]


def seen(name: str) -> Link:
    """The resource, put together from the words of `ip` and /proc/sys."""
    link = links()[name]
    common: dict[str, Any] = {
        "name": name,
        "mtu": link["mtu"],
        "mac": link.get("address", ""),  # a tun has none
        "up": "UP" in link["flags"],
        "master": link.get("master", ""),
        "promisc": "PROMISC" in link["flags"],
        "disable_ipv6": bool(sysctl("ipv6", name, "disable_ipv6")),
        "addressed": _addressed(link),
    }
    data = link.get("linkinfo", {}).get("info_data", {})
    match link.get("linkinfo", {}).get("info_kind"):
        case "bridge":
            return _bridge(common, data)
        case "veth":
            return Veth(**common, peer=link["link"])
        case "tun" if data["type"] == "tap":
            return Tap(**common, multi_queue=data["multi_queue"])
        case "vxlan":
            return _vxlan(common, data)
        case kind:
            return OtherLink(**common, described=kind or "network card")


def _addressed(link: dict[str, Any]) -> str | None:
    own = [a for a in link["addr_info"] if a["scope"] not in ("link", "host")]
    return str(link["ifname"]) if own else link.get("master")


def _vxlan(common: dict[str, Any], data: dict[str, Any]) -> Vxlan:
    """A tunnel without a device below it is at home anywhere."""
    return Vxlan(
        **common,
        vni=data["id"],
        local=data.get("local", data.get("local6", "")),
        group=data.get("group", data.get("group6", "")),
        peers=tuple(sorted(_peers(common["name"]) - {data.get("group"), data.get("group6")})),
        ttl=data.get("ttl", 0),
        port=data["port"],
        local_ip_present="link" not in data,
    )


def _peers(name: str) -> set[str]:
    said = subprocess.run(
        ["bridge", "-j", "fdb", "show", "dev", name], check=True, capture_output=True
    )
    entries = json.loads(said.stdout)
    return {e["dst"] for e in entries if "dst" in e and e["mac"] == "00:00:00:00:00:00"}


def _bridge(common: dict[str, Any], data: dict[str, Any]) -> Bridge:
    return Bridge(
        **common,
        forward_delay=data["forward_delay"] // 100,
        ageing=data["ageing_time"] // 100,
        stp=bool(data["stp_state"]),
        mcast_snooping=bool(data["mcast_snooping"]),
        learns_link_local=not data["no_linklocal_learn"],
        arp_ignore=sysctl("ipv4", common["name"], "arp_ignore"),
        arp_announce=sysctl("ipv4", common["name"], "arp_announce"),
    )


def a_bridge() -> None:
    ip("link", "add", "x", "mtu", "1400", "type", "bridge")


def a_set_bridge() -> None:
    ip("link", "add", "x", "type", "bridge", "forward_delay", "700", "ageing_time", "4200")
    ip("link", "set", "x", "type", "bridge", "stp_state", "1", "mcast_snooping", "0")
    ip("link", "set", "x", "type", "bridge", "no_linklocal_learn", "1")
    ip("link", "set", "x", "up", "promisc", "on")
    for family, name, value in (
        ("ipv6", "disable_ipv6", 1),
        ("ipv4", "arp_ignore", 1),
        ("ipv4", "arp_announce", 2),
    ):
        set_sysctl(family, "x", name, value)


def a_veth() -> None:
    ip("link", "add", "x", "address", "02:00:00:00:00:07", "type", "veth", "peer", "name", "y")


def a_veth_in_a_bridge() -> None:
    a_veth()
    ip("link", "add", "br-a", "type", "bridge")
    ip("link", "set", "x", "up", "master", "br-a", "promisc", "on")


def a_tap() -> None:
    ip("tuntap", "add", "dev", "x", "mode", "tap")


def a_multi_queue_tap() -> None:
    ip("tuntap", "add", "dev", "x", "mode", "tap", "multi_queue", "vnet_hdr")
    ip("link", "set", "x", "mtu", "9000", "up")


def a_tun() -> None:
    ip("tuntap", "add", "dev", "x", "mode", "tun")


def a_macvtap() -> None:
    ip("link", "add", "below", "type", "veth", "peer", "name", "y")
    ip("link", "add", "x", "link", "below", "type", "macvtap")


def a_vxlan() -> None:
    ip("link", "add", "x", "type", "vxlan", "id", "5", "dstport", "4789", "local", "127.0.0.1")


def a_vxlan_with_peers() -> None:
    a_vxlan()
    for peer in ("192.0.2.7", "192.0.2.5"):
        bridge_fdb("append", "00:00:00:00:00:00", "dev", "x", "dst", peer)
    bridge_fdb("append", "02:00:00:00:00:01", "dev", "x", "dst", "192.0.2.9")


def a_vxlan_of_a_group_elsewhere() -> None:
    a_veth()
    ip("link", "set", "x", "name", "z", "up")
    ip(
        *("link", "add", "x", "type", "vxlan", "id", "7", "dstport", "8472", "ttl", "9"),
        *("local", "2001:db8::1", "group", "ff05::7", "dev", "z"),
    )


def a_veth_with_addresses() -> None:
    a_veth()
    ip("address", "add", "192.0.2.1/24", "dev", "x")
    ip("address", "add", "169.254.0.1/16", "dev", "y", "scope", "link")


KINDS = [
    *(a_bridge, a_set_bridge, a_veth, a_veth_in_a_bridge, a_veth_with_addresses, a_tap),
    *(a_multi_queue_tap, a_vxlan, a_vxlan_with_peers, a_vxlan_of_a_group_elsewhere),
]
FOREIGN = [a_tun, a_macvtap]


@pytest.mark.parametrize("prepare", [*KINDS, *FOREIGN], ids=lambda f: f.__name__[2:])
def test_read_of_a_link_as_ip_says(prepare: Callable[[], None]) -> None:
    prepare()
    one = found("x")
    expected = seen("x")
    assert one.resource == expected
    assert one.index == links()["x"]["ifindex"]
    assert (one.owner, one.members, one.held) == (None, frozenset(), False)


def test_read_of_the_loopback() -> None:
    assert found("lo").resource == seen("lo")


@pytest.mark.parametrize("prepare", FOREIGN, ids=lambda f: f.__name__[2:])
def test_read_of_a_foreign_kind_says_what_it_is(prepare: Callable[[], None]) -> None:
    prepare()
    resource = found("x").resource
    assert isinstance(resource, OtherLink)
    assert resource.described == prepare.__name__[2:]


@pytest.mark.parametrize(
    ("alias", "owner"),
    [
        (f"vif-agent {PORT}", PORT),
        ("vif-agent shared", "shared"),
        ("vif-agent", None),
        ("uplink, do not touch", None),
    ],
)
def test_read_of_a_owner_tag(alias: str, owner: str | None) -> None:
    a_bridge()
    ip("link", "set", "x", "alias", alias)
    assert found("x").owner == owner


def test_read_of_a_name_that_is_not_there() -> None:
    assert read({"x", "a-name-much-too-long-for-a-link", ""}) == {}


def _read_all() -> dict[Key, Found]:
    with watching() as watch:
        return watch.read_all({*links()})


def test_read_of_all_is_every_link() -> None:
    a_set_bridge()
    ip("link", "add", "v", "master", "x", "type", "veth", "peer", "name", "w")
    everything = _read_all()
    assert {key.name for key in everything} == {"lo", "x", "v", "w"}
    assert {key.name: one.resource for key, one in everything.items()} == {
        name: seen(name) for name in links()
    }


@pytest.mark.parametrize("owner", ["shared", PORT])
def test_read_of_a_bridges_members(owner: str) -> None:
    """They are counted only where it matters: a bridge of ours that several ports share."""
    ip("link", "add", "x", "type", "bridge")
    ip("link", "set", "x", "alias", f"vif-agent {owner}")
    for number in range(3):
        ip("tuntap", "add", "dev", f"t{number}", "mode", "tap")
        ip("link", "set", f"t{number}", "master", "x")
    assert found("x", members=True).members == ({"t0", "t1", "t2"} if owner == "shared" else set())
    assert read({"x"}, {"x"}).keys() == {Key(LINK, "x")}


@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
@pytest.mark.parametrize("multi_queue", [True, False], ids=["multi_queue", "single_queue"])
def test_tap_that_a_guest_has_open_is_held(multi_queue: bool, up: bool) -> None:
    ip("tuntap", "add", "dev", "x", "mode", "tap", *(["multi_queue"] if multi_queue else []))
    ip("link", "set", "x", "up" if up else "down")
    with TapEnd("x", multi_queue=multi_queue, vnet_hdr=True):
        assert found("x").held
    assert not found("x").held


def test_tap_with_a_second_queue_is_held_until_the_last_closes() -> None:
    a_multi_queue_tap()
    with contextlib.ExitStack() as second:
        with TapEnd("x", multi_queue=True):
            second.enter_context(TapEnd("x", multi_queue=True))
        assert found("x").held
    assert not found("x").held


def test_bridge_with_a_carrier_is_not_held() -> None:
    a_veth_in_a_bridge()
    ip("link", "set", "y", "up")
    ip("link", "set", "br-a", "up")
    assert (found("x").held, found("br-a").held) == (False, False)


def test_altname_of_a_link_is_seen_as_that_link() -> None:
    """systemd-udev gives NICs altnames (ens3): for the kernel they are names like any other."""
    a_vxlan()
    ip("link", "property", "add", "dev", "x", "altname", "ens3")
    assert Key(LINK, "ens3") in read({"ens3"})


def test_tap_that_cannot_be_tagged_does_not_stay() -> None:
    """Nor if the helper is killed before that: the tap is made to last after it."""
    with Socket() as netlink:
        failures = create(netlink, [CreateTap(name="tap-a", owner="x" * 300, up=True)])
    assert failures.keys() == {"tap-a"}
    assert "tap-a" not in links()


def test_tap_that_is_refused_its_settings_does_not_stay() -> None:
    """Nor stays half of it: its tag goes in the same message as its settings."""
    orders = [CreateTap(name="tap-a", owner=PORT, mtu=100_000), CreateTap(name="tap-b", owner=PORT)]
    with Socket() as netlink:
        failures = create(netlink, orders)
    assert failures.keys() == {"tap-a"}
    assert "mtu" in failures["tap-a"][1]
    assert links().keys() == {"lo", "tap-b"}


def test_tap_dies_with_whoever_makes_it_until_it_is_made_to_last() -> None:
    code = f"""
import os, signal, socket
from vif_agent.helper import taps
with taps.creating({TUN!r}, "tap-a", multi_queue=False, owner=None):
    socket.if_nametoindex("tap-a")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert "tap-a" not in links()


def test_device_that_the_kernel_does_not_remove_keeps_no_other() -> None:
    """It refuses all of a link group for the sake of one; the loopback is such a one."""
    names = ["lo", *(f"br-{n}" for n in range(40))]
    for name in names[1:]:
        ip("link", "add", name, "type", "bridge")
    for name in names:
        ip("link", "set", name, "alias", f"vif-agent {PORT}")
    steps = [Step(REMOVE, (there := found(name)).resource, PORT, found=there) for name in names]
    failures = host_links.delete(steps)
    assert {key.name: p.code for key, p in failures.items()} == {"lo": "host_refused"}
    assert "ENOTSUP" in failures[Key(LINK, "lo")].message
    assert links().keys() == {"lo"}


def test_device_that_cannot_be_made_anew_keeps_no_other() -> None:
    ip("link", "add", "br-a", "type", "bridge")
    for name in ("lo", "br-a"):
        ip("link", "set", name, "alias", f"vif-agent {PORT}")
    steps = [
        Step(REMAKE, Bridge(name=name, up=True), PORT, found=found(name)) for name in ("lo", "br-a")
    ]
    before = found("br-a").index
    failures = host_links.create(steps)
    assert "ENOTSUP" in failures.pop(Key(LINK, "lo")).message
    assert failures == {}
    assert found("br-a").index != before
