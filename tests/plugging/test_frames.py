"""What it is all for: Ethernet frames from guest to guest through what was plugged."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.casting import wait_for
from tests.support.real_host import TUN, Ports, Vif, ip, new_vif, row, with_details
from vif_agent.ports.port import READY
from vif_agent.testing.frames import TapEnd, crosses, stops_crossing
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.ovs import PrivateOvs

Load = Callable[[str], Vif]


def plug_two(ports: Ports, vif: Vif) -> tuple[Vif, Vif]:
    one, two = new_vif(vif, 1), new_vif(vif, 2)
    assert [port.state for port in ports.plug(one, two)] == [READY, READY]
    return one, two


def tag_as_neutron(ovs: PrivateOvs, name: str, tag: int) -> None:
    """As the Neutron agent's port_bound does: one transaction."""
    ovs.vsctl(*f"set port {name} tag={tag} -- clear port {name} vlan_mode trunks".split())


def plug_guest_tap(vif: Vif) -> str:
    """As libvirt does for a hybrid port: its own tap, in the qbr bridge."""
    name, bridge = vif["devname"], "qbr" + vif["id"][:11]
    ip("tuntap", "add", "dev", name, "mode", "tap", "vnet_hdr")
    ip("link", "set", name, "mtu", "1450", "master", bridge, "up")
    return str(name)


def test_frames_cross_a_linux_bridge(ports: Ports, payload: Load) -> None:
    one, two = plug_two(ports, payload("bridge"))
    with TapEnd(one["devname"], TUN) as a, TapEnd(two["devname"], TUN, vnet_hdr=True) as b:
        assert crosses(a, b, source_mac=one["address"])
        assert crosses(b, a, source_mac=two["address"])
        ports.unplug(new_vif(payload("bridge"), 3))
        assert crosses(a, b, source_mac=one["address"])


def test_frames_do_not_cross_from_one_linux_bridge_to_another(ports: Ports, payload: Load) -> None:
    one, two = new_vif(payload("bridge"), 1), new_vif(payload("bridge"), 2)
    two = {**two, "network": {**two["network"], "bridge": "brq-other"}}
    ports.plug(one, two)
    with TapEnd(one["devname"], TUN) as a, TapEnd(two["devname"], TUN) as b:
        assert not crosses(a, b, timeout=0.3)


@pytest.mark.parametrize("multi_queue", [True, False])
def test_frames_cross_open_vswitch(multi_queue: bool, ports: Ports, payload: Load) -> None:
    """The first queue of a multi-queue tap gets all when it alone is open."""
    vif = with_details(payload("ovs_create_tap"), multiqueue=multi_queue)
    one, two = plug_two(ports, vif)
    with (
        TapEnd(one["devname"], TUN, multi_queue) as a,
        TapEnd(two["devname"], TUN, multi_queue) as b,
    ):
        assert crosses(a, b, source_mac=one["address"])
        assert crosses(b, a, source_mac=two["address"])


def test_frames_cross_hybrid_once_neutron_has_tagged(
    ports: Ports, payload: Load, scratch: ScratchHost
) -> None:
    one, two = plug_two(ports, payload("ovs_hybrid"))
    with TapEnd(plug_guest_tap(one), vnet_hdr=True) as a, TapEnd(plug_guest_tap(two)) as b:
        assert not crosses(a, b, timeout=0.4)
        for vif in (one, two):
            tag_as_neutron(scratch.ovs, "qvo" + vif["id"][:11], 7)
        assert crosses(a, b, source_mac=one["address"])
        assert crosses(b, a, source_mac=two["address"])


def test_isolated_port_hears_and_says_nothing_until_tagged(
    ports: Ports, payload: Load, scratch: ScratchHost
) -> None:
    """Between a new port and one that Neutron serves already, both ways."""
    vif = with_details(payload("ovs_create_tap"), bound_drivers={"0": "openvswitch"})
    one, two = plug_two(ports, vif)
    tag_as_neutron(scratch.ovs, one["devname"], 7)
    with TapEnd(one["devname"], TUN) as served, TapEnd(two["devname"], TUN) as new:
        assert not crosses(served, new, timeout=0.4)
        assert not crosses(new, served, timeout=0.4)
        tag_as_neutron(scratch.ovs, two["devname"], 7)
        assert crosses(served, new)
        assert crosses(new, served)
        tag_as_neutron(scratch.ovs, two["devname"], 8)
        assert stops_crossing(served, new)


def test_two_isolated_ports_do_not_hear_each_other(
    ports: Ports, payload: Load, scratch: ScratchHost
) -> None:
    vif = with_details(payload("ovs_create_tap"), bound_drivers={"0": "openvswitch"})
    one, two = plug_two(ports, vif)
    with TapEnd(one["devname"], TUN) as a, TapEnd(two["devname"], TUN) as b:
        assert not crosses(a, b, timeout=0.4)
        assert not crosses(b, a, timeout=0.4)


def test_frames_keep_crossing_while_ports_are_plugged_again(
    ports: Ports, payload: Load, scratch: ScratchHost
) -> None:
    """A repeated cast for a guest that runs takes nothing from it."""
    vif = with_details(payload("ovs_create_tap"), bound_drivers={"0": "openvswitch"})
    one, two = plug_two(ports, vif)
    for each in (one, two):
        tag_as_neutron(scratch.ovs, each["devname"], 7)
    with TapEnd(one["devname"], TUN) as a, TapEnd(two["devname"], TUN) as b:
        assert crosses(a, b)
        assert [port.state for port in ports.plug(one, two)] == [READY, READY]
        assert crosses(a, b, timeout=0.5)


def test_frames_cross_a_tap_that_was_deleted_and_repaired(ports: Ports, payload: Load) -> None:
    """The userspace datapath would send to the new device and not hear it."""
    one, two = plug_two(ports, payload("ovs_create_tap"))
    with TapEnd(two["devname"], TUN) as b:
        for _ in range(2):
            ip("link", "del", one["devname"])
            assert {port.state for port in ports.reconcile({one["id"]}).values()} == {READY}
            with TapEnd(one["devname"], TUN) as a:
                assert crosses(a, b, source_mac=one["address"])
                assert crosses(b, a, source_mac=two["address"])


def test_device_made_again_in_one_reconcile_with_another_ports_row(
    ports: Ports, payload: Load, scratch: ScratchHost
) -> None:
    one, two = plug_two(ports, payload("ovs_create_tap"))
    scratch.ovs.vsctl("del-port", one["devname"])
    ip("link", "del", two["devname"])
    wait_for(lambda: len(list(ports.engine.dry_run(ports.stored(one, two)))) == 3, "both to do")
    reported = ports.reconcile({one["id"], two["id"]})
    assert [port.state for port in reported.values()] == [READY, READY]
    with TapEnd(one["devname"], TUN) as a, TapEnd(two["devname"], TUN) as b:
        assert crosses(a, b, source_mac=one["address"])
        assert crosses(b, a, source_mac=two["address"])


def test_frames_cross_a_hybrid_port_that_was_deleted_and_repaired(
    ports: Ports, payload: Load, scratch: ScratchHost
) -> None:
    one, two = plug_two(ports, payload("ovs_hybrid"))
    for vif in (one, two):
        tag_as_neutron(scratch.ovs, "qvo" + vif["id"][:11], 7)
    with TapEnd(plug_guest_tap(one), vnet_hdr=True) as a, TapEnd(plug_guest_tap(two)) as b:
        assert crosses(a, b)
        ip("link", "del", "qvo" + one["id"][:11])
        assert {port.state for port in ports.reconcile({one["id"]}).values()} == {READY}
        assert crosses(a, b, source_mac=one["address"])
        assert crosses(b, a, source_mac=two["address"])
        assert row(scratch.ovs, "port", "qvo" + one["id"][:11])["tag"] == 7


def test_no_frame_crosses_after_unplug(ports: Ports, payload: Load) -> None:
    one, two = plug_two(ports, payload("ovs_create_tap"))
    with TapEnd(two["devname"], TUN) as b:
        with TapEnd(one["devname"], TUN) as a:
            assert crosses(a, b)
        ports.unplug(one)
        with pytest.raises(OSError, match="no interface"):
            TapEnd(one["devname"], TUN)
        assert b.receive(b"anything", 0.1) is None
