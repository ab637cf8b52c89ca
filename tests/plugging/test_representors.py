"""Representors on the real kernel and Open vSwitch; only /sys is a tree of our own.

A veth stands for the representor: to the kernel and to Open vSwitch it is a device like another.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.casting import wait_for
from tests.support.real_host import (
    Ports,
    Vif,
    everything,
    ip,
    links,
    nothing_written,
    real_host,
    row,
    with_details,
)
from tests.support.sysfs import Sysfs
from vif_agent.host.real import RealHost
from vif_agent.ports.port import READY, UNPLUGGED
from vif_agent.ports.store import Store
from vif_agent.resources import VF as VF_SPACE
from vif_agent.resources import Key
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.ovs import PrivateOvs

Load = Callable[[str], Vif]

CARD, VF, DPDK = "0000:81:00.0", "0000:81:00.2", "0000:81:00.3"


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    sysfs = Sysfs(tmp_path / "sys")
    sysfs.function(CARD)
    sysfs.vf(VF, 0, CARD)
    sysfs.vf(DPDK, 1, CARD)
    sysfs.link("enp129s0f0", CARD, port="p0", switch="ab12")
    return sysfs


@pytest.fixture
def host(scratch: ScratchHost, sysfs: Sysfs) -> Iterator[RealHost]:
    with real_host(scratch, sysfs=sysfs.root) as host:
        yield host


@pytest.fixture
def representor(host: RealHost, sysfs: Sysfs) -> str:
    name = "enp129s0f0r0"
    ip("link", "add", name, "mtu", "1400", "type", "veth", "peer", "name", "vf0")
    sysfs.link(name, CARD, port="pf0vf0", switch="ab12")
    return name


@pytest.mark.parametrize("name", ["ovs_direct", "ovs_vdpa", "agilio_ovs_direct"])
def test_representor_is_wired_and_let_go(
    name: str, ports: Ports, payload: Load, ovs: PrivateOvs, representor: str
) -> None:
    vif = {**payload(name), "profile": {"pci_slot": VF}}
    before = everything(ovs)
    assert [port.state for port in ports.plug(vif)] == [READY]
    link, interface = links()[representor], row(ovs, "interface", representor)
    assert (link["mtu"], "UP" in link["flags"], link.get("ifalias")) == (1450, True, None)
    assert interface["external_ids"]["iface-id"] == vif["id"]
    assert interface["external_ids"]["attached-mac"] == vif["address"]
    assert row(ovs, "port", representor)["tag"] == 4095
    with nothing_written(ovs):
        assert [port.state for port in ports.plug(vif)] == [READY]
    for _again in range(2):
        assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
        assert "UP" not in links()[representor]["flags"]
    ip("link", "set", representor, "mtu", "1400")
    assert everything(ovs) == before


def test_representor_goes_down_though_open_vswitch_lags(
    ports: Ports, payload: Load, ovs: PrivateOvs, representor: str
) -> None:
    """When it gives up a device it writes the flags that it has read last, if it has set one."""
    vif = payload("ovs_direct")
    before = everything(ovs)
    ports.plug(vif)
    assert ovs.vswitchd
    ovs.vswitchd.send_signal(signal.SIGSTOP)
    try:
        assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
    finally:
        ovs.vswitchd.send_signal(signal.SIGCONT)
    ovs.sync()
    assert "UP" not in links()[representor]["flags"]
    ip("link", "set", representor, "mtu", "1400")
    assert everything(ovs) == before


def test_port_that_osvif_has_made_is_taken_over(
    ports: Ports, payload: Load, ovs: PrivateOvs, representor: str
) -> None:
    vif = payload("ovs_direct")
    ids = (f"external_ids:iface-id={vif['id']}", "external_ids:iface-status=active")
    ovs.vsctl("add-port", "br-int", representor, "--", "set", "interface", representor, *ids)
    before = row(ovs, "interface", representor)["ofport"]
    assert [port.state for port in ports.plug(vif)] == [READY]
    interface = row(ovs, "interface", representor)
    assert (interface["ofport"], interface["external_ids"]["vif-agent"]) == (before, vif["id"])
    ports.unplug(vif)
    assert representor not in ovs.vsctl("list-ports", "br-int").split()


@pytest.mark.parametrize("name", ["ovs_direct", "ovs_direct_netdev", "hw_veb_direct"])
def test_vf_of_a_card_that_casts_may_not_name(
    scratch: ScratchHost, sysfs: Sysfs, store: Store, payload: Load, ovs: PrivateOvs, name: str
) -> None:
    with real_host(scratch, sysfs=sysfs.root, cards=["enp3s0f0"]) as host:
        before, vif = everything(ovs), payload(name)
        vif["profile"]["pci_slot"] = VF
        (port,) = Ports(host, store).plug(vif)
        assert port.problem
        assert port.problem.code == "not_configured"
        assert "enp129s0f0, which is not in [sriov] cards" in port.problem.message
        assert everything(ovs) == before


def test_card_itself_is_not_taken_for_a_vf(
    ports: Ports, payload: Load, ovs: PrivateOvs, host: RealHost
) -> None:
    """The MAC of the host's own NIC was changed."""
    ip("link", "add", "enp129s0f0", "type", "veth", "peer", "name", "far")
    before, vif = everything(ovs), payload("hw_veb_macvtap")
    vif["profile"]["pci_slot"] = CARD
    (port,) = ports.plug(vif)
    assert port.problem
    assert (port.problem.code, everything(ovs) == before) == ("not_yet", True)
    ports.unplug(vif)
    assert everything(ovs) == before
    ip("link", "del", "enp129s0f0")


def test_port_of_another_vif_on_the_representor_is_left_alone(
    ports: Ports, payload: Load, ovs: PrivateOvs, representor: str
) -> None:
    ids = "external_ids:iface-id=00000000-0000-4000-8000-000000000001"
    ovs.vsctl("add-port", "br-int", representor, "--", "set", "interface", representor, ids)
    before = everything(ovs)
    (port,) = ports.plug(payload("ovs_direct"))
    assert port.problem
    assert (port.problem.code, everything(ovs) == before) == ("conflict", True)


def test_renamed_representor_is_wired_anew(
    ports: Ports, payload: Load, ovs: PrivateOvs, representor: str, sysfs: Sysfs
) -> None:
    """As udev does it, soon after the VFs are made."""
    vif = payload("ovs_direct")
    ports.plug(vif)
    ip("link", "set", representor, "down")
    ip("link", "set", representor, "name", "pf0vf0")
    sysfs.rename(representor, "pf0vf0")
    ports.reconcile({vif["id"]})
    assert ovs.vsctl("list-ports", "br-int").split() == ["pf0vf0"]
    assert "UP" in links()["pf0vf0"]["flags"]


def test_representor_that_comes_late(
    ports: Ports, payload: Load, request: pytest.FixtureRequest
) -> None:
    vif = payload("ovs_direct")
    (port,) = ports.plug(vif)
    assert port.problem
    assert port.problem.message == f"{VF}: it has no representor now"
    request.getfixturevalue("representor")
    assert ports.reconcile({vif["id"]})[vif["id"]].state == READY


def test_event_of_the_card_is_one_of_its_vfs(host: RealHost, sysfs: Sysfs) -> None:
    """Once somebody has asked for a VF. A card is of no kind, as only lo is here."""
    reported: list[frozenset[Key] | None] = []
    host.on_change(reported.append)
    sysfs.link("lo", CARD)
    host.read([Key(VF_SPACE, VF)])
    ip("link", "property", "add", "dev", "lo", "altname", "card")

    def changed(space: str) -> set[str]:
        return {key.name for keys in reported for key in keys or () if key.space == space}

    try:
        wait_for(lambda: changed(VF_SPACE) == {VF, DPDK}, "the event of the card's VFs")
    finally:
        ip("link", "property", "del", "dev", "lo", "altname", "card")


def test_dpdk_representor_names_card_and_number(
    host: RealHost, store: Store, payload: Load, ovs: PrivateOvs
) -> None:
    """This Open vSwitch has no DPDK: the row is there, and its error is told."""
    ports = Ports(host, store, ready_timeout=0)
    vif = with_details(payload("ovs_direct_netdev"), bound_drivers=None)
    name = "vfr" + vif["id"][:11]
    (port,) = ports.plug(vif)
    interface = row(ovs, "interface", name)
    assert interface["type"] == "dpdk"
    assert interface["options"] == {"dpdk-devargs": f"{CARD},representor=[1]"}
    assert port.problem
    assert port.problem.message.startswith(f"{name}: Open vSwitch has given it no ofport")
    assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
    assert name not in ovs.vsctl("list-ports", "br-int").split()
