"""QoS rows of Open vSwitch that more than one port uses, or that Neutron has made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.peers import os_vif_row
from tests.support.real_host import OTHER, Ports, Vif, all_plugins, ip, row, rows
from vif_agent.host.real import RealHost
from vif_agent.ports.port import READY, UNPLUGGED
from vif_agent.ports.store import Store
from vif_agent.testing.ovs import PrivateOvs

Load = Callable[[str], Vif]


@pytest.fixture
def vif(payload: Load) -> Vif:
    return payload("ovs")


@pytest.fixture
def ports(host: RealHost, store: Store) -> Ports:
    """With a type that no other has, to see who changes what."""
    return Ports(host, store, all_plugins(default_qos_type="linux-codel"))


def _minimum_bandwidth(ovs: PrivateOvs, port: str) -> None:
    """As Neutron makes it for a port."""
    ovs.vsctl(
        *("set", "port", port, "qos=@q", "--", "--id=@q", "create", "qos", "type=linux-htb"),
        *(f'external_ids:id="{OTHER}"', "external_ids:_type=minimum_bandwidth"),
    )


def _made_by_libvirt(ovs: PrivateOvs, vif: Vif) -> None:
    ip("tuntap", "add", "dev", vif["devname"], "mode", "tap")
    os_vif_row(ovs, vif, vif["devname"])


def _foreign_port(ovs: PrivateOvs, qos: str) -> None:
    ovs.vsctl(
        *("add-port", "br-int", "foreign", "--", "set", "interface", "foreign", "type=internal"),
        *("--", "set", "port", "foreign", f"qos={qos}"),
    )


def _qos(ovs: PrivateOvs) -> list[dict[str, Any]]:
    return [{**r, "_version": None} for r in rows(ovs, "qos")]


def test_row_of_neutrons_minimum_bandwidth_is_neutrons(
    ports: Ports, vif: Vif, ovs: PrivateOvs
) -> None:
    _made_by_libvirt(ovs, vif)
    ovs.vsctl("clear", "port", vif["devname"], "qos", "--", "--all", "destroy", "qos")
    _minimum_bandwidth(ovs, vif["devname"])
    before = _qos(ovs)
    assert [port.state for port in ports.plug(vif)] == [READY]
    assert _qos(ovs) == before
    assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
    assert _qos(ovs) == before


def test_row_of_ours_that_a_foreign_port_uses_stays_with_that(
    ports: Ports, vif: Vif, ovs: PrivateOvs
) -> None:
    """OVSDB refuses to delete it; so it is that port's from then on, owner tag and all."""
    _made_by_libvirt(ovs, vif)
    ovs.vsctl("clear", "port", vif["devname"], "qos", "--", "--all", "destroy", "qos")
    ports.plug(vif)
    (qos,) = rows(ovs, "qos")
    _foreign_port(ovs, qos["_uuid"])
    assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
    assert ovs.vsctl("list-ports", "br-int").split() == ["foreign"]
    (after,) = rows(ovs, "qos")
    assert (after["_uuid"], after["type"]) == (qos["_uuid"], "linux-codel")
    assert row(ovs, "port", "foreign")["qos"] == qos["_uuid"]
    assert not [key for key in after["external_ids"] if key.startswith("vif-agent")]


def test_row_of_os_vif_that_a_foreign_port_uses_is_not_changed_for_it(
    ports: Ports, vif: Vif, ovs: PrivateOvs
) -> None:
    _made_by_libvirt(ovs, vif)
    (qos,) = before = _qos(ovs)
    _foreign_port(ovs, qos["_uuid"])
    assert [port.state for port in ports.plug(vif)] == [READY]
    own = row(ovs, "port", vif["devname"])["qos"]
    assert own != qos["_uuid"] == row(ovs, "port", "foreign")["qos"]
    assert {r["_uuid"]: r["type"] for r in rows(ovs, "qos")} == {
        own: "linux-codel",
        qos["_uuid"]: "linux-noop",
    }
    ports.unplug(vif)
    assert _qos(ovs) == before


def test_row_of_os_vif_is_ours_once_we_have_changed_it(
    ports: Ports, vif: Vif, ovs: PrivateOvs
) -> None:
    """It no longer says os-vif's type: nothing else would tell whose it is."""
    _made_by_libvirt(ovs, vif)
    (before,) = rows(ovs, "qos")
    ports.plug(vif)
    (qos,) = rows(ovs, "qos")
    assert (qos["_uuid"], qos["type"]) == (before["_uuid"], "linux-codel")
    ports.unplug(vif)
    assert rows(ovs, "qos") == []
