"""OVS rows of a port's name in other places: a bond, a bridge of that name, two bridges at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.plugging.test_foreign_rows import refused
from tests.support.real_host import Ports, Vif, row, rows, with_details
from vif_agent.ports.port import READY, UNPLUGGED
from vif_agent.testing.ovs import PrivateOvs

Load = Callable[[str], Vif]

INTERNAL = ("--", "set", "interface", "in5", "type=internal")


@pytest.mark.parametrize("name", ["ovs", "ovs_create_tap"])
def test_bridge_of_the_taps_name_keeps_its_own_port(
    ports: Ports, payload: Load, ovs: PrivateOvs, name: str
) -> None:
    vif = payload(name)
    ovs.add_bridge(vif["devname"])
    assert vif["devname"] in refused(ports, ovs, vif)


def test_tap_in_a_bond_stays_there(ports: Ports, payload: Load, ovs: PrivateOvs) -> None:
    vif = payload("ovs")
    ovs.vsctl("add-bond", "br-int", "bond7", vif["devname"], "in5", *INTERNAL)
    assert refused(ports, ovs, vif) == f"{vif['devname']} is part of the bond bond7"


def test_bond_of_the_taps_name_stays(ports: Ports, payload: Load, ovs: PrivateOvs) -> None:
    vif = payload("ovs")
    ovs.vsctl("add-bond", "br-int", vif["devname"], "in5", "in6", *INTERNAL)
    assert refused(ports, ovs, vif) == f"{vif['devname']} is part of the bond {vif['devname']}"


def test_fake_bridge_is_no_bridge(ports: Ports, payload: Load, ovs: PrivateOvs) -> None:
    """``add-br NAME PARENT VLAN`` makes a port of it."""
    ovs.vsctl("add-br", "br-fake", "br-int", "10")
    vif = with_details(payload("ovs_create_tap"), bridge_name="br-fake", datapath_type="netdev")
    assert refused(ports, ovs, vif) == "br-fake is a port of the OVS bridge br-int"


@pytest.fixture
def in_two(ports: Ports, payload: Load, ovs: PrivateOvs) -> Vif:
    """ovs-vsctl's own commands make no such thing, but nothing forbids it."""
    vif = payload("ovs_create_tap")
    assert [port.state for port in ports.plug(vif)] == [READY]
    ovs.add_bridge("br-two")
    ovs.vsctl("add", "bridge", "br-two", "ports", row(ovs, "port", vif["devname"])["_uuid"])
    return vif


def test_port_in_two_bridges_is_taken_out_of_the_wrong_one(
    in_two: Vif, ports: Ports, ovs: PrivateOvs
) -> None:
    (reported,) = ports.reconcile({in_two["id"]}).values()
    assert reported.state == READY
    assert ovs.vsctl("list-ports", "br-int").split() == [in_two["devname"]]
    assert ovs.vsctl("list-ports", "br-two").split() == []


def test_port_in_two_bridges_is_unplugged_from_both(
    in_two: Vif, ports: Ports, ovs: PrivateOvs
) -> None:
    assert [port.state for port in ports.unplug(in_two)] == [UNPLUGGED]
    assert {port["name"] for port in rows(ovs, "port")} == {"br-int", "br-two"}
