"""vif_type ``bridge``: the network's linux bridge, what ties it to the network, and the port's tap
in it where we make it.

libvirt makes the tap and puts it into the bridge unless ``[bridge] create_tap`` is on. The
bridge's settings are those of the last vif_plug_linux_bridge (os-vif 4.3): unlike a hybrid bridge
it keeps the kernel's ageing time (launchpad bug 1837252).
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from vif_agent.errors import InvalidRequest
from vif_agent.network_types.loader import NetworkTypes, load
from vif_agent.plugins.base import Plugin, host_mac
from vif_agent.resources import Bridge, Device, Nic, Resource, Tap
from vif_agent.vif import Vif


@dataclasses.dataclass(frozen=True, slots=True)
class BridgePlugin(Plugin):
    """Settings are the options of the configuration's group ``[bridge]``."""

    create_tap: bool = False
    network_types: NetworkTypes = dataclasses.field(default_factory=NetworkTypes)

    @classmethod
    def from_conf(cls, conf: Any) -> "BridgePlugin":
        """See Plugin."""
        return cls(create_tap=conf.bridge.create_tap, network_types=load(conf))

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """The network's bridge, what ties it to the network, and the port's tap."""
        bridge, *segment = self.network(vif)
        if not self.create_tap:
            _check_libvirts(vif, bridge.name)
        tap = Tap(
            name=vif.tap_name,
            mac=host_mac(vif.mac),
            mtu=vif.mtu,
            master=bridge.name,
            multi_queue=vif.multi_queue,
            disable_ipv6=True,
        )
        return (bridge, *segment, *((tap,) if self.create_tap else ()))

    def network(self, vif: Vif) -> Sequence[Resource]:
        """The bridge of the VIF's network, and what ties it to the physical one."""
        if made := self.network_types.operators(vif):
            return (Device(name=made, shared=True, up=True),)
        name = _bridge_name(vif)
        segment = self.network_types(vif, name)
        has_nic = any(isinstance(resource, Nic) for resource in segment)
        return (_bridge(vif, name, None if has_nic else vif.mtu), *segment)


def _check_libvirts(vif: Vif, bridge: str) -> None:
    """libvirt puts the tap into the bridge that the VIF names, whatever the agent says."""
    if (named := _bridge_name(vif)) != bridge[:14]:
        expected = f"{bridge}, as [network] bridge_mappings says (vif_details:bridge_name)"
        raise InvalidRequest("vif.network.bridge", named, expected)


def _bridge_name(vif: Vif) -> str:
    if vif.bridge:
        return vif.bridge[:14]
    if vif.network_id:
        return "brq" + vif.network_id[:11]
    raise InvalidRequest("vif.network.bridge", vif.bridge, "the bridge's or the network's name")


def _bridge(vif: Vif, name: str, mtu: int | None) -> Bridge:
    """``mtu``: with a NIC in it the kernel's rule stands, the least of its members': the host's own
    connections go over it, and must not send what the NIC cannot."""
    return Bridge(
        name=name,
        shared=True,
        mtu=mtu,
        forward_delay=0,
        stp=False,
        mcast_snooping=False,
        disable_ipv6=True,
        arp_ignore=1,
        arp_announce=2,
    )
