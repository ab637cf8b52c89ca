"""vif_type ``macvtap``, of Neutron's macvtap agent: libvirt puts one on a device of the host.

That is the NIC itself on a flat network (no ``vif_details.vlan``), and on a VLAN network a VLAN
device of it, which all ports of the network share. nova never removed those; here they go with
their last port. Neutron's agent finds the macvtap by itself, sets ALLMULTI on it, and raises it.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

from vif_agent.errors import InvalidRequest
from vif_agent.network_types.physical import Physical
from vif_agent.network_types.vlan import names_of
from vif_agent.plugins.base import Plugin
from vif_agent.resources import Device, Resource, Vlan
from vif_agent.vif import DEVICE_NAME, Vif


@dataclasses.dataclass(frozen=True, slots=True)
class MacvtapPlugin(Plugin):
    """``physical``: the NICs that a VIF may name."""

    physical: Physical = dataclasses.field(default_factory=Physical)

    @classmethod
    def from_conf(cls, conf: Any) -> Self:
        """See Plugin."""
        return cls(Physical.from_conf(conf))

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """The NIC must be up: the kernel raises no VLAN device of one that is down."""
        given = _device(vif, "physical_interface")
        name = self.physical.named("vif.details.physical_interface", given)
        nic = Device(name=name, shared=True, up=True)
        return (nic, _vlan(vif, nic.name)) if vif.vlan else (nic,)


def _vlan(vif: Vif, parent: str) -> Vlan:
    assert vif.vlan
    name = _device(vif, "macvtap_source")
    if name not in names_of(parent, vif.vlan):
        expected = f"{parent}.{vif.vlan}, as Neutron names it"
        raise InvalidRequest("vif.details.macvtap_source", name, expected)
    return Vlan(
        name=name,
        shared=True,
        parent=parent,
        vid=vif.vlan,
        mtu=vif.mtu,
        disable_ipv6=True,  # it is for guests: the host must not be reached through it
    )


def _device(vif: Vif, detail: str) -> str:
    name = vif.details.get(detail)
    if not isinstance(name, str) or not DEVICE_NAME.match(name):
        raise InvalidRequest(f"vif.details.{detail}", name, "the name of a device of this host")
    return name
