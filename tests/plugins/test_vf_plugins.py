"""Tables of the vif_types that have to do with SR-IOV cards."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.answered import answered, changed
from tests.support.examples import INSTANCE
from vif_agent.errors import NoPlugin
from vif_agent.plugins.agilio_ovs import AgilioOvsPlugin
from vif_agent.plugins.base import Plugin
from vif_agent.plugins.hw_veb import HwVebPlugin
from vif_agent.plugins.ovs import OvsPlugin
from vif_agent.resources import Device, OvsBridge, OvsPort, Resource, Vf

Payload = Callable[[str], dict[str, Any]]

DIRECT = Vf(name="0000:03:10.1", mac="fa:16:3e:5a:00:09", vlan=103, trust=True)
MACVTAP = Vf(name="0000:03:10.2", mac="fa:16:3e:5a:00:0a", vlan=104, trust=False)
NETDEV = Device(name="<netdev of 0000:03:10.2>", mac=MACVTAP.mac, up=True, lowered=True)
META = {
    "port_security_enabled": True, "admin_state_up": True, "min_tx_rate": 100, "max_tx_rate": 1000,
}  # fmt: skip
AS_NEUTRON_SAYS: dict[str, Any] = {
    "spoof_check": True, "link_state": "enable", "min_tx_rate": 100, "max_tx_rate": 1000,
}  # fmt: skip
SWITCH = OvsBridge(name="br-int", shared=True, datapath_type="system", secure=True)
REPRESENTOR = Device(
    name="<representor of 0000:81:00.2>", up=True, promisc=True, mtu=1450, lowered=True
)


@pytest.mark.parametrize(
    ("name", "nic_agent", "meta", "fields", "expected"),
    [
        ("hw_veb_direct", True, {}, {}, (DIRECT,)),
        ("hw_veb_direct", True, META, {}, (DIRECT,)),
        ("hw_veb_direct", False, {}, {}, (DIRECT,)),
        ("hw_veb_direct", False, META, {}, (changed(DIRECT, **AS_NEUTRON_SAYS),)),
        ("hw_veb_direct", False, {"admin_state_up": False, "propagate_uplink_status": True}, {},
         (changed(DIRECT, link_state="disable"),)),
        ("hw_veb_direct", False, {"admin_state_up": True, "propagate_uplink_status": True}, {},
         (changed(DIRECT, link_state="auto"),)),
        ("hw_veb_direct", False, {"port_security_enabled": False}, {},
         (changed(DIRECT, spoof_check=False),)),
        ("hw_veb_direct", True, {}, {"vnic_type": "accelerator-direct"}, (DIRECT,)),
        ("hw_veb_direct", True, {}, {"trusted": False}, (changed(DIRECT, trust=False),)),
        ("hw_veb_direct", True, {}, {"vlan": 0}, (changed(DIRECT, vlan=0),)),
        ("hw_veb_direct", True, {}, {"vlan": None}, (changed(DIRECT, vlan=None),)),
        ("hw_veb_macvtap", True, {}, {}, (MACVTAP, NETDEV)),
        ("hw_veb_macvtap", True, {}, {"trusted": True}, (MACVTAP, NETDEV)),
        ("hw_veb_macvtap", True, {}, {"vlan": 0},
         (changed(MACVTAP, vlan=0), changed(NETDEV, up=None))),
        ("hw_veb_macvtap", False, META, {}, (changed(MACVTAP, **AS_NEUTRON_SAYS), NETDEV)),
    ],
)  # fmt: skip
def test_hw_veb_vif_gives_these_resources(
    payload: Payload,
    name: str,
    nic_agent: bool,
    meta: dict[str, Any],
    fields: dict[str, Any],
    expected: tuple[Resource, ...],
) -> None:
    assert answered(HwVebPlugin(nic_agent), {**payload(name), "meta": meta}, **fields) == expected


@pytest.mark.parametrize(
    ("wanted", "back"),
    [
        (DIRECT, Vf(name=DIRECT.name, mac="00:00:00:00:00:00", vlan=0, trust=False)),
        (
            changed(DIRECT, vlan=None, **AS_NEUTRON_SAYS),
            Vf(
                name=DIRECT.name, mac="00:00:00:00:00:00", trust=False, spoof_check=True,
                link_state="auto", min_tx_rate=0, max_tx_rate=0,
            ),
        ),
    ],
)  # fmt: skip
def test_vf_is_restored_as_far_as_it_was_wanted(wanted: Vf, back: Vf) -> None:
    assert wanted.restored() == changed(back, only_if=(("mac", "fa:16:3e:5a:00:09"),))


@pytest.mark.parametrize(
    ("up", "back"),
    [
        (True, Device(name=NETDEV.name, up=False, only_if=(("mac", MACVTAP.mac),))),
        (None, Device(name=NETDEV.name, up=False, only_if=(("mac", MACVTAP.mac),))),
    ],
)
def test_vfs_device_is_restored_down(up: bool | None, back: Device) -> None:
    assert dataclasses.replace(NETDEV, up=up).restored() == back
    assert REPRESENTOR.restored() == Device(name=REPRESENTOR.name, up=False, promisc=False)


def _port(name: str, port_id: str, mac: str, **fields: Any) -> OvsPort:
    ids = {
        "attached-mac": mac, "iface-id": port_id, "iface-status": "active",
        "vm-uuid": INSTANCE["uuid"],
    }  # fmt: skip
    return OvsPort(
        name=name,
        bridge="br-int",
        external_ids=tuple(ids.items()),
        mtu_request=1450,
        isolate=True,
        **fields,
    )


@pytest.mark.parametrize("vnic_type", ["direct", "vdpa"])
@pytest.mark.parametrize(
    ("plugin", "vif_type"), [(OvsPlugin(), "ovs"), (AgilioOvsPlugin(), "agilio_ovs")]
)
def test_ovs_port_of_a_vf_is_its_representor(
    payload: Payload, plugin: Plugin, vif_type: str, vnic_type: str
) -> None:
    vif = payload("ovs_direct")
    port = _port(REPRESENTOR.name, vif["id"], vif["address"], qos_type="linux-noop")
    answer = answered(plugin, vif, vnic_type=vnic_type, vif_type=vif_type)
    assert answer == (SWITCH, REPRESENTOR, port)


def test_ovs_port_of_a_vf_ignores_what_is_for_taps(payload: Payload) -> None:
    plain, plugin = payload("ovs_direct"), OvsPlugin(create_tap="always")
    assert answered(plugin, plain, hybrid=True, create_tap=True) == answered(OvsPlugin(), plain)


def test_ovs_port_of_a_vf_with_dpdk(payload: Payload) -> None:
    vif = payload("ovs_direct_netdev")
    place = "0000:81:00.3>"
    devargs = f"<PF address of {place},representor=[<VF number of {place}]"
    port = _port(
        "vfr" + vif["id"][:11],
        vif["id"],
        vif["address"],
        interface_type="dpdk",
        options=(("dpdk-devargs", devargs),),
    )
    switch = changed(SWITCH, datapath_type="netdev")
    assert answered(OvsPlugin(default_qos_type=""), vif) == (switch, port)


def test_agilio_port_that_needs_the_vendors_program_is_refused(payload: Payload) -> None:
    with pytest.raises(NoPlugin, match="no plugin for virtio-forwarder ports of agilio_ovs"):
        answered(AgilioOvsPlugin(), payload("agilio_ovs_direct"), vnic_type="virtio-forwarder")


def test_agilio_port_that_is_no_vfs_is_as_ovs(payload: Payload) -> None:
    vif = payload("ovs_create_tap")
    assert answered(AgilioOvsPlugin(), vif) == answered(OvsPlugin(), vif)
