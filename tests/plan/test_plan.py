"""Wanted against actual, as values: what is done, what is refused, what is left alone."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fake_host import FakeHost
from vif_agent.errors import NotYet
from vif_agent.ownership import SHARED, Found
from vif_agent.plan.diff import diff, keys_to_read
from vif_agent.plan.merge import merge
from vif_agent.plan.steps import CHANGE, MAKE, REMAKE, REMOVE, Actual, Plan
from vif_agent.resources import (
    LINK,
    OVS_BRIDGE,
    OVS_PORT,
    Bridge,
    Key,
    Link,
    OtherLink,
    OvsBridge,
    OvsPort,
    Resource,
    Tap,
    Veth,
    Vlan,
)

A, B = "aaaaaaaa-aa00-4000-8000-000000000001", "bbbbbbbb-bb00-4000-8000-000000000002"
TAP = Tap(name="tap" + A[:11], mtu=1500, multi_queue=False)
PORT = OvsPort(name="tap" + A[:11], bridge="br-int", external_ids=(("iface-id", A),))
INT = OvsBridge(name="br-int", shared=True)
BRQ = Bridge(name="brq1", shared=True, mtu=1500)
LOST = NotYet("ovsdb: away").problem
BLIND = Actual(unknown={OVS_BRIDGE: LOST, OVS_PORT: LOST})


def _plan(
    *wanted: Resource,
    found: Sequence[Found] = (),
    to_delete: dict[Key, list[str]] | None = None,
    unknown: bool = False,
) -> Plan:
    actual = Actual({f.resource.key: f for f in found}, BLIND.unknown if unknown else {})
    return diff(merge({A: wanted})[0], to_delete or {}, actual)


def _steps(plan: Plan) -> list[tuple[str, str]]:
    return [(step.verb, step.resource.name) for step in plan]


def test_merge_joins_a_shared_thing_and_the_newest_says_how_it_is() -> None:
    newer = dataclasses.replace(BRQ, mtu=9000)
    wanted, problems = merge({A: (BRQ, TAP), B: (newer,)})
    assert wanted[BRQ.key].resource == newer
    assert wanted[BRQ.key].ports == (A, B)
    assert (wanted[BRQ.key].owner, wanted[TAP.key].owner) == (SHARED, A)
    assert problems == {}


def test_bridge_of_a_kernel_without_the_switch_is_as_wanted() -> None:
    closed = dataclasses.replace(BRQ, learns_link_local=False)
    unseen = Found(dataclasses.replace(closed, learns_link_local=None), owner=SHARED)
    assert not _plan(closed, found=[unseen])


@pytest.mark.parametrize(
    "second",
    [TAP, Veth(name=TAP.name, peer="x"), dataclasses.replace(TAP, shared=True)],
)
def test_merge_refuses_the_second_port_of_one_name_whole(second: Resource) -> None:
    wanted, problems = merge({A: (TAP,), B: (BRQ, second)})
    assert set(wanted) == {TAP.key}
    assert set(problems) == {B}
    assert problems[B].code == "conflict"
    assert A in problems[B].message


def test_diff_makes_what_is_missing_devices_before_ports() -> None:
    plan = _plan(PORT, INT, TAP)
    assert [(s.verb, s.key) for s in plan.create] == [(MAKE, TAP.key)]
    assert [(s.verb, s.key) for s in plan.connect] == [(MAKE, INT.key), (MAKE, PORT.key)]
    assert plan.delete == ()


def test_diff_leaves_what_is_right() -> None:
    plan = _plan(TAP, PORT, found=[Found(TAP, owner=A), Found(PORT, owner=A)])
    assert not plan
    assert (plan.problems, plan.render()) == ({}, "nothing to do")


def test_diff_changes_only_what_differs() -> None:
    found = dataclasses.replace(TAP, mtu=1400, promisc=True)
    (step,) = _plan(TAP, found=[Found(found, owner=A)])
    assert (step.verb, str(step)) == (CHANGE, f"change tun {TAP.name}: mtu 1400 -> 1500")


@pytest.mark.parametrize(
    ("wanted", "actual"),
    [
        (TAP, dataclasses.replace(TAP, multi_queue=True)),
        (TAP, Veth(name=TAP.name, peer="x")),
        (PORT, dataclasses.replace(PORT, bridge="br-ex")),
        (Vlan(name="vlan7", parent="eth1", vid=7), Vlan(name="vlan7", parent="eth1", vid=8)),
        (Veth(name="qvb", peer="qvo"), Veth(name="qvb", peer="other")),
    ],
)
def test_diff_remakes_where_a_fixed_field_differs(wanted: Resource, actual: Resource) -> None:
    assert _steps(_plan(wanted, found=[Found(actual, owner=A)])) == [(REMAKE, wanted.name)]


def test_diff_refuses_to_remake_a_tap_that_a_guest_holds() -> None:
    found = Found(dataclasses.replace(TAP, multi_queue=True), owner=A, held=True)
    plan = _plan(TAP, PORT, found=[found])
    assert not plan
    assert "held open by a guest" in plan.problems[A].message
    changed = Found(dataclasses.replace(TAP, mtu=1400), owner=A, held=True)
    assert _steps(_plan(TAP, found=[changed])) == [(CHANGE, TAP.name)]


def test_diff_adopts_and_owner_tags_a_ports_own_device() -> None:
    plan = _plan(TAP, PORT, found=[Found(TAP), Found(PORT)])
    assert [s.differences[0].field for s in plan] == ["stamp", "stamp"]
    assert {s.verb for s in plan} == {CHANGE}


@pytest.mark.parametrize(
    "found",
    [
        Found(TAP, owner=B),
        Found(TAP, owner=SHARED),
        Found(OtherLink(name=TAP.name, described="network card")),
        Found(dataclasses.replace(PORT, external_ids=(("iface-id", B),))),
        Found(PORT, owner=B),
    ],
)
def test_diff_refuses_what_is_foreign_and_makes_no_half_port(found: Found) -> None:
    plan = _plan(INT, TAP, PORT, found=[found, Found(INT)])
    assert not plan
    assert plan.problems[A].code == "conflict"


def test_diff_of_two_ports_refuses_one_and_makes_the_other() -> None:
    other = Tap(name="tap" + B[:11])
    wanted = merge({A: (BRQ, TAP), B: (BRQ, other)})[0]
    plan = diff(wanted, {}, Actual({TAP.key: Found(TAP, owner=B)}))
    assert _steps(plan) == [(MAKE, BRQ.name), (MAKE, other.name)]
    assert set(plan.problems) == {A}


def test_diff_uses_a_shared_thing_of_somebody_else_as_it_is() -> None:
    assert not _plan(BRQ, found=[Found(dataclasses.replace(BRQ, mtu=9000))])
    plan = _plan(BRQ, found=[Found(Tap(name=BRQ.name))])
    assert set(plan.problems) == {A}


def test_diff_of_a_map_minds_only_the_wanted_keys() -> None:
    more = dataclasses.replace(PORT, external_ids=(*PORT.external_ids, ("vm-id", "x")))
    assert not _plan(PORT, found=[Found(more, owner=A)])
    less = dataclasses.replace(PORT, external_ids=())
    assert _steps(_plan(PORT, found=[Found(less, owner=A)])) == [(CHANGE, PORT.name)]


def test_diff_leaves_the_fields_that_others_keep() -> None:
    wanted = dataclasses.replace(PORT, qos_type="linux-noop")
    found = Found(dataclasses.replace(PORT, qos_type="linux-htb"), owner=A)
    assert _steps(_plan(wanted, found=[found])) == [(CHANGE, PORT.name)]
    kept = dataclasses.replace(found, others=frozenset({"qos_type"}))
    assert not _plan(wanted, found=[kept])


def test_diff_does_not_read_isolation_back() -> None:
    wanted = dataclasses.replace(PORT, isolate=True, wait_ofport=False)
    assert not _plan(wanted, found=[Found(PORT, owner=A)])


def test_diff_refuses_a_network_card_as_an_ovs_port() -> None:
    nic = Found(OtherLink(name="eth0", described="network card"))
    plan = _plan(dataclasses.replace(PORT, name="eth0"), found=[nic])
    assert not plan
    assert "network card" in plan.problems[A].message
    internal = dataclasses.replace(PORT, name="eth0", interface_type="internal")
    assert _steps(_plan(internal, found=[nic])) == [(MAKE, "eth0")]


def test_keys_to_read_are_the_wanted_their_devices_and_the_things_to_delete() -> None:
    wanted = merge({A: (INT, PORT)})[0]
    to_delete = Key(LINK, "old")
    keys = keys_to_read(wanted.values(), [to_delete])
    beside = {Key(LINK, INT.name), Key("ovs-port", INT.name), Key(LINK, PORT.name)}
    names = {prefix + A[:11] for prefix in ("tap", "qvo", "vhu", "vfr")} | {"ibp" + A}
    twins = {Key("ovs-port", name) for name in names}
    assert keys == {INT.key, PORT.key, to_delete} | beside | twins


@pytest.mark.parametrize(
    ("owner", "members", "goes"),
    [
        (SHARED, (), True),
        (SHARED, ("vnet7",), False),
        (SHARED, (TAP.name,), True),
        (A, ("vnet7",), True),
        (B, (), False),
        (None, (), False),
    ],
)
def test_diff_removes_what_is_tagged_and_a_shared_bridge_when_empty(
    owner: str | None, members: tuple[str, ...], goes: bool
) -> None:
    found = [Found(BRQ, owner=owner, members=frozenset(members)), Found(TAP, owner=A)]
    to_delete = {BRQ.key: [SHARED, A], TAP.key: [SHARED, A]}
    expected = [(REMOVE, BRQ.name)] if goes else []
    assert _steps(_plan(found=found, to_delete=to_delete)) == [*expected, (REMOVE, TAP.name)]


def test_diff_never_removes_what_is_of_a_kind_that_we_do_not_make() -> None:
    """Its owner tag somebody else has written. The kernel removes no NIC, nor anything beside
    it."""
    nic = Found(OtherLink(name="tap1", described="network card"), owner=A)
    assert not _plan(found=[nic], to_delete={nic.resource.key: [A]})
    (problem,) = _plan(Tap(name="tap1"), found=[nic]).problems.values()
    assert problem.message == "tap1 exists, is a network card and is not ours"


def test_diff_unwires_before_it_removes_the_device() -> None:
    found = [Found(TAP, owner=A), Found(PORT, owner=A)]
    plan = _plan(found=found, to_delete={TAP.key: [A], PORT.key: [A]})
    assert [s.key for s in plan.connect] == [PORT.key]
    assert [s.key for s in plan.delete] == [TAP.key]


def test_diff_without_sight_of_ovs_does_nothing_for_its_ports() -> None:
    plan = _plan(TAP, PORT, unknown=True)
    assert not plan
    assert plan.problems == {A: LOST}


def test_diff_without_sight_of_ovs_removes_no_device_of_its_ports() -> None:
    shared = Found(BRQ, owner=SHARED)
    to_delete = {TAP.key: [SHARED, A], PORT.key: [SHARED, A], BRQ.key: [SHARED]}
    plan = _plan(found=[Found(TAP, owner=A), shared], to_delete=to_delete, unknown=True)
    assert _steps(plan) == [(REMOVE, BRQ.name)]


def test_diff_without_sight_of_ovs_goes_on_for_others() -> None:
    other = Tap(name="tap" + B[:11])
    plan = diff(merge({A: (PORT,), B: (other,)})[0], {}, BLIND)
    assert _steps(plan) == [(MAKE, other.name)]
    assert set(plan.problems) == {A}


def test_plan_as_text_and_as_dict_tell_the_same() -> None:
    found = [
        Found(dataclasses.replace(TAP, mtu=1400), owner=A),
        Found(Bridge(name="brq2"), owner=SHARED),
    ]
    plan = _plan(TAP, INT, PORT, found=found, to_delete={Key(LINK, "brq2"): [SHARED]})
    plan = dataclasses.replace(plan, problems={B: LOST})
    shown = plan.as_dict()
    assert plan.render().splitlines() == [
        f"create: change tun {TAP.name}: mtu 1400 -> 1500",
        "connect: make ovs-bridge br-int",
        f"connect: make ovs-port {PORT.name}",
        "delete: remove bridge brq2",
        f"refused: {B}: ovsdb: away",
    ]
    lines = [
        f"{phase}: {s['verb']} {s['kind']} {s['name']}"
        for phase, key in (("create", "grow"), ("connect", "wire"), ("delete", "shrink"))
        for s in shown[key]
    ]
    assert [line.partition(": mtu")[0] for line in plan.render().splitlines()[:-1]] == lines
    assert shown["grow"][0]["differences"] == {"mtu": [1400, 1500]}
    assert shown["refused"] == [{"port_id": B, "code": "not_yet", "message": "ovsdb: away"}]
    assert json.loads(json.dumps(shown))["wire"][1]["ports"] == [A]


_NAMES = [prefix + port[:11] for port in (A, B) for prefix in ("tap", "qbr", "qvb", "qvo")]
_MTUS = st.sampled_from([None, 1400, 1500])


def _links(port: str) -> st.SearchStrategy[tuple[Resource, ...]]:
    """What a plugin may answer for the port: any mix of its devices in a shared bridge or not."""
    short = port[:11]

    def build(mtu: int | None, shared: bool, wired: bool, pair: bool) -> tuple[Resource, ...]:
        master = "brq1" if shared else None
        links: list[Resource] = [Bridge(name="brq1", shared=True, mtu=mtu)] if shared else []
        links.append(Tap(name="tap" + short, mtu=mtu, master=master, multi_queue=wired))
        if pair:
            inner, outer = "qvb" + short, "qvo" + short
            links += [Veth(name=inner, peer=outer, mtu=mtu), Veth(name=outer, peer=inner)]
        if wired:
            ids = (("iface-id", port),)
            links += [INT, OvsPort(name="tap" + short, bridge="br-int", external_ids=ids)]
        return tuple(links)

    return st.builds(build, _MTUS, st.booleans(), st.booleans(), st.booleans())


def _there() -> st.SearchStrategy[tuple[Link, str | None]]:
    """Something on the host under one of the names in question."""

    def build(name: str, kind: int, mtu: int, up: bool, owner: str | None) -> Any:
        kinds: list[Link] = [
            Tap(name=name, mtu=mtu, up=up, multi_queue=up),
            Bridge(name=name, mtu=mtu, up=up),
            Veth(name=name, peer="elsewhere", mtu=mtu, up=up),
            OtherLink(name=name, mtu=mtu, up=up),
        ]
        return kinds[kind], owner

    names, owners = st.sampled_from([*_NAMES, "brq1"]), st.sampled_from([None, A, B, SHARED])
    mtus = st.sampled_from([1400, 1500])
    return st.builds(build, names, st.integers(0, 3), mtus, st.booleans(), owners)


@settings(max_examples=500, deadline=None, database=None)
@given(a=_links(A), b=_links(B), there=st.lists(_there(), max_size=6))
def test_applied_plan_leaves_nothing_to_do(
    a: tuple[Resource, ...], b: tuple[Resource, ...], there: list[tuple[Link, str | None]]
) -> None:
    host = FakeHost()
    for link, owner in there:
        host.add_link(link, owner)
    wanted, _ = merge({A: a, B: b})
    to_delete = {
        Key(LINK, name): [SHARED, A, B]
        for name in [*_NAMES, "brq1"]
        if Key(LINK, name) not in wanted
    }
    keys = keys_to_read(wanted.values(), to_delete)
    first = diff(wanted, to_delete, host.read(keys, to_delete))
    assert host.apply(first) == {}
    second = diff(wanted, to_delete, host.read(keys, to_delete))
    assert second.problems.keys() == first.problems.keys()
    assert not second, second.render()
