"""What the engine may expect of a host: the same of the fake one and of the real one."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pytest

from tests.support.casting import wait_for
from tests.support.fake_host import FakeHost
from tests.support.real_host import (
    OTHER,
    PORT,
    ip,
    make,
    plan_for,
    read_one,
    real_host,
    removal,
    wants,
)
from vif_agent.errors import NotYet
from vif_agent.helper import guards
from vif_agent.host.commands import Limits
from vif_agent.host.programs import Programs
from vif_agent.host.real import RealHost
from vif_agent.ownership import Found
from vif_agent.plan.diff import diff
from vif_agent.plan.steps import CHANGE, MAKE, REMAKE, Actual, Plan, Want
from vif_agent.resources import (
    LINK,
    Bridge,
    Command,
    Device,
    Guard,
    Key,
    Link,
    Nic,
    OtherLink,
    OvsBridge,
    OvsPort,
    Resource,
    Tap,
    Veth,
    Vxlan,
)
from vif_agent.testing.host import ScratchHost

BRIDGE = Bridge(
    name="qbr-a",
    mtu=1400,
    mac="02:00:00:00:00:0a",
    promisc=True,
    disable_ipv6=True,
    forward_delay=0,
    ageing=0,
    stp=False,
    mcast_snooping=False,
    learns_link_local=False,
    arp_ignore=1,
    arp_announce=2,
)
INNER = Veth(
    name="qvb-a",
    peer="qvo-a",
    mtu=1400,
    mac="02:00:00:00:00:0b",
    master="qbr-a",
    promisc=True,
    disable_ipv6=True,
)
OUTER = Veth(
    name="qvo-a",
    peer="qvb-a",
    mtu=1400,
    mac="02:00:00:00:00:0c",
    promisc=True,
    disable_ipv6=True,
)
TAP = Tap(
    name="tap-a",
    mtu=1400,
    mac="02:00:00:00:00:0d",
    master="qbr-a",
    promisc=True,
    multi_queue=True,
    disable_ipv6=True,
)
TAP_ALONE = Tap(name="tap-a")
LINKS = (BRIDGE, INNER, OUTER, TAP)
SHARED = Bridge(name="brq-a", shared=True)
VXLAN = Vxlan(
    name="vxlan-7",
    shared=True,
    vni=7,
    local="127.0.0.1",
    group="",
    peers=("192.0.2.7", "192.0.2.8"),
    ttl=9,
    port=8472,
    local_ip_present=True,
    mtu=1400,
    mac="02:00:00:00:00:0e",
    master="brq-a",
    disable_ipv6=True,
)
OVS_BRIDGE = OvsBridge(name="br-two", shared=True, datapath_type="netdev")
OVS_PORT = OvsPort(
    name="in-a",
    bridge="br-two",
    interface_type="internal",
    external_ids=(("attached-mac", "02:00:00:00:00:0d"), ("iface-id", PORT)),
    options=(("key", "value"),),
    mtu_request=1400,
    qos_type="linux-noop",
)
OVS = (OVS_BRIDGE, OVS_PORT)
ALL = (*LINKS, *OVS)


GUARD = Guard(
    name="tap-a",
    macs=("00:00:5e:00:01:0a", "02:00:00:00:00:0d"),
    pairs=(
        ("00:00:5e:00:01:0a", "10.0.0.5/32"),
        ("02:00:00:00:00:0d", "10.0.0.0/24"),
        ("02:00:00:00:00:0d", "2001:db8::/64"),
        ("02:00:00:00:00:0d", "fe80::ff:fe00:d/128"),
    ),
)
ANY_ADDRESS = dataclasses.replace(
    GUARD,
    macs=GUARD.macs[1:],
    pairs=((GUARD.macs[1], "0.0.0.0/0"), (GUARD.macs[1], "::/0")),
    router=True,
    dhcp_server=True,
)

COMMAND = Command(plug=("true", "plug"), unplug=("true", "unplug"), about=TAP.name)
PROGRAMS = Programs({"true": "/bin/true", "false": "/bin/false"})


@pytest.fixture
def real(scratch: ScratchHost) -> Iterator[RealHost]:
    with real_host(scratch, limits=Limits(PROGRAMS)) as host:
        yield host


@pytest.fixture(params=["fake", "real"])
def host(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("real") if request.param == "real" else FakeHost()


@pytest.fixture
def guarding(host: Any) -> Any:
    """The host, if its kernel can guard ports."""
    if isinstance(host, RealHost) and (missing := guards.lacks()):
        pytest.skip(f"the kernel cannot guard ports: {missing}")
    return host


@pytest.mark.parametrize(
    "wanted", [LINKS, (SHARED, VXLAN), OVS, ALL], ids=["links", "vxlan", "ovs", "all"]
)
def test_make_gives_exactly_what_is_wanted(host: Any, wanted: tuple[Resource, ...]) -> None:
    plan = plan_for(host, *wanted)
    assert {step.verb for step in plan} == {MAKE}
    assert host.apply(plan) == {}
    assert not plan_for(host, *wanted), plan_for(host, *wanted).render()


def test_change_of_what_others_make_leaves_no_owner_tag(host: Any) -> None:
    make(host, BRIDGE, TAP)
    _take_owner_tag_off(host, TAP.name)
    assert make(host, Device(name=TAP.name, mtu=1300, master="", up=False)) == {}
    found = read_one(host, TAP.key)
    assert found.owner is None
    assert found.resource == dataclasses.replace(TAP, mtu=1300, master="", up=False)


def _take_owner_tag_off(host: Any, name: str) -> None:
    key = Key(LINK, name)
    if isinstance(host, FakeHost):
        host.things[key] = dataclasses.replace(host.things[key], owner=None)
    else:
        ip("link", "set", name, "alias", "")


def test_command_is_run_and_undone(host: Any) -> None:
    assert plan_for(host, COMMAND).render() == "connect: run true plug"
    assert host.apply(plan_for(host, COMMAND)) == {}
    wait_for(lambda: _asked(host, COMMAND).ready, "the end of the command")
    assert not plan_for(host, COMMAND)
    undo = _undoing(host)
    assert undo.render() == "connect: run true unplug"
    assert host.apply(undo) == {}
    wait_for(lambda: _asked(host, COMMAND).ready, "the end of the command")
    assert not _undoing(host)


def test_command_is_not_known_to_a_new_process_but_by_the_store(host: Any) -> None:
    host.commands.assume_done([COMMAND.key])
    assert not plan_for(host, COMMAND)
    other = Command(plug=("true", "other"))
    assert host.commands.ask([other], [other.key])[other.key].resource.done is None
    host.commands.forget([COMMAND.key, other.key])
    assert plan_for(host, COMMAND)


def test_device_is_kept_until_its_command_is_undone(host: Any) -> None:
    make(host, TAP_ALONE)
    host.commands.assume_done([COMMAND.key])
    plan = _undoing(host, to_delete={TAP_ALONE.key: {PORT}})
    assert plan.render() == "connect: run true unplug\ndelete: remove tun tap-a"
    assert host.apply(plan) == {}
    assert TAP_ALONE.key in host.read([TAP_ALONE.key]).found
    wait_for(lambda: _asked(host, COMMAND).ready, "the end of the command")
    plan = _undoing(host, to_delete={TAP_ALONE.key: {PORT}})
    assert plan.render() == "delete: remove tun tap-a"


def test_command_runs_anew_for_a_new_device(host: Any) -> None:
    host.commands.assume_done([COMMAND.key])
    plan = plan_for(host, TAP_ALONE, COMMAND)
    assert plan.render() == (
        "create: make tun tap-a\nconnect: run true plug: device gone -> made anew"
    )


def test_failure_of_a_command_is_told_once(host: Any) -> None:
    failing = Command(plug=("false", "plug"))
    plan = plan_for(host, failing)
    if isinstance(host, FakeHost):
        host.fail_next(failing.key, NotYet("exit status 1").problem)
    failures = host.apply(plan)
    wait_for(lambda: _asked(host, failing).ready, "the end of the command")
    failures = failures or host.apply(plan_for(host, failing))
    assert failures[failing.key].code == "command_failed"
    assert "exit status 1" in failures[failing.key].message
    assert plan_for(host, failing)


def _asked(host: Any, command: Command) -> Found:
    found: Found = host.commands.ask([command])[command.key]
    return found


def _undoing(host: Any, to_delete: Mapping[Key, Collection[str]] | None = None) -> Plan:
    undone = COMMAND.restored()
    assert undone
    wanted = {undone.key: Want(undone, (PORT,), restore=True)}
    seen = host.read(to_delete or {})
    found = {**seen.found, undone.key: _asked(host, undone)}
    return diff(wanted, to_delete or {}, Actual(found))


def test_make_owner_tags_everything(host: Any) -> None:
    make(host, *ALL)
    owners = {r.name: read_one(host, r.key).owner for r in ALL}
    assert owners == {r.name: "shared" if r.shared else PORT for r in ALL}
    found = host.read_all([]).found
    assert {key for key, thing in found.items() if thing.owner} == {r.key for r in ALL}


def test_a_picture_sees_what_was_made_and_whose_it_is(host: Any) -> None:
    make(host, *ALL)
    seen = host.glimpse()
    links = {link.name: link for link in seen.links}
    made = [r for r in ALL if isinstance(r, Link)]
    assert [(links[r.name].kind, links[r.name].master) for r in made] == [
        (r.kind, r.master or "") for r in made
    ]
    assert (links["qvb-a"].below, links["qvo-a"].below) == ("qvo-a", "qvb-a")
    assert (links["tap-a"].held, links["qvo-a"].held) == (False, None)
    assert OVS_BRIDGE.name in {bridge.name for bridge in seen.bridges}
    row = next(port for port in seen.ports if port.name == OVS_PORT.name)
    assert (row.bridge, row.owner) == (OVS_PORT.bridge, PORT)
    owners = {r.name: "shared" if r.shared else PORT for r in made}
    assert {name: links[name].owner for name in owners} == owners
    assert seen.ovs_away == ""


@pytest.mark.parametrize("multi_queue", [True, False])
def test_make_a_tap_with_the_queues_asked_for(host: Any, multi_queue: bool) -> None:
    make(host, Tap(name="tap-a", multi_queue=multi_queue))
    assert read_one(host, TAP.key).resource.multi_queue == multi_queue


@pytest.mark.parametrize("kind", [Bridge, Tap])
def test_make_leaves_down_what_is_wanted_down(host: Any, kind: type[Tap]) -> None:
    make(host, kind(name="tap-a", up=False))
    assert not read_one(host, TAP.key).resource.up


def test_make_judges_only_what_is_given(host: Any) -> None:
    """A None is nobody's request: the kernel's own ageing and delay stay."""
    make(host, Bridge(name="qbr-a"))
    bridge = read_one(host, BRIDGE.key).resource
    assert (bridge.ageing, bridge.forward_delay, bridge.disable_ipv6) == (300, 15, False)


def test_make_of_a_veth_in_either_order(host: Any) -> None:
    for inner, outer in (("v-a", "v-b"), ("v-d", "v-c")):
        ends = Veth(name=inner, peer=outer), Veth(name=outer, peer=inner)
        assert make(host, *ends) == {}
        assert not plan_for(host, *ends)


def test_remake_of_a_tap_with_other_queues(host: Any) -> None:
    make(host, *LINKS)
    single = dataclasses.replace(TAP, multi_queue=False)
    plan = plan_for(host, BRIDGE, INNER, OUTER, single)
    assert [(step.verb, step.key) for step in plan] == [(REMAKE, TAP.key)]
    assert host.apply(plan) == {}
    assert not plan_for(host, BRIDGE, INNER, OUTER, single)


def test_remake_of_a_veth_with_another_peer(host: Any) -> None:
    make(host, *LINKS)
    ends = dataclasses.replace(INNER, peer="qvo-b"), dataclasses.replace(OUTER, name="qvo-b")
    assert make(host, BRIDGE, *ends) == {}
    assert not plan_for(host, BRIDGE, *ends)
    assert OUTER.key not in host.read([OUTER.key]).found


def test_remake_of_a_tunnel_of_another_network(host: Any) -> None:
    make(host, SHARED, VXLAN)
    other = dataclasses.replace(VXLAN, vni=8, peers=("192.0.2.8",))
    plan = plan_for(host, SHARED, other)
    assert [step.verb for step in plan] == [REMAKE]
    assert host.apply(plan) == {}
    assert not plan_for(host, SHARED, other)


def test_change_of_a_tunnels_peers(host: Any) -> None:
    make(host, SHARED, VXLAN)
    other = dataclasses.replace(VXLAN, peers=("192.0.2.8", "192.0.2.9"))
    plan = plan_for(host, SHARED, other)
    assert [step.verb for step in plan] == [CHANGE]
    assert host.apply(plan) == {}
    assert not plan_for(host, SHARED, other)


def test_nic_goes_into_a_bridge_of_ours_and_leaves_it(host: Any) -> None:
    _add_nic(host)
    nic = Nic(name="eth1", shared=True, master="brq-a", addressed="brq-a")
    plan = plan_for(host, SHARED, nic)
    assert {d.field for step in plan for d in step.differences} == {"master", "addressed"}
    assert host.apply(plan) == {}
    assert not plan_for(host, SHARED, nic)
    found = read_one(host, nic.key)
    assert (found.owner, found.in_shared) == (None, True)
    assert read_one(host, SHARED.key).members == {"eth1"}
    back = {nic.key: Want(nic.restored(), (PORT,), restore=True)}
    for steps in (2, 0):
        seen = host.read([nic.key, SHARED.key], [SHARED.key])
        plan = diff(back, {SHARED.key: {"shared"}}, seen)
        assert len(tuple(plan)) == steps
        assert host.apply(plan) == {}
    assert read_one(host, nic.key).resource.addressed == "eth1"
    assert SHARED.key not in host.read([SHARED.key]).found


def _add_nic(host: Any) -> None:
    if isinstance(host, FakeHost):
        host.add_link(OtherLink(name="eth1", up=True, master="", addressed="eth1"))
    else:
        ip("link", "add", "eth1", "type", "veth", "peer", "name", "far")
        ip("link", "set", "eth1", "up")
        ip("address", "add", "192.0.2.1/24", "dev", "eth1")


def test_remake_of_a_port_in_another_bridge(host: Any) -> None:
    make(host, *OVS)
    third = dataclasses.replace(OVS_BRIDGE, name="br-three")
    moved = dataclasses.replace(OVS_PORT, bridge="br-three")
    plan = plan_for(host, third, moved)
    assert [step.verb for step in plan] == [MAKE, REMAKE]
    assert host.apply(plan) == {}
    assert not plan_for(host, third, moved)


def test_remove_takes_all_and_again_is_no_error(host: Any) -> None:
    make(host, *ALL)
    keys = [r.key for r in ALL]
    plan = removal(host, *keys)
    assert len(tuple(plan)) == 5  # the shared bridge is not this port's alone
    assert host.apply(plan) == {}
    assert host.read(keys).found.keys() == {OVS_BRIDGE.key}
    assert not removal(host, *keys)
    assert host.apply(dataclasses.replace(plan, connect=())) == {}  # the very same links once more
    assert host.apply(removal(host, OVS_BRIDGE.key, owner="shared")) == {}
    assert not host.read(keys).found


def test_remove_an_ovs_bridge_with_its_last_port(host: Any) -> None:
    make(host, *OVS)
    keys = (OVS_BRIDGE.key, OVS_PORT.key)
    found = host.read(keys)
    plan = diff({}, {OVS_BRIDGE.key: {"shared"}, OVS_PORT.key: {PORT}}, found)
    assert {step.key for step in plan} == set(keys)
    assert host.apply(plan) == {}
    assert not host.read(keys).found


def test_remove_leaves_what_carries_another_owner_tag(host: Any) -> None:
    make(host, *LINKS, port=OTHER)
    assert not removal(host, *(r.key for r in LINKS))


def test_members_of_a_shared_bridge_are_told(host: Any) -> None:
    shared = dataclasses.replace(BRIDGE, shared=True)
    make(host, shared, TAP, *OVS)
    assert read_one(host, BRIDGE.key).members == {"tap-a"}
    assert read_one(host, OVS_BRIDGE.key).members == {"in-a"}


@pytest.mark.parametrize("shared", [True, False])
def test_member_of_a_bridge_of_ours_is_told_from_that_of_a_ports_own(
    shared: bool, host: Any
) -> None:
    make(host, dataclasses.replace(BRIDGE, shared=shared), TAP)
    assert read_one(host, TAP.key).in_shared is shared
    assert read_one(host, BRIDGE.key).in_shared is False


def test_name_that_was_taken_meanwhile_is_not_touched(host: Any) -> None:
    """The plan is of before: whatever has the name now is not ours, and is left as it is."""
    plan = diff(wants(*LINKS), {}, Actual())
    strangers = [dataclasses.replace(r, mtu=1300, promisc=False) for r in LINKS]
    make(host, *strangers, port=OTHER)
    before = host.read([r.key for r in LINKS])
    failures = host.apply(plan)
    assert failures.keys() == {r.key for r in LINKS}
    assert all(problem.transient for problem in failures.values()), failures
    assert host.read([r.key for r in LINKS]) == before


def test_device_that_has_gone_meanwhile_is_told_as_transient(host: Any) -> None:
    make(host, *LINKS)
    plan = plan_for(host, dataclasses.replace(BRIDGE, mtu=1300), INNER, OUTER, TAP)
    host.apply(removal(host, *(r.key for r in LINKS)))
    failures = host.apply(plan)
    assert failures.keys() == {BRIDGE.key}
    assert failures[BRIDGE.key].transient


def test_300_taps_and_veth_pairs_in_one_plan(host: Any) -> None:
    taps = [Tap(name=f"tap{n}", master="qbr-a", mtu=1400) for n in range(300)]
    pairs = [(f"qvb{n}", f"qvo{n}") for n in range(300)]
    veths = [Veth(name=a, peer=b) for pair in pairs for a, b in (pair, pair[::-1])]
    wanted = (BRIDGE, *taps, *veths)
    assert make(host, *wanted) == {}
    assert not plan_for(host, *wanted)
    assert host.apply(removal(host, *(r.key for r in wanted))) == {}
    assert not host.read([r.key for r in wanted]).found


@pytest.mark.parametrize("guard", [GUARD, ANY_ADDRESS], ids=["some addresses", "any address"])
def test_guard_is_as_it_is_wanted_before_its_device_is_there(guarding: Any, guard: Guard) -> None:
    assert make(guarding, guard) == {}
    assert read_one(guarding, guard.key) == Found(guard, owner=PORT)
    assert not plan_for(guarding, guard)
    assert make(guarding, *LINKS, guard) == {}
    assert guarding.read_all([]).found.keys() >= {guard.key, TAP.key}


def test_guard_changes_from_any_to_any_other(guarding: Any) -> None:
    none = dataclasses.replace(GUARD, pairs=())
    for guard in (GUARD, ANY_ADDRESS, none, GUARD, none, ANY_ADDRESS, GUARD):
        make(guarding, guard)
        assert read_one(guarding, guard.key) == Found(guard, owner=PORT)


def test_guard_of_one_port_is_changed_and_removed_and_no_others(guarding: Any) -> None:
    other = dataclasses.replace(ANY_ADDRESS, name="tap-b")
    make(guarding, GUARD)
    make(guarding, other, port=OTHER)
    assert guarding.apply(removal(guarding, GUARD.key)) == {}
    assert guarding.read([GUARD.key, other.key]).found == {other.key: Found(other, owner=OTHER)}
    assert not removal(guarding, other.key, owner=PORT)
    assert guarding.apply(removal(guarding, other.key, owner=OTHER)) == {}
    assert guarding.read([GUARD.key, other.key]).found == {}


def test_guard_goes_with_its_device(guarding: Any) -> None:
    make(guarding, BRIDGE, INNER, OUTER, TAP, GUARD)
    plan = removal(guarding, TAP.key, GUARD.key)
    assert [step.key for step in plan.delete] == [TAP.key, GUARD.key]
    assert guarding.apply(plan) == {}
    assert guarding.read([TAP.key, GUARD.key]).found == {}


def test_guards_of_300_ports_in_one_plan(guarding: Any) -> None:
    guards = [dataclasses.replace(GUARD, name=f"tap-{n}") for n in range(300)]
    assert make(guarding, *guards) == {}
    assert not plan_for(guarding, *guards)
    assert guarding.apply(removal(guarding, *(guard.key for guard in guards))) == {}
    assert guarding.read([guard.key for guard in guards]).found == {}
