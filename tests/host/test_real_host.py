"""What only the real host can show: every field, what the kernel refuses, who holds a tap."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest

from tests.host.test_host_contract import ALL, BRIDGE, INNER, LINKS, OUTER, OVS, OVS_PORT, TAP
from tests.support.casting import wait_for
from tests.support.real_host import (
    OTHER,
    PORT,
    TUN,
    ip,
    links,
    make,
    plan_for,
    read_one,
    real_host,
    removal,
    row,
    rows,
    set_sysctl,
    sweep,
    sysctl,
    wants,
)
from vif_agent.host.real import RealHost
from vif_agent.plan.diff import diff
from vif_agent.plan.steps import CHANGE, Actual
from vif_agent.resources import Bridge, OvsPort, Resource, Tap, Vlan
from vif_agent.testing.frames import TapEnd
from vif_agent.testing.host import ScratchHost


@pytest.fixture
def real(scratch: ScratchHost) -> Iterator[RealHost]:
    with real_host(scratch) as host:
        yield host


def set_link(option: str, value: str) -> Callable[[str], object]:
    return lambda name: ip("link", "set", name, option, value)


def set_bridge(option: str, value: str) -> Callable[[str], object]:
    return lambda name: ip("link", "set", name, "type", "bridge", option, value)


LINK_DRIFT: dict[str, Callable[[str], object]] = {
    "mtu": set_link("mtu", "1300"),
    "mac": set_link("address", "02:00:00:00:00:99"),
    "up": lambda name: ip("link", "set", name, "down"),
    "master": lambda name: ip("link", "set", name, "nomaster"),
    "promisc": set_link("promisc", "off"),
    "disable_ipv6": lambda name: set_sysctl("ipv6", name, "disable_ipv6", 0),
}
BRIDGE_DRIFT: dict[str, Callable[[str], object]] = {
    "forward_delay": set_bridge("forward_delay", "700"),
    "ageing": set_bridge("ageing_time", "5000"),
    "stp": set_bridge("stp_state", "1"),
    "mcast_snooping": set_bridge("mcast_snooping", "1"),
    "learns_link_local": set_bridge("no_linklocal_learn", "0"),
    "arp_ignore": lambda name: set_sysctl("ipv4", name, "arp_ignore", 0),
    "arp_announce": lambda name: set_sysctl("ipv4", name, "arp_announce", 0),
}
#: with a member's MTU the kernel changes the bridge's, with STP its forward delay
KERNELS_OWN = {(BRIDGE.key, "mtu"), (BRIDGE.key, "forward_delay")}
DRIFTS = [
    (resource, field, drift)
    for resource in LINKS
    for field, drift in {**LINK_DRIFT, **BRIDGE_DRIFT}.items()
    if getattr(resource, field, None) is not None
]


@pytest.mark.parametrize(
    ("resource", "field", "drift"), DRIFTS, ids=[f"{r.kind}-{r.name}-{f}" for r, f, _ in DRIFTS]
)
def test_changed_field_of_a_link_is_seen_and_mended(
    real: RealHost, resource: Resource, field: str, drift: Callable[[str], object]
) -> None:
    make(real, *LINKS)
    index = read_one(real, resource.key).index
    drift(resource.name)
    plan = plan_for(real, *LINKS)
    differences = {(s.key, d.field) for s in plan for d in s.differences}
    assert {step.verb for step in plan} == {CHANGE}
    assert (resource.key, field) in differences
    assert differences <= {(resource.key, field), *KERNELS_OWN}
    assert real.apply(plan) == {}
    assert not plan_for(real, *LINKS)
    assert read_one(real, resource.key).index == index


def test_every_judged_field_of_a_link_has_its_test() -> None:
    tested = {(resource.name, field) for resource, field, _ in DRIFTS}
    fields = {(r.name, f) for r in LINKS for f in r.specified() if f not in r.immutable}
    assert tested == fields


OVS_DRIFT = {
    "external_ids": "set interface in-a external_ids:iface-id=gone",
    "options": "set interface in-a options:key=other",
    "mtu_request": "set interface in-a mtu_request=1300",
    "qos_type": "clear port in-a qos",
    "interface_type": "set interface in-a type=tap",
}


@pytest.mark.parametrize(("field", "command"), OVS_DRIFT.items(), ids=OVS_DRIFT)
def test_changed_field_of_an_ovs_port_is_seen_and_mended(
    real: RealHost, scratch: ScratchHost, field: str, command: str
) -> None:
    make(real, *OVS)
    scratch.ovs.vsctl("--no-wait", *command.split())
    wait_for(lambda: plan_for(real, *OVS), "the change in the replica")
    plan = plan_for(real, *OVS)
    assert [(s.verb, s.key, [d.field for d in s.differences]) for s in plan] == [
        (CHANGE, OVS_PORT.key, [field])
    ]
    assert real.apply(plan) == {}
    assert not plan_for(real, *OVS)


def test_every_judged_field_of_an_ovs_port_has_its_test() -> None:
    assert OVS_DRIFT.keys() == OVS_PORT.specified().keys() - OVS_PORT.immutable


def test_owner_tags_as_an_operator_sees_them(real: RealHost, scratch: ScratchHost) -> None:
    make(real, *ALL)
    seen = links()
    assert {seen[r.name]["ifalias"] for r in LINKS} == {f"vif-agent {PORT}"}
    assert row(scratch.ovs, "interface", "in-a")["external_ids"]["vif-agent"] == PORT
    assert row(scratch.ovs, "bridge", "br-two")["external_ids"] == {"vif-agent": "shared"}
    assert rows(scratch.ovs, "qos")[0]["external_ids"]["vif-agent"] == PORT


def test_removed_port_leaves_no_qos_row(real: RealHost, scratch: ScratchHost) -> None:
    make(real, *OVS)
    assert len(rows(scratch.ovs, "qos")) == 1
    real.apply(removal(real, OVS_PORT.key))
    assert rows(scratch.ovs, "qos") == []


def test_mtu_out_of_range_stops_no_other_step(real: RealHost) -> None:
    failures = make(real, BRIDGE, INNER, OUTER, dataclasses.replace(TAP, mtu=70000))
    assert failures.keys() == {TAP.key}
    assert failures[TAP.key].code == "host_refused"
    assert "mtu greater than device maximum" in failures[TAP.key].message
    assert not plan_for(real, BRIDGE, INNER, OUTER)


def test_device_that_was_made_but_not_set_can_be_removed(real: RealHost) -> None:
    """It carries its owner tag all the same, or nobody would ever take it away."""
    make(real, BRIDGE, dataclasses.replace(TAP, mtu=70000))
    real.apply(removal(real, BRIDGE.key, TAP.key))
    assert not real.read([BRIDGE.key, TAP.key]).found


def test_mtu_below_that_of_ipv6_is_no_error(real: RealHost) -> None:
    """The kernel takes IPv6, and its sysctls, off such a device."""
    small = tuple(dataclasses.replace(r, mtu=1000) for r in LINKS)
    assert make(real, *small) == {}
    assert not plan_for(real, *small)


def test_vlan_that_the_kernel_cannot_make_stops_no_other_step(real: RealHost) -> None:
    """This kernel may lack 8021q: then the error says so, else the device is there."""
    vlan = Vlan(name="vlan7", parent="qvo-a", vid=7)
    failures = make(real, *LINKS, vlan)
    assert not plan_for(real, *LINKS)
    if failures:
        assert failures.keys() == {vlan.key}
        problem = failures[vlan.key]
        assert (problem.code, problem.transient) == ("host_refused", False)
        assert "Unknown device type" in problem.message
    else:
        assert not plan_for(real, *LINKS, vlan)


def test_link_that_failed_keeps_only_its_own_port_from_being_wired(
    real: RealHost, scratch: ScratchHost
) -> None:
    good = Tap(name="tap-g"), OvsPort(name="tap-g", bridge="br-int")
    bad = Tap(name="tap-b", mtu=70000), OvsPort(name="tap-b", bridge="br-int")
    wanted = {**wants(*good), **wants(*bad, port=OTHER)}
    assert real.apply(diff(wanted, {}, Actual())).keys() == {bad[0].key}
    assert scratch.ovs.vsctl("list-ports", "br-int").split() == ["tap-g"]


def test_tap_device_that_is_not_there_is_named(scratch: ScratchHost) -> None:
    with real_host(scratch, tun="/dev/net/no-tun") as host:
        failures = host.apply(diff(wants(BRIDGE, TAP), {}, Actual()))
        seen = links()
    assert failures.keys() == {TAP.key}
    assert "/dev/net/no-tun: No such file" in failures[TAP.key].message
    assert "qbr-a" in seen


def test_tap_that_a_guest_holds_is_changed_but_not_remade(real: RealHost) -> None:
    make(real, BRIDGE, TAP)
    index = read_one(real, TAP.key).index
    with TapEnd("tap-a", TUN, multi_queue=True):
        assert make(real, BRIDGE, dataclasses.replace(TAP, mtu=1300)) == {}
        plan = plan_for(real, BRIDGE, dataclasses.replace(TAP, multi_queue=False))
        assert not plan
        assert "held open by a guest" in plan.problems[PORT].message
    assert (links()["tap-a"]["ifindex"], links()["tap-a"]["mtu"]) == (index, 1300)


def test_altname_of_the_machines_own_interface_is_a_conflict(real: RealHost) -> None:
    """To the kernel an altname is a name: setting "ens3" would set the NIC."""
    ip("link", "add", "eth9", "type", "veth", "peer", "name", "far")
    ip("link", "property", "add", "dev", "eth9", "altname", "ens3")
    before = links()["eth9"]
    for wanted in (Bridge(name="ens3", mtu=1300, shared=True), Tap(name="ens3", mtu=1300)):
        assert plan_for(real, wanted).problems[PORT].code == "conflict"
        assert real.apply(diff(wants(wanted), {}, Actual())).keys() == {wanted.key}
    assert links()["eth9"] == before


def test_bridge_that_has_gone_is_waited_for(real: RealHost) -> None:
    """Between the look and the work, say. Nothing is made for it meanwhile."""
    failures = make(real, dataclasses.replace(TAP, master="brq-gone"))
    assert [(p.code, p.message) for p in failures.values()] == [
        ("not_yet", f"{TAP.name}: there is no brq-gone [ENODEV]")
    ]
    assert TAP.name not in links()


def test_vlan_device_is_not_put_on_an_altname(real: RealHost) -> None:
    """It would be read back as on another device, and made anew at each look."""
    ip("link", "add", "eth9", "type", "veth", "peer", "name", "far")
    ip("link", "property", "add", "dev", "eth9", "altname", "ens3")
    plan = plan_for(real, Vlan(name="ens3.7", parent="ens3", vid=7))
    text = "ens3 is another name of eth9, by which it is to be called"
    assert (plan.create, plan.problems[PORT].message) == ((), text)
    assert not plan_for(real, Vlan(name="eth9.7", parent="eth9", vid=7)).problems


def test_no_ipv6_address_ever_comes_to_a_device_of_ours(real: RealHost) -> None:
    make(real, *LINKS)
    assert {sysctl("ipv6", r.name, "disable_ipv6") for r in LINKS} == {1}
    assert [links()[r.name]["addr_info"] for r in LINKS] == [[]] * 4


def test_sweep_leaves_the_scratch_host_as_it_was(real: RealHost, scratch: ScratchHost) -> None:
    make(real, *ALL)
    sweep(scratch)
    assert links().keys() == {"lo", "br-int", "ovs-netdev"}
    assert rows(scratch.ovs, "qos") == []
