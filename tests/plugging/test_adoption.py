"""Devices that os-vif and libvirt made: taken over where they are, or left alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.peers import indexes, names, os_vif_hybrid, os_vif_row
from tests.support.real_host import (
    OTHER,
    TUN,
    Ports,
    Vif,
    ip,
    links,
    new_vif,
    row,
    rows,
    sysctl,
    with_details,
)
from vif_agent.ports.port import ERROR, READY, UNPLUGGED
from vif_agent.testing.frames import TapEnd
from vif_agent.testing.ovs import PrivateOvs

Load = Callable[[str], Vif]


@pytest.fixture
def hybrid(payload: Load) -> Vif:
    return payload("ovs_hybrid")


def test_hybrid_of_os_vif_is_taken_over_where_it_is(
    ports: Ports, hybrid: Vif, ovs: PrivateOvs
) -> None:
    os_vif_hybrid(ovs, hybrid)
    outer = names(hybrid)[2]
    before, ofport = indexes(*names(hybrid)), row(ovs, "interface", outer)["ofport"]
    assert [port.state for port in ports.plug(hybrid)] == [READY]
    assert indexes(*names(hybrid)) == before
    assert row(ovs, "interface", outer)["ofport"] == ofport
    assert {links()[n]["ifalias"] for n in names(hybrid)} == {f"vif-agent {hybrid['id']}"}
    assert row(ovs, "interface", outer)["external_ids"]["vif-agent"] == hybrid["id"]


def test_hybrid_of_os_vif_is_corrected(ports: Ports, hybrid: Vif, ovs: PrivateOvs) -> None:
    os_vif_hybrid(ovs, hybrid)
    ports.plug(hybrid)
    bridge, _, outer = names(hybrid)
    assert [links()[name]["mtu"] for name in names(hybrid)] == [1450] * 3
    assert links()[bridge]["linkinfo"]["info_data"]["mcast_snooping"] == 0
    assert [sysctl("ipv6", name, "disable_ipv6") for name in names(hybrid)] == [1] * 3
    assert [links()[name]["addr_info"] for name in names(hybrid)] == [[]] * 3
    assert row(ovs, "interface", outer)["mtu_request"] == 1450


def test_tag_and_qos_of_an_adopted_port_are_kept(
    ports: Ports, hybrid: Vif, ovs: PrivateOvs
) -> None:
    os_vif_hybrid(ovs, hybrid)
    (qos,) = rows(ovs, "qos")
    ports.plug(hybrid)
    port = row(ovs, "port", names(hybrid)[2])
    assert (port["tag"], port["vlan_mode"], port["trunks"]) == (7, [], [])
    assert [r["_uuid"] for r in rows(ovs, "qos")] == [qos["_uuid"]]


def test_adopted_port_is_unplugged_without_a_trace(
    ports: Ports, hybrid: Vif, ovs: PrivateOvs
) -> None:
    os_vif_hybrid(ovs, hybrid)
    ports.plug(hybrid)
    assert [port.state for port in ports.unplug(hybrid)] == [UNPLUGGED]
    assert not links().keys() & set(names(hybrid))
    assert ovs.vsctl("list-ports", "br-int") == ""
    assert rows(ovs, "qos") == []


def test_half_made_hybrid_of_os_vif_is_completed(
    ports: Ports, hybrid: Vif, ovs: PrivateOvs
) -> None:
    """os-vif, killed between veth and port, would take it for done for ever."""
    bridge, inner, outer = names(hybrid)
    ip("link", "add", inner, "type", "veth", "peer", "name", outer)
    before = indexes(inner, outer)
    assert [port.state for port in ports.plug(hybrid)] == [READY]
    assert indexes(inner, outer) == before
    assert links()[inner]["master"] == bridge
    assert ovs.vsctl("list-ports", "br-int").split() == [outer]


@pytest.mark.parametrize("name", ["ovs_create_tap", "bridge", "tap"])
def test_tap_of_the_port_that_a_guest_holds_is_taken_over(
    name: str, ports: Ports, payload: Load
) -> None:
    vif = payload(name)
    ip("tuntap", "add", "dev", vif["devname"], "mode", "tap", "vnet_hdr")
    (before,) = indexes(vif["devname"])
    with TapEnd(vif["devname"], TUN, vnet_hdr=True):
        assert [port.state for port in ports.plug(vif)] == [READY]
    assert indexes(vif["devname"]) == [before]
    assert links()[vif["devname"]]["ifalias"] == f"vif-agent {vif['id']}"


def test_tap_with_other_queues_is_made_anew(ports: Ports, payload: Load) -> None:
    vif = with_details(payload("tap"), multiqueue=True)
    ip("tuntap", "add", "dev", vif["devname"], "mode", "tap")
    (before,) = indexes(vif["devname"])
    assert [port.state for port in ports.plug(vif)] == [READY]
    assert indexes(vif["devname"]) != [before]
    assert links()[vif["devname"]]["linkinfo"]["info_data"]["multi_queue"]


def test_row_that_libvirt_made_is_taken_over(ports: Ports, payload: Load, ovs: PrivateOvs) -> None:
    """libvirt writes vm-id where os-vif writes vm-uuid; both stay."""
    vif = payload("ovs")
    name = vif["devname"]
    ip("tuntap", "add", "dev", name, "mode", "tap")
    os_vif_row(ovs, vif, name)
    ovs.vsctl("set", "interface", name, "external_ids:vm-id=domain")
    ofport = row(ovs, "interface", name)["ofport"]
    assert [port.state for port in ports.plug(vif)] == [READY]
    interface = row(ovs, "interface", name)
    assert interface["ofport"] == ofport
    assert (interface["external_ids"]["vm-id"], interface["external_ids"]["vif-agent"]) == (
        "domain",
        vif["id"],
    )
    ports.unplug(vif)
    assert name in links()  # libvirt's tap is libvirt's


@pytest.mark.parametrize("device", [0, 1, 2])
def test_device_with_another_ports_owner_tag_is_refused_and_untouched(
    device: int, ports: Ports, hybrid: Vif, ovs: PrivateOvs
) -> None:
    os_vif_hybrid(ovs, hybrid)
    ip("link", "set", names(hybrid)[device], "alias", f"vif-agent {OTHER}")
    before = {name: links()[name] for name in names(hybrid)}
    (port,) = ports.plug(hybrid)
    assert (port.state, port.problem and port.problem.code) == (ERROR, "conflict")
    assert OTHER in str(port.problem)
    assert {name: links()[name]["mtu"] for name in names(hybrid)} == dict.fromkeys(before, 1500)
    ports.unplug(hybrid)
    assert links().keys() >= set(names(hybrid))
    assert ovs.vsctl("list-ports", "br-int").split() == [names(hybrid)[2]]


def test_row_with_another_ports_iface_id_is_refused(
    ports: Ports, hybrid: Vif, ovs: PrivateOvs
) -> None:
    os_vif_hybrid(ovs, hybrid)
    outer = names(hybrid)[2]
    ovs.vsctl("set", "interface", outer, f"external_ids:iface-id={OTHER}")
    before = row(ovs, "interface", outer)["external_ids"]
    (port,) = ports.plug(hybrid)
    assert (port.state, port.problem and port.problem.code) == (ERROR, "conflict")
    assert row(ovs, "interface", outer)["external_ids"] == before


def test_tap_of_a_foreign_name_is_refused(ports: Ports, payload: Load) -> None:
    vif = {**payload("tap"), "devname": "vm-7-net0"}
    ip("tuntap", "add", "dev", "vm-7-net0", "mode", "tap")
    before = links()["vm-7-net0"]
    (port,) = ports.plug(vif)
    assert (port.state, port.problem and port.problem.code) == (ERROR, "conflict")
    assert links()["vm-7-net0"] == before


def test_unplug_of_what_was_never_adopted_removes_nothing(
    ports: Ports, hybrid: Vif, ovs: PrivateOvs
) -> None:
    os_vif_hybrid(ovs, hybrid)
    before = indexes(*names(hybrid))
    assert [port.state for port in ports.unplug(hybrid)] == [UNPLUGGED]
    assert ports.reconcile({hybrid["id"]}, everywhere=True) == {}
    assert indexes(*names(hybrid)) == before
    assert len(rows(ovs, "qos")) == 1


def test_full_reconcile_leaves_ports_that_nobody_asked_for(
    ports: Ports, hybrid: Vif, payload: Load, ovs: PrivateOvs
) -> None:
    """Not having heard of a port yet is no reason to remove it."""
    os_vif_hybrid(ovs, hybrid)
    stranger = new_vif(payload("tap"), 9)["devname"]
    ip("tuntap", "add", "dev", stranger, "mode", "tap")
    ip("link", "set", stranger, "alias", f"vif-agent {OTHER}")
    ports.plug(payload("tap"))
    ports.reconcile({payload("tap")["id"]}, everywhere=True)
    assert links().keys() >= {stranger, *names(hybrid)}
