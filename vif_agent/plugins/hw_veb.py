"""vif_type ``hw_veb``: a virtual function of an SR-IOV card, which switches in hardware.

``direct`` (and Cyborg's ``accelerator-direct``): the guest has the VF itself. ``macvtap``: libvirt
makes a macvtap on the VF's network device. What the card is told of the VF comes from

- ``address`` and ``vif_details.vlan`` (0: untagged): MAC and VLAN. libvirt writes both again when
  a guest takes the VF, and when the guest has gone what was there before: so they come first;
- ``binding:profile.trusted``: trust, for direct alone, as in nova. A VF that was trusted before is
  not so for a port of which that is not said;
- the port's ``port_security_enabled``, ``admin_state_up``, ``propagate_uplink_status`` and rates:
  spoof check, link state, rates. Neutron's SR-IOV agent keeps these where it runs (``nic_agent``),
  and nova does not say them.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from vif_agent.errors import InvalidRequest
from vif_agent.pci_names import NETDEV, of_pci
from vif_agent.plugins.base import Plugin
from vif_agent.resources import Device, Resource, Vf
from vif_agent.vif import Vif

_DIRECT = ("direct", "accelerator-direct")


@dataclasses.dataclass(frozen=True, slots=True)
class HwVebPlugin(Plugin):
    """The setting is the option of the configuration's group ``[sriov]``."""

    nic_agent: bool = True

    @classmethod
    def from_conf(cls, conf: Any) -> "HwVebPlugin":
        """See Plugin."""
        return cls(nic_agent=conf.sriov.nic_agent)

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """The VF; InvalidRequest for what names none."""
        if vif.vnic_type not in (*_DIRECT, "macvtap"):
            known = ", ".join((*_DIRECT, "macvtap"))
            raise InvalidRequest("vif.vnic_type", vif.vnic_type, f"one of {known}")
        is_macvtap = vif.vnic_type == "macvtap"
        trust = vif.trusted and not is_macvtap
        function = Vf(name=pci_slot(vif), mac=vif.mac, vlan=vif.vlan, trust=trust)
        if not self.nic_agent:
            function = _with_neutrons(function, vif)
        return (function, _netdev(vif)) if is_macvtap else (function,)


def pci_slot(vif: Vif) -> str:
    """The VF's PCI address, which such a VIF must have."""
    if vif.pci_slot is None:
        raise InvalidRequest("vif.profile.pci_slot", None, "the PCI address of the VF")
    return vif.pci_slot


def _with_neutrons(function: Vf, vif: Vif) -> Vf:
    """As Neutron's SR-IOV agent would set them."""
    return dataclasses.replace(
        function,
        spoof_check=vif.port_security,
        link_state=_link_state(vif),
        min_tx_rate=vif.min_tx_rate,
        max_tx_rate=vif.max_tx_rate,
    )


def _link_state(vif: Vif) -> str | None:
    if vif.admin_up is None:
        return None
    if not vif.admin_up:
        return "disable"
    return "auto" if vif.follows_uplink else "enable"


def _netdev(vif: Vif) -> Device:
    """The guest's MAC is on it before libvirt takes it (Red Hat bug 1372944). nova raises it for a
    tagged port alone; libvirt raises it for any, with the macvtap."""
    return Device(
        name=of_pci(pci_slot(vif), NETDEV),
        mac=vif.mac,
        up=True if vif.vlan else None,
        lowered=True,
    )
