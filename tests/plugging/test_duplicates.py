"""A port that os-vif has plugged in one form, and is then plugged in another."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support import machine
from tests.support.casting import wait_for
from tests.support.peers import (
    indexes,
    libvirt_tap,
    names,
    os_vif_hybrid,
    os_vif_own_bridge,
    os_vif_row,
)
from tests.support.real_host import TUN, Ports, Vif, ip, links, row, rows, with_details
from vif_agent.host.real import RealHost
from vif_agent.ownership import MARK
from vif_agent.ports.port import PLUG, READY, RETRYING, UNPLUGGED
from vif_agent.ports.store import Store
from vif_agent.testing.frames import TapEnd
from vif_agent.testing.ovs import PrivateOvs

Load = Callable[[str], Vif]


@pytest.fixture
def vif(payload: Load) -> Vif:
    return with_details(payload("ovs_create_tap"), datapath_type="netdev")


def hybrid(vif: Vif) -> Vif:
    return with_details(vif, ovs_hybrid_plug=True, ovs_create_tap=False)


def without_tap(vif: Vif) -> Vif:
    return with_details(vif, ovs_create_tap=False)


def named(ovs: PrivateOvs, vif: Vif) -> set[str]:
    """The OVS ports that Neutron and OVN take for this one."""
    return {
        r["name"] for r in rows(ovs, "interface") if r["external_ids"].get("iface-id") == vif["id"]
    }


@pytest.mark.parametrize("direct", [dict, without_tap])
def test_hybrid_of_os_vif_goes_when_the_port_is_plugged_as_direct(
    ports: Ports, vif: Vif, ovs: PrivateOvs, direct: Callable[[Vif], Vif]
) -> None:
    before = machine.state(ovs)
    os_vif_hybrid(ovs, vif)
    request = direct(vif)
    assert [port.state for port in ports.plug(request)] == [READY]
    assert named(ovs, vif) == {vif["devname"]}
    assert not links().keys() & {*names(vif)}
    assert ports.unplug(request)[0].state == UNPLUGGED
    assert machine.state(ovs) == before


def test_plan_says_all_that_goes(ports: Ports, vif: Vif, ovs: PrivateOvs) -> None:
    os_vif_hybrid(ovs, vif)
    ports.request(PLUG, vif)
    before = machine.state(ovs)
    text = ports.engine.dry_run(ports.stored(vif)).render()
    bridge, inner, outer = names(vif)
    for line in (
        f"connect: remove ovs-port {outer}",
        *(f"delete: remove {thing}" for thing in (f"bridge {bridge}", f"veth {inner}")),
    ):
        assert line in text
    assert machine.state(ovs) == before


def test_direct_of_os_vif_goes_when_the_port_is_plugged_as_hybrid(
    ports: Ports, vif: Vif, ovs: PrivateOvs
) -> None:
    """With its tap: libvirt takes none that is there."""
    before = machine.state(ovs)
    libvirt_tap(vif)
    os_vif_row(ovs, vif, vif["devname"])
    assert [port.state for port in ports.plug(hybrid(vif))] == [READY]
    assert named(ovs, vif) == {names(vif)[2]}
    assert vif["devname"] not in links()
    ports.unplug(hybrid(vif))
    assert machine.state(ovs) == before


@pytest.mark.parametrize("form", [dict, hybrid])
def test_own_bridge_of_os_vif_goes_when_the_port_is_plugged_without(
    ports: Ports, vif: Vif, ovs: PrivateOvs, form: Callable[[Vif], Vif]
) -> None:
    before = machine.state(ovs)
    os_vif_own_bridge(ovs, vif)
    assert [port.state for port in ports.plug(form(vif))] == [READY]
    assert len(named(ovs, vif)) == 1
    assert ovs.vsctl("list-br").split() == ["br-int"]
    ports.unplug(form(vif))
    assert machine.state(ovs) == before


@pytest.mark.parametrize("direct", [dict, without_tap])
def test_tap_that_a_guest_has_open_comes_out_of_its_hybrid_bridge(
    ports: Ports, vif: Vif, ovs: PrivateOvs, direct: Callable[[Vif], Vif]
) -> None:
    """As after a migration from an iptables firewall to OVN, when nova-compute starts anew."""
    os_vif_hybrid(ovs, vif)
    libvirt_tap(vif, names(vif)[0])
    (index,) = indexes(vif["devname"])
    with TapEnd(vif["devname"], TUN):
        assert [port.state for port in ports.plug(direct(vif))] == [READY]
        assert indexes(vif["devname"]) == [index]
        wait_for(lambda: carried(ovs, vif["devname"]), "the tap in the datapath")
    assert named(ovs, vif) == {vif["devname"]}
    assert not links().keys() & {*names(vif)}


def carried(ovs: PrivateOvs, name: str) -> bool:
    ofport = row(ovs, "interface", name)["ofport"]
    return ofport not in ([], -1)


@pytest.mark.parametrize("what", ["tap", "another"])
def test_what_a_guest_uses_stays_and_is_told(
    ports: Ports, vif: Vif, ovs: PrivateOvs, what: str
) -> None:
    """Once the guest has gone, the port is as it is requested."""
    libvirt_tap(vif)
    if what == "tap":
        os_vif_row(ovs, vif, vif["devname"])
        request, device, why = hybrid(vif), vif["devname"], f"a guest has {vif['devname']} open"
    else:
        os_vif_hybrid(ovs, vif)
        request, device, why = vif, "vnet7", f"vnet7 is in {names(vif)[0]}"
        ip("tuntap", "add", "dev", device, "mode", "tap")
        ip("link", "set", device, "master", names(vif)[0])
    with TapEnd(device, TUN):
        before = machine.state(ovs)
        (reported,) = ports.plug(request)
        assert (reported.state, reported.problem and reported.problem.code) == (RETRYING, "not_yet")
        assert why in str(reported.problem)
        assert machine.state(ovs) == before
    if device == "vnet7":
        ip("link", "del", device)
    assert ports.reconcile({vif["id"]})[vif["id"]].state == READY
    (after,) = named(ovs, vif)
    assert after == (names(vif)[2] if what == "tap" else vif["devname"])


def test_row_of_the_name_that_is_for_another_port_stays(
    ports: Ports, vif: Vif, ovs: PrivateOvs
) -> None:
    outer = names(vif)[2]
    os_vif_hybrid(ovs, vif)
    ovs.vsctl("set", "interface", outer, "external_ids:iface-id=another")
    ports.plug(vif)
    assert {outer, names(vif)[0]} <= links().keys()
    assert MARK not in row(ovs, "interface", outer)["external_ids"]


def test_killed_between_owner_tag_and_removal(
    ports: Ports, host: RealHost, store: Store, vif: Vif, ovs: PrivateOvs
) -> None:
    """The next process knows the devices by their owner tags, though no row leads to them any
    more."""
    before = machine.state(ovs)
    os_vif_hybrid(ovs, vif)
    for name in names(vif):
        ip("link", "set", name, "alias", f"{MARK} {vif['id']}")
    ovs.vsctl("del-port", names(vif)[2])
    ovs.vsctl("--all", "destroy", "qos")
    ports.request(PLUG, vif)
    again = Ports(host, store)
    again.reconcile(again.engine.load(), everywhere=True)
    assert [port.state for port in again.stored(vif)] == [READY]
    assert not links().keys() & {*names(vif)}
    again.unplug(vif)
    assert machine.state(ovs) == before
