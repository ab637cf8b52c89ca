"""The replica of links is what the kernel has, whatever happened, and tells only what is news."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import logging
import os
import random
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyroute2.netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST
from pyroute2.netlink.rtnl import RTM_NEWADDR

from tests.support.casting import wait_for
from tests.support.real_host import PORT, bridge_fdb, ip, links, set_sysctl
from vif_agent.host.netlink import decode
from vif_agent.host.netlink.decode import LinkState
from vif_agent.host.netlink.event_socket import ROOM, Events
from vif_agent.host.netlink.events import LinkEvents
from vif_agent.host.netlink.rtnetlink import Message, Socket, raw
from vif_agent.host.netlink.table import differences
from vif_agent.ownership import Found
from vif_agent.resources import ADDRESS, LINK, Key, Vxlan
from vif_agent.testing import processes
from vif_agent.testing.frames import TapEnd
from vif_agent.testing.netns import Namespace

pytestmark = pytest.mark.usefixtures("namespace")


class Watching:
    """A watch, and what it has told."""

    def __init__(self, room: int | None = None) -> None:
        self.reported: list[frozenset[Key] | None] = []
        events = Events(room) if room else Events()
        self.watch = LinkEvents(self._hear, lambda card: (), events)

    def _hear(self, keys: frozenset[Key] | None) -> None:
        self.reported.append(keys)

    def names(self) -> set[str]:
        return {key.name for keys in self.reported for key in keys or ()}

    def read(self, *names: str) -> dict[str, Found]:
        return {key.name: found for key, found in self.watch.read({*names}, {*names}).items()}

    def count(self, key: Key) -> int:
        return sum(key in (keys or ()) for keys in self.reported)

    @property
    def lost(self) -> int:
        return self.watch.replica.lost


@contextlib.contextmanager
def watching() -> Iterator[Watching]:
    watching = Watching()
    watching.watch.start()
    try:
        yield watching
    finally:
        watching.watch.stop()


@contextlib.contextmanager
def looking(room: int | None = None) -> Iterator[Watching]:
    """Without the thread: only who looks takes in what was told."""
    watching = Watching(room)
    watching.watch.replica.start()
    try:
        yield watching
    finally:
        watching.watch.replica.close()


@pytest.fixture
def here() -> Iterator[Watching]:
    with watching() as there:
        yield there


def by_a_new_dump(*names: str) -> dict[str, Found]:
    with watching() as other:
        return other.read(*names)


def check_against_a_new_dump(here: Watching, *names: str) -> None:
    """Before and after ours: whether a link works the kernel says later, in between as well."""
    while True:
        before, ours, after = by_a_new_dump(*names), here.read(*names), by_a_new_dump(*names)
        if before == after:
            assert ours == before
            return


def batch(*lines: str) -> None:
    """In one process, as fast as can be."""
    subprocess.run(
        ("ip", "-batch", "-"),
        input="\n".join(lines).encode() + b"\n",
        check=True,
        capture_output=True,
    )


def known(here: Watching) -> dict[int, LinkState]:
    """All links as the events have told."""
    here.watch.read(set())
    return {state.index: state for state in here.watch.replica.table.all()}


def differing(here: Watching) -> dict[str, Mapping[str, object]]:
    """How the replica differs from what the kernel says now, where the kernel tells at once."""
    ours = known(here)
    with Socket() as netlink:
        kernels = [decode.link(body) for body in netlink.dump()]
    assert {state.index for state in kernels} == ours.keys()
    reported = [state for state in kernels if state.up and state.kind != "tun"]
    return {s.name: d for s in reported if (d := differences(ours[s.index], s))}


# -- what is seen ------------------------------------------------------------------------------


def test_what_is_there_at_the_start_is_seen() -> None:
    ip("link", "add", "br-a", "type", "bridge")
    with watching() as here:
        assert here.read("br-a").keys() == {"br-a"}
        assert here.reported == []


def test_what_was_done_before_the_reconcile_is_seen_by_it(here: Watching) -> None:
    """Its events are in the socket when the one who did it has been answered."""
    for number in range(50):
        ip("link", "add", "br-a", "type", "bridge")
        assert here.read("br-a")["br-a"].resource.name == "br-a", number
        ip("link", "del", "br-a")
        assert here.read("br-a") == {}, number


SILENT = {
    "alias": ("link", "set", "x", "alias", "vif-agent shared"),
    "ageing": ("link", "set", "x", "type", "bridge", "ageing_time", "4200"),
    "mtu": ("link", "set", "x", "mtu", "1300"),
    "mac": ("link", "set", "x", "address", "02:00:00:00:00:0a"),
    "promisc": ("link", "set", "x", "promisc", "on"),
    "in a bridge": ("link", "set", "member", "master", "x"),
    "up": ("link", "set", "x", "up"),
    "down": ("link", "set", "x", "down"),
    "address": ("address", "add", "192.0.2.1/24", "dev", "x"),
    "IPv6 address": ("address", "add", "2001:db8::1/64", "dev", "x", "nodad"),
}


@pytest.mark.parametrize("state", ["up", "down"])
@pytest.mark.parametrize("change", SILENT)
def test_change_is_seen(here: Watching, change: str, state: str) -> None:
    """Of a link that is down the kernel tells neither alias nor a bridge's own settings."""
    ip("link", "add", "x", "type", "bridge")
    ip("link", "add", "member", "type", "veth", "peer", "name", "other")
    ip("link", "set", "x", state)
    here.read("x", "member")
    ip(*SILENT[change])
    check_against_a_new_dump(here, "x", "member")


def test_ipv6_address_without_detection_of_duplicates_is_seen_at_once(here: Watching) -> None:
    """A work queue tells of it, maybe after its maker has been answered."""
    ip("link", "add", "x", "up", "type", "bridge")
    index, no_dad = links()["x"]["ifindex"], 2
    new = (RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE)
    with Socket() as netlink:
        for number in range(1, 200):
            text = f"2001:db8::{number:x}"
            body = struct.pack("=BBBBi", socket.AF_INET6, 64, no_dad, 0, index)
            body += raw(1, ipaddress.ip_address(text).packed)
            (answer,) = netlink.ask([Message(new, body)])
            assert answer.errno == 0, answer.text
            here.read("x")
            assert text in here.watch.replica.addresses(index)


@pytest.mark.parametrize("state", ["up", "down"])
def test_alternative_name_is_seen_to_come_and_go(here: Watching, state: str) -> None:
    """Of a link that is down the kernel tells neither."""
    ip("link", "add", "x", "type", "bridge")
    ip("link", "set", "x", state)
    assert here.read("other") == {}
    ip("link", "property", "add", "dev", "x", "altname", "other")
    assert here.read("other")["other"].resource.name == "x"
    ip("link", "property", "del", "dev", "x", "altname", "other")
    assert here.read("other") == {}


def test_alternative_name_is_told_to_go(here: Watching) -> None:
    """By the first name of a link that is up."""
    ip("link", "add", "x", "up", "type", "bridge")
    ip("link", "property", "add", "dev", "x", "altname", "other")
    here.read("other")
    here.reported.clear()
    ip("link", "property", "del", "dev", "x", "altname", "other")
    wait_for(lambda: "other" in here.names(), "the word of it")


@pytest.mark.parametrize(
    ("family", "name", "value"),
    [("ipv6", "disable_ipv6", 1), ("ipv4", "arp_ignore", 1), ("ipv4", "arp_announce", 2)],
)
def test_sysctl_is_seen(here: Watching, family: str, name: str, value: int) -> None:
    """No event tells of it."""
    ip("link", "add", "x", "up", "type", "bridge")
    before = here.read("x")["x"].resource
    set_sysctl(family, "x", name, value)
    after = here.read("x")["x"].resource
    assert (getattr(before, name), getattr(after, name)) == (0, value)


def test_tap_is_seen_to_be_opened_and_closed(here: Watching) -> None:
    """The kernel tells of the carrier up to a second later."""
    ip("tuntap", "add", "dev", "x", "mode", "tap")
    ip("link", "set", "x", "up")
    assert not here.read("x")["x"].held
    with TapEnd("x"):
        assert here.read("x")["x"].held
    assert not here.read("x")["x"].held


def test_tap_that_we_have_just_made_is_not_asked_for_but_for_its_sysctls(here: Watching) -> None:
    """The last event shows it as it came up. The kernel's lock for links is not waited for."""
    ip("tuntap", "add", "dev", "x", "mode", "tap")
    ip("link", "set", "x", "alias", f"vif-agent {PORT}", "up")
    before = here.watch.read({"x"}, unopened={"x"})[Key(LINK, "x")]
    assert before.owner == PORT
    set_sysctl("ipv6", "x", "disable_ipv6", 1)
    after = here.watch.read({"x"}, unopened={"x"})[Key(LINK, "x")].resource
    values = [
        getattr(link, name) for link in (before.resource, after) for name in ("up", "disable_ipv6")
    ]
    assert values == [True, False, True, True]


def test_tap_that_we_have_just_made_is_asked_for_while_it_is_down(here: Watching) -> None:
    """Of a link that is down the kernel tells no alias."""
    ip("tuntap", "add", "dev", "x", "mode", "tap")
    assert here.read("x")["x"].owner is None
    ip("link", "set", "x", "alias", f"vif-agent {PORT}")
    assert here.watch.read({"x"}, unopened={"x"})[Key(LINK, "x")].owner == PORT


def test_settings_of_a_bridges_port_are_seen(here: Watching) -> None:
    """Told in a message of the bridge's (AF_BRIDGE), by `bridge link`."""
    ip("link", "add", "br-a", "up", "type", "bridge")
    ip("link", "add", "x", "up", "master", "br-a", "type", "veth", "peer", "name", "y")
    ip("link", "set", "y", "up")
    here.read("x")
    processes.run(("bridge", "link", "set", "dev", "x", "isolated", "on"), {"PATH": "/usr/sbin"})
    assert here.read("x")["x"].error == "isolated on"
    ip("link", "set", "x", "nomaster")
    check_against_a_new_dump(here, "x")


def test_peers_of_a_tunnel_are_seen(here: Watching) -> None:
    ip("link", "add", "x", "up", "type", "vxlan", "id", "7", "dstport", "8472")
    for peers in (["192.0.2.7"], ["192.0.2.7", "192.0.2.8"], ["192.0.2.8"]):
        now = here.read("x")["x"].resource
        assert isinstance(now, Vxlan)
        for peer in {*peers} - {*(now.peers or ())}:
            bridge_fdb("append", "00:00:00:00:00:00", "dev", "x", "dst", peer)
        for peer in {*(now.peers or ())} - {*peers}:
            bridge_fdb("del", "00:00:00:00:00:00", "dev", "x", "dst", peer)
        assert here.read("x")["x"].resource == dataclasses.replace(now, peers=tuple(peers))


def test_link_that_leaves_the_namespace_and_comes_back(here: Watching) -> None:
    ip("link", "add", "x", "type", "veth", "peer", "name", "y")
    other = Namespace()
    try:
        ip("link", "set", "y", "netns", other.path)
        assert here.read("x", "y").keys() == {"x"}
        with other.entered():
            ip("link", "set", "y", "netns", str(os.getpid()))
        check_against_a_new_dump(here, "x", "y")
    finally:
        other.close()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 30))
def test_replica_is_what_the_kernel_says_after_any_history(here: Watching, seed: int) -> None:
    """Of links that are up and no taps: all others are asked for anew at each look."""
    chance = random.Random(seed)
    names = ["br-a", "br-b", "ve-a", "ve-b", "ve-c", "ve-d", "tap-a"]
    words = [
        lambda n: f"link set {n} up",
        lambda n: f"link set {n} down",
        lambda n: f"link set {n} mtu {chance.choice([1280, 1400, 1450])}",
        lambda n: f"link set {n} address 02:00:00:00:00:{chance.randrange(256):02x}",
        lambda n: f"link set {n} alias alias{chance.randrange(9)}",
        lambda n: f"link set {n} master {chance.choice(['br-a', 'br-b'])}",
        lambda n: f"link set {n} nomaster",
        lambda n: f"link set {n} promisc {chance.choice(['on', 'off'])}",
        lambda n: f"link set {n} type bridge ageing_time {chance.randrange(100, 9999)}",
        lambda n: f"link set {n} type bridge_slave isolated {chance.choice(['on', 'off'])}",
        lambda n: f"link property add dev {n} altname {n}-{chance.randrange(3)}",
        lambda n: f"link property del dev {n} altname {n}-{chance.randrange(3)}",
        lambda n: f"link del {n}",
    ]
    made = ["link add br-a type bridge", "link add br-b type bridge", *(
        f"link add {a} type veth peer name {b}" for a, b in (("ve-a", "ve-b"), ("ve-c", "ve-d"))
    ), "tuntap add dev tap-a mode tap"]  # fmt: skip
    history = [*made, *(f"link set {n} up" for n in names)]
    history += [chance.choice(words)(chance.choice(names)) for _ in range(40)]
    subprocess.run(
        ("ip", "-force", "-batch", "-"),
        input="\n".join(history).encode(),
        capture_output=True,
        check=False,
    )
    try:
        assert differing(here) == {}
        check_against_a_new_dump(here, *names)
    finally:
        batch(
            *(f"link del {name}" for name in names if name in links() and name not in "ve-b ve-d")
        )


# -- what is told ------------------------------------------------------------------------------


def test_only_what_no_reconcile_has_seen_is_told(here: Watching) -> None:
    ip("link", "add", "x", "up", "type", "bridge")
    wait_for(lambda: "x" in here.names(), "the word of the new link")
    here.read("x")
    here.reported.clear()
    ip("link", "set", "x", "mtu", "1300")
    here.read("x")  # may come before the watching thread
    wait_for(lambda: "x" in here.names(), "the word of it all the same")
    here.reported.clear()
    ip("link", "set", "x", "mtu", "1290")
    wait_for(lambda: "x" in here.names(), "the word of a change")
    here.reported.clear()
    here.read("x")
    ip("link", "set", "x", "txqueuelen", "77")  # told by the kernel, judged by nobody
    ip("link", "add", "last", "type", "bridge")
    wait_for(lambda: "last" in here.names(), "the word of what came after")
    assert "x" not in here.names()


def test_what_others_did_is_told_though_a_reconcile_came_first() -> None:
    """That look was for one port; others may have waited for it too."""
    with looking() as here:
        ip("link", "add", "x", "type", "bridge")
        assert here.read("x")
        assert here.names() == {"x"}


def test_our_own_work_is_told_to_nobody_but_names_that_are_free_now(here: Watching) -> None:
    ip("link", "add", "gone", "type", "bridge")
    here.read("x", "gone")
    wait_for(lambda: "gone" in here.names(), "the word of it")
    here.reported.clear()
    with here.watch.working_at({"x", "gone"}):
        ip("link", "add", "x", "up", "type", "bridge")
        ip("link", "del", "gone")
    assert here.names() == {"gone"}
    here.reported.clear()
    assert here.read("x", "gone").keys() == {"x"}
    ip("link", "add", "last", "type", "bridge")
    wait_for(lambda: "last" in here.names(), "the word of what came after")
    assert here.names() == {"last"}


def test_what_others_do_while_we_work_is_told_when_we_have_done(here: Watching) -> None:
    here.read("x", "other")
    with here.watch.working_at({"x"}):
        ip("link", "add", "other", "type", "bridge")
        ip("link", "add", "x", "type", "bridge")
        assert not here.names()
    assert here.names() == {"other"}


def test_what_concerns_nobody_is_not_even_parsed(here: Watching) -> None:
    here.watch.concerns = lambda key: key.name == "last"
    ip("link", "add", "x", "up", "type", "bridge")
    ip("link", "add", "last", "type", "bridge")
    wait_for(lambda: "last" in here.names(), "the word of what came after")
    assert here.names() == {"last"}
    index = links()["x"]["ifindex"]
    assert index in here.watch.replica.table.unparsed


def test_address_is_told_when_it_comes_and_goes_but_not_each_time_anew(here: Watching) -> None:
    ip("link", "add", "x", "up", "type", "bridge")
    address = Key(ADDRESS, "192.0.2.1")
    ip("address", "add", "192.0.2.1/24", "dev", "x")
    wait_for(lambda: here.count(address) == 1, "the word of its coming")
    ip("address", "replace", "192.0.2.1/24", "dev", "x")
    ip("address", "del", "192.0.2.1/24", "dev", "x")
    wait_for(lambda: here.count(address) > 1, "the word of its end")
    ip("link", "add", "last", "type", "bridge")
    wait_for(lambda: "last" in here.names(), "the word of what came after")
    assert here.count(address) == 2


# -- what is lost ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("room", "ports"), [(4 << 10, 5), (208 << 10, 150)], ids=["4 KiB", "208 KiB"]
)
def test_nothing_is_missed_however_little_room_there_is(
    room: int, ports: int, caplog: pytest.LogCaptureFixture
) -> None:
    """208 KiB are the default of net.core.rmem_max: what an agent without CAP_NET_ADMIN has."""
    caplog.set_level(logging.INFO)
    with looking(room // 2) as here:
        names = hybrids(ports)
        check_against_a_new_dump(here, *names)
        assert here.lost > 0
        assert None in here.reported  # everything is to be looked at
        output = [record.levelname for record in caplog.records if "were lost" in record.message]
        assert output == ["WARNING", *["INFO"] * (here.lost - 1)]


def test_room_is_forced_where_we_may() -> None:
    """Beyond net.core.rmem_max; then 150 ports made at once are told to the last."""
    with looking() as here:
        assert here.watch.replica.room >= ROOM
        names = hybrids(150)
        check_against_a_new_dump(here, *names)
        assert here.lost == 0


def hybrids(ports: int) -> list[str]:
    """Made at once; the names of their links."""
    batch(*(line for number in range(ports) for line in hybrid(number)))
    return [f"{prefix}{n}" for n in range(ports) for prefix in ("qbr", "qvb", "qvo")]


def hybrid(number: int) -> list[str]:
    bridge, inner, outer = (f"{prefix}{number}" for prefix in ("qbr", "qvb", "qvo"))
    return [
        f"link add {bridge} type bridge",
        f"link add {inner} type veth peer name {outer}",
        *(f"link set {name} alias vif-agent-{number} mtu 1400" for name in (inner, outer, bridge)),
        f"link set {inner} master {bridge} promisc on",
        *(f"link set {name} up" for name in (bridge, inner, outer)),
    ]


def test_full_reconcile_finds_what_no_event_has_told(
    here: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug, or a silence of the kernel's that we do not know of."""
    ip("link", "add", "x", "up", "type", "bridge")
    for _ in range(2):  # the first is content with what was read at the start
        assert here.watch.read_all({"x"}).keys() == {Key(LINK, "x")}
    assert here.watch.replica.missing == 0
    index = links()["x"]["ifindex"]
    state = here.watch.replica.table.get(index)
    assert state
    object.__setattr__(state, "mtu", 77)  # it is frozen, so no mistake of ours can
    found = here.watch.read_all({"x"})[Key(LINK, "x")]
    assert (getattr(found.resource, "mtu", 0), here.watch.replica.missing) == (1500, 1)
    assert "x: the kernel's events had not shown {'mtu': (77, 1500)}" in caplog.messages
