"""vif_types ``ib_hostdev`` and ``mlnx_direct``: a VF that Mellanox's eSwitch daemon sets up.

No device of ours: ``ebrctl`` tells the daemon of the guest's MAC and of the fabric, which is the
physical network.
"""

from collections.abc import Sequence

from vif_agent.errors import InvalidRequest
from vif_agent.plugins.base import Plugin
from vif_agent.resources import Command, Resource
from vif_agent.vif import Vif


class IbHostdevPlugin(Plugin):
    """nova's ``plug_ib_hostdev``; libvirt hands the VF at ``pci_slot`` to the guest."""

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """What ebrctl is told, by the VF's PCI address."""
        if not vif.pci_slot:
            raise InvalidRequest("vif.profile.pci_slot", vif.pci_slot, "the VF's PCI address")
        return (_ebrctl(vif, vif.pci_slot),)


class MlnxDirectPlugin(Plugin):
    """nova's ``plug_mlnx_direct``, up to Liberty: the daemon gives the VF's device this name."""

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """What ebrctl is told, by the name that its daemon gives the VF."""
        return (_ebrctl(vif, "eth" + vif.short_id),)


def _ebrctl(vif: Vif, device: str) -> Command:
    fabric = vif.physical_network
    if not fabric or fabric.startswith("-"):
        raise InvalidRequest("vif.network.meta.physical_network", fabric, "the fabric's name")
    if not vif.instance_uuid:
        raise InvalidRequest("instance.uuid", vif.instance_uuid, "the instance's UUID")
    return Command(
        plug=("ebrctl", "add-port", vif.mac, vif.instance_uuid, fabric, vif.vif_type, device),
        unplug=("ebrctl", "del-port", fabric, vif.mac),
    )
