"""Rows of Open vSwitch that serve somebody else, whatever a cast says of them."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support import machine
from tests.support.peers import os_vif_own_bridge
from tests.support.real_host import OTHER, TUN, Ports, Vif, ip, new_vif, row, with_details
from vif_agent.ports.port import ERROR, READY, UNPLUGGED
from vif_agent.testing.frames import IFF_NO_PI, IFF_TAP, TUNSETIFF, TapEnd
from vif_agent.testing.ovs import PrivateOvs

Load = Callable[[str], Vif]
DHCP = f"qdhcp-{os.getpid()}"


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Another network namespace, by name."""
    ip("netns", "add", DHCP)
    yield DHCP
    ip("netns", "del", DHCP)


@pytest.mark.parametrize("name", ["ovs_create_tap", "ovs"])
def test_port_of_neutrons_dhcp_is_not_adopted(
    ports: Ports, payload: Load, ovs: PrivateOvs, elsewhere: str, name: str
) -> None:
    """Its device is in a namespace, where no look at this one's sees it."""
    vif = payload(name)
    device = vif["devname"]
    ids = (f"external_ids:iface-id={vif['id']}", f"external_ids:attached-mac={vif['address']}")
    interface = ("set", "interface", device, "type=internal", *ids)
    ovs.vsctl("add-port", "br-int", device, "tag=3", "--", *interface)
    ip("link", "set", device, "netns", elsewhere)
    before, there = machine.state(ovs), _device(device, elsewhere)
    (reported,) = ports.plug(vif)
    assert (reported.state, reported.problem and reported.problem.code) == (ERROR, "conflict")
    assert "an OVS port of type internal" in str(reported.problem)
    assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
    assert machine.state(ovs) == before
    assert _device(device, elsewhere) == there
    assert row(ovs, "interface", device)["ofport"] > 0


def _device(name: str, namespace: str) -> str:
    answer = subprocess.run(
        ["ip", "-o", "-n", namespace, "link", "show", "dev", name],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return answer.stdout


def refused(ports: Ports, ovs: PrivateOvs, vif: Vif) -> str:
    """Why; nothing on the machine is another for the plug, nor for the unplug."""
    before = machine.state(ovs)
    (reported,) = ports.plug(vif)
    assert (reported.state, reported.problem and reported.problem.code) == (ERROR, "conflict")
    assert machine.state(ovs) == before
    assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
    assert machine.state(ovs) == before
    return reported.problem.message if reported.problem else ""


@pytest.fixture
def trunk(payload: Load) -> Vif:
    return with_details(
        payload("ovs_create_tap"), bridge_name="tbr-5843eca1-e", datapath_type="netdev"
    )


@pytest.mark.parametrize("owner", ["", "shared"])
def test_trunk_bridge_of_another_port_that_others_have_made(
    ports: Ports, trunk: Vif, ovs: PrivateOvs, owner: str
) -> None:
    """os-vif's and Neutron's have no owner tag, and ours of an early version no port's."""
    bridge = trunk["details"]["bridge_name"]
    ovs.add_bridge(bridge)
    ip("tuntap", "add", "dev", "tap" + OTHER[:11], "mode", "tap")
    there = ("set", "interface", "tap" + OTHER[:11], f"external_ids:iface-id={OTHER}")
    ovs.vsctl("add-port", bridge, "tap" + OTHER[:11], "--", *there)
    if owner:
        ovs.vsctl("set", "bridge", bridge, f"external_ids:vif-agent={owner}")
    assert bridge in refused(ports, ovs, trunk)


def test_trunk_bridge_of_another_port_that_we_have_made(
    ports: Ports, trunk: Vif, ovs: PrivateOvs
) -> None:
    ports.plug(trunk)
    assert trunk["id"] in refused(ports, ovs, new_vif(trunk, 2))


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(
    ("victim", "name", "prefix", "length"),
    [
        ("ovs_hybrid", "bridge", "qbr", 11),
        ("ovs_hybrid", "ovs_create_tap", "qvo", 11),
        ("ovs_create_tap", "ovs_hybrid", "tap", 11),
        ("own", "ovs_create_tap", "pb", 12),
    ],
)
def test_bridge_name_of_what_is_one_ports_own(
    ports: Ports, payload: Load, ovs: PrivateOvs,
    victim: str, name: str, prefix: str, length: int, ours: bool,
) -> None:  # fmt: skip
    """Its frames would come by another's filters, or into another's network."""
    there = new_vif(payload("ovs_create_tap" if victim == "own" else victim), 3)
    there = with_details(there, datapath_type="netdev")
    if victim == "own":
        os_vif_own_bridge(ovs, there)
    elif ours:
        assert [port.state for port in ports.plug(there)] == [READY]
    bridge = prefix + there["id"][:length]
    vif = with_details(payload(name), bridge_name=bridge, datapath_type="netdev")
    assert bridge in refused(ports, ovs, vif)


@contextmanager
def _tap_of_libvirt() -> Iterator[None]:
    """It goes when the guest goes."""
    tun = os.open(TUN, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"vnet7", IFF_TAP | IFF_NO_PI))
        yield
    finally:
        os.close(tun)


@contextmanager
def _held(how: str) -> Iterator[None]:
    many = how == "multi_queue"
    ip("tuntap", "add", "dev", "vnet7", "mode", "tap", *(["multi_queue"] if many else []))
    with TapEnd("vnet7", TUN, multi_queue=many):
        yield


@pytest.mark.parametrize("name", ["ovs_create_tap", "ovs_hybrid", "vhostuser_ovs"])
@pytest.mark.parametrize("how", ["libvirt's", "multi_queue", "in a bridge", "on Open vSwitch"])
def test_bridge_name_of_a_running_guests_tap(
    ports: Ports, payload: Load, ovs: PrivateOvs, name: str, how: str
) -> None:
    with _tap_of_libvirt() if how == "libvirt's" else _held(how):
        if how == "in a bridge":
            ip("link", "add", "brq1", "type", "bridge")
            ip("link", "set", "vnet7", "master", "brq1")
        if how == "on Open vSwitch":
            ovs.vsctl("--no-wait", "add-port", "br-int", "vnet7")
        vif = with_details(payload(name), bridge_name="vnet7", datapath_type="netdev")
        assert "vnet7" in refused(ports, ovs, vif)


def test_bridge_that_was_removed_is_made_again_at_once(
    ports: Ports, payload: Load, ovs: PrivateOvs
) -> None:
    """ovs-vswitchd has its device open for a moment after that."""
    vif = with_details(payload("ovs_create_tap"), bridge_name="br-own", datapath_type="netdev")
    for _ in range(5):
        assert [port.state for port in ports.plug(vif)] == [READY]
        ports.unplug(vif)
    assert ovs.vsctl("list-br").split() == ["br-int"]


def test_cast_does_not_change_the_datapath_type_of_a_bridge_that_others_use(
    ports: Ports, payload: Load, ovs: PrivateOvs
) -> None:
    first = with_details(payload("ovs_create_tap"), bridge_name="br-own", datapath_type="netdev")
    assert [port.state for port in ports.plug(first)] == [READY]
    second = with_details(new_vif(first, 2), datapath_type="system")
    assert "br-own has datapath_type netdev for other ports" in refused(ports, ovs, second)
    assert [port.state for port in ports.plug(new_vif(first, 3), first)] == [READY] * 2
