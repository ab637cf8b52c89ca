"""What of Open vSwitch stands in a port's way: tables."""

from __future__ import annotations

import dataclasses

import pytest

from vif_agent.ownership import SHARED, Found, is_one_ports
from vif_agent.plan.diff import diff
from vif_agent.plan.merge import merge
from vif_agent.plan.steps import Actual
from vif_agent.resources import Bridge, OvsBridge, OvsPort, Resource, Tap

PORT = "5843eca1-e1fe-5bb2-a9c2-8f97bae40c4e"
OTHER = "11111111-2222-4333-8444-555555555555"
IDS = (("iface-id", PORT),)


TAP = OvsPort(name="tap" + PORT[:11], bridge="br-x", external_ids=IDS)


def refused(actual: dict[Resource, str | None], *wanted: Resource) -> str | None:
    """What the port is told where this is there, with these owner tags."""
    found = {thing.key: Found(thing, owner=owner) for thing, owner in actual.items()}
    plan = diff(merge({PORT: wanted})[0], {}, Actual(found))
    problem = plan.problems.get(PORT)
    assert problem is None or (problem.code, bool(plan)) == ("conflict", False)
    return problem.message if problem else None


@pytest.mark.parametrize(
    ("wanted", "actual", "owner", "good"),
    [
        (None, "", None, True),
        (None, "system", None, True),
        (None, "internal", None, False),
        (None, "internal", PORT, True),  # somebody has changed it: changed back
        ("dpdk", "", None, False),
        ("dpdkvhostuser", "dpdkvhostuserclient", None, True),  # os-vif's, before qemu changed sides
        ("patch", "patch", None, True),
        ("patch", "internal", None, False),
    ],
)
def test_row_of_another_type(
    wanted: str | None, actual: str, owner: str | None, good: bool
) -> None:
    name = "tap" + PORT[:11]
    row = OvsPort(name=name, bridge="br-int", interface_type=actual, external_ids=IDS)
    want = OvsPort(name=name, bridge="br-int", interface_type=wanted, external_ids=IDS)
    assert (refused({row: owner}, want) is None) == good


def bridge(datapath_type: str | None, name: str = "br-x") -> OvsBridge:
    return OvsBridge(name=name, shared=True, datapath_type=datapath_type)


@pytest.mark.parametrize(
    ("wanted", "actual", "owner", "good"),
    [
        ("netdev", "system", SHARED, False),
        ("netdev", "system", None, True),  # others' is used as it is
        ("netdev", "netdev", SHARED, True),
        (None, "netdev", SHARED, True),
    ],
)
def test_datapath_type_of_a_shared_bridge_of_ours(
    wanted: str | None, actual: str, owner: str | None, good: bool
) -> None:
    assert (refused({bridge(actual): owner}, bridge(wanted), TAP) is None) == good


def test_datapath_type_of_a_bridge_that_others_share_is_the_first_ports() -> None:
    second = dataclasses.replace(TAP, name="tap" + OTHER[:11], external_ids=(("iface-id", OTHER),))
    requests = {PORT: (bridge("netdev"), TAP), OTHER: (bridge("system"), second)}
    wanted = merge(requests, {PORT: 1, OTHER: 2})[0]
    plan = diff(wanted, {}, Actual())
    assert [(s.key.name, getattr(s.resource, "datapath_type", "")) for s in plan] == [
        ("br-x", "netdev"),
        (TAP.name, ""),
    ]
    assert plan.problems[OTHER].message == (
        "br-x has datapath_type netdev for other ports, and this one's is system"
    )
    there = Found(bridge("system"), owner=SHARED)  # Neutron has set it since
    plan = diff(wanted, {}, Actual({there.resource.key: there}))
    assert plan.problems.keys() == {PORT}
    assert {s.key.name for s in plan} == {second.name}


@pytest.mark.parametrize(
    ("device", "good"),
    [
        (Found(Tap(name="br-x"), held=True), True),  # ovs-vswitchd's, of a bridge just removed
        (Found(Tap(name="br-x"), held=True, lasting=False), False),
        (Found(Tap(name="br-x", multi_queue=True), held=True), False),
        (Found(Tap(name="br-x", master="brq1"), held=True), False),
        (Found(Tap(name="br-x"), held=True, owner=OTHER), False),
        (Found(Bridge(name="br-x")), False),
    ],
)
def test_bridge_by_the_name_of_a_device(device: Found, good: bool) -> None:
    found = {device.resource.key: device}
    plan = diff(merge({PORT: (bridge(None), TAP)})[0], {}, Actual(found))
    assert (not plan.problems) == good
    assert bool(plan) == good


def test_bridge_by_the_name_of_a_port_of_another_bridge() -> None:
    row = dataclasses.replace(TAP, name="br-x", bridge="br-int")
    assert refused({row: OTHER}, bridge(None), TAP) == "br-x is a port of the OVS bridge br-int"


@pytest.mark.parametrize("prefix", ["tap", "qbr", "qvb", "qvo", "vhu", "vfr", "nic"])
def test_no_shared_bridge_is_called_as_one_ports_things_are(prefix: str) -> None:
    name = prefix + OTHER[:11]
    assert "what a device or a bridge of one port is called" in (
        refused({}, bridge(None, name), dataclasses.replace(TAP, bridge=name)) or ""
    )


def test_what_names_are_one_ports() -> None:
    assert is_one_ports("pb" + OTHER[:12])
    assert not any(map(is_one_ports, ["br-int", "tap0", "pb", "brq7151fa78-2a", "tbr-5843eca1-e"]))


@pytest.mark.parametrize(
    ("owner", "serves", "good"),
    [
        (None, [], True),
        (None, [PORT], True),
        (None, [OTHER], False),
        (None, [OTHER, PORT], False),
        (SHARED, [OTHER], False),
        (SHARED, [], True),
        (OTHER, [], False),
        (PORT, [OTHER], True),  # somebody has put it there: the bridge is the port's all the same
    ],
)
def test_trunk_bridge_with_ports_in_it(owner: str | None, serves: list[str], good: bool) -> None:
    trunk = OvsBridge(name="tbr-5843eca1-e")
    found = Found(trunk, owner=owner, serves=frozenset(serves))
    plan = diff(merge({PORT: (trunk,)})[0], {}, Actual({trunk.key: found}))
    assert (not plan.problems) == good
