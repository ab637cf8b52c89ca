"""The ports of a full host, of all kinds that the guest's kernel and cards can carry, and what
their own guests stand on."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.support.casting import numbered
from tests.support.examples import PAYLOADS

Vif = dict[str, Any]
End = tuple[str, str]  # see probe.py

TRUNK, TRUNK_KIND = "tbr-0000002a-0", "ovs, trunk bridge"
VLAN, MACVTAP_VLAN, VF_VLAN, VF_MACVTAP_VLAN = 101, 102, 103, 104

#: kind of port: why there is none in the guest
NOT_CARRIED = {
    "ovs, direct and vdpa, agilio_ovs": "a card with switchdev mode has representors; igb has not",
    "hostdev_physical, ib_hostdev, mlnx_direct": "the guest's only card is the one with VFs",
    "midonet, iovisor, ivs, vrouter, vhostuser of 6WIND": "vendors' programs, not in Debian:"
    " tests/plugging/test_vendors.py runs stand-ins",
    "tap, with wire_taps": "another configuration of the agent: tests/plugging/test_wired_taps.py",
}


@dataclasses.dataclass(frozen=True)
class Kind:
    """``libvirt``: what libvirt makes for such a port, as commands."""

    name: str
    payload: str
    count: int = 2
    change: Callable[[Vif], Vif] = lambda vif: vif
    end: str = "tap"
    libvirt: Callable[[Vif], str] = lambda _vif: ""


class Plugged(NamedTuple):
    """``device``: what its guest speaks by."""

    kind: Kind
    vif: Vif
    device: str

    @property
    def end(self) -> End:
        return self.kind.end, self.device


def details(**more: object) -> Callable[[Vif], Vif]:
    return lambda vif: {**vif, "details": {**vif["details"], **more}}


def meta(**more: object) -> Callable[[Vif], Vif]:
    def changed(vif: Vif) -> Vif:
        network = vif["network"]
        return {**vif, "network": {**network, "meta": {**network["meta"], **more}}}

    return changed


def _tap(vif: Vif) -> str:
    return f"ip tuntap add {vif['devname']} mode tap vnet_hdr && ip link set {vif['devname']} up"


def _tap_in_bridge(vif: Vif) -> str:
    return f"{_tap(vif)} && ip link set {vif['devname']} master qbr{vif['id'][:11]}"


def _macvtap(on: str, mode: str = "bridge") -> Callable[[Vif], str]:
    def command(vif: Vif) -> str:
        name, address = vif["devname"], vif["address"]
        new = f"link add link {on} name {name} address {address} type macvtap mode {mode}"
        return f"ip {new} && ip link set {name} up"

    return command


KINDS = (
    Kind("bridge", "bridge"),
    Kind("bridge, flat", "bridge_flat"),
    Kind(f"bridge, VLAN {VLAN}", "bridge_vlan", change=meta(bridge_interface="trunk0")),
    Kind("bridge, VXLAN", "bridge_vxlan"),
    Kind("ovs, libvirt's tap", "ovs", libvirt=_tap),
    Kind("ovs, the agent's tap", "ovs_create_tap"),
    Kind("ovs, with queues", "ovs_create_tap", change=details(multiqueue=True), end="queues"),
    Kind(TRUNK_KIND, "ovs_create_tap", 1, details(bridge_name=TRUNK)),
    Kind("ovs, hybrid", "ovs_hybrid", libvirt=_tap_in_bridge),
    Kind("tap", "tap", 1),
    Kind("vhostuser", "vhostuser_ovs_client", 1, details(bridge_name="br-user")),
    Kind(
        *(f"macvtap, VLAN {MACVTAP_VLAN}", "macvtap", 1),
        details(physical_interface="trunk0", macvtap_source=f"trunk0.{MACVTAP_VLAN}"),
        *("macvtap", _macvtap(f"trunk0.{MACVTAP_VLAN}")),
    ),
    Kind(
        *("macvtap, flat", "macvtap", 1),
        details(physical_interface="trunk0", macvtap_source="trunk0", vlan=None),
        *("macvtap", _macvtap("trunk0")),
    ),
)


def plugged(vfs: Mapping[str, str]) -> list[Plugged]:
    """``vfs``: PCI address to device, the card's."""
    numbers = itertools.count(1)
    ports = []
    for kind in KINDS:
        for _ in range(kind.count):
            vif = kind.change(numbered(payload(kind.payload), next(numbers)))
            ports.append(Plugged(kind, vif, vif["devname"]))
    for kind, (address, device) in zip(_of_vfs(*vfs.values()), vfs.items(), strict=True):
        vif = numbered(payload(kind.payload), next(numbers))
        vif = {**vif, "profile": {**vif["profile"], "pci_slot": address}}
        ports.append(Plugged(kind, vif, device if kind.end == "device" else vif["devname"]))
    return ports


def _of_vfs(direct: str, for_macvtap: str) -> tuple[Kind, Kind]:
    """These VFs' devices: in place of the guest that has the one, the device itself."""
    return (
        Kind(
            *(f"hw_veb, VLAN {VF_VLAN}", "hw_veb_direct", 1),
            end="device",
            libvirt=lambda _vif: f"{_bound_anew(direct)} && ip link set {direct} up",
        ),
        Kind(
            *(f"hw_veb, macvtap, VLAN {VF_MACVTAP_VLAN}", "hw_veb_macvtap", 1),
            end="macvtap",
            libvirt=_macvtap(for_macvtap, "passthru"),
        ),
    )


def _bound_anew(device: str) -> str:
    """As a guest's driver does: it learns the VF's address when it begins."""
    driver, device_path = "/sys/bus/pci/drivers/igbvf", f"/sys/class/net/{device}"
    return (
        f"slot=$(basename $(readlink {device_path}/device)) && echo $slot >{driver}/unbind"
        f" && echo $slot >{driver}/bind && until [ -e {device_path} ]; do sleep 0.2; done"
    )


def payload(name: str) -> Vif:
    vif: Vif = json.loads((PAYLOADS / f"{name}.json").read_text())
    return vif
