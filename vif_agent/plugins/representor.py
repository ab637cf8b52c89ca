"""A VF in switchdev mode: what it sends comes out of its representor, which is the switch's port.

The kernel has named the representor, so it is told by the VF's PCI address. With DPDK (datapath
``netdev``) Open vSwitch makes the port itself, of the card and the VF's number (os-vif's ``vfr…``).
vDPA is the same for the host: libvirt gives the guest a vhost device of the VF instead of the VF.
"""

import dataclasses
from collections.abc import Sequence

from vif_agent.pci_names import PF_ADDRESS, REPRESENTOR, VF_NUMBER, of_pci
from vif_agent.plugins.hw_veb import pci_slot
from vif_agent.resources import Device, OvsPort, Resource
from vif_agent.vif import Vif

#: the vnic_types of ports that have one
REPRESENTED = ("direct", "vdpa")


def represented(vif: Vif, port: OvsPort) -> Sequence[Resource]:
    """``port`` has bridge, ids and all that any port of this VIF would have."""
    if vif.datapath_type == "netdev":
        return (_dpdk_port(vif, port),)
    name = of_pci(pci_slot(vif), REPRESENTOR)
    # ovs-vswitchd sets "promisc" else, and when it takes that back it writes "up" as it was before
    device = Device(name=name, up=True, promisc=True, mtu=vif.mtu, lowered=True)
    return (device, dataclasses.replace(port, name=name))


def _dpdk_port(vif: Vif, port: OvsPort) -> OvsPort:
    card, number = (of_pci(pci_slot(vif), what) for what in (PF_ADDRESS, VF_NUMBER))
    return dataclasses.replace(
        port,
        name="vfr" + vif.short_id,
        interface_type="dpdk",
        options=(("dpdk-devargs", f"{card},representor=[{number}]"),),
    )
