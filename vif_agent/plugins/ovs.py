"""vif_type ``ovs``: a port on an Open vSwitch bridge.

Direct: the tap itself is the OVS port, made by us when Neutron says ``ovs_create_tap``, else by
libvirt. Hybrid (for iptables firewalls): guest tap - ``qbr`` linux bridge - ``qvb``/``qvo`` veth
pair - OVS; libvirt puts the tap into ``qbr``. ``remote-managed``: the DPU plugs, this host has
nothing to do. The settings are os-vif's (vif_plug_ovs 5.3).
"""

import dataclasses
from collections.abc import Sequence

from vif_agent.errors import NoPlugin
from vif_agent.plugins.ovs_port import OvsPorts
from vif_agent.resources import Bridge, OvsPort, Resource, Tap, Veth
from vif_agent.vif import Vif

#: their port is a VF's representor, never a tap
_REPRESENTED = ("direct", "vdpa")


@dataclasses.dataclass(frozen=True, slots=True)
class OvsPlugin(OvsPorts):
    create_tap: str = "auto"
    default_qos_type: str = "linux-noop"

    def resources(self, vif: Vif) -> Sequence[Resource]:
        if vif.vnic_type in _REPRESENTED:
            raise NoPlugin(f"vif.vnic_type: no plugin for {vif.vnic_type} ports of vif_type ovs")
        if vif.vnic_type == "remote-managed":
            return ()
        bridge = self.bridge(vif, vif.datapath_type)
        if vif.hybrid:
            return (bridge, *_hybrid_links(vif), self._port(vif, "qvo" + vif.short_id, True))
        return (bridge, *self._direct(vif))

    def _direct(self, vif: Vif) -> Sequence[Resource]:
        devname, ours = vif.devname or "tap" + vif.short_id, self._makes_tap(vif)
        tap = Tap(
            name=devname,
            mac=vif.mac,
            mtu=vif.mtu,
            multi_queue=vif.multi_queue,
            master="",
            disable_ipv6=True,
        )
        return (*((tap,) if ours else ()), self._port(vif, devname, ours))

    def _makes_tap(self, vif: Vif) -> bool:
        return vif.create_tap if self.create_tap == "auto" else self.create_tap == "always"

    def _port(self, vif: Vif, name: str, device_is_ours: bool) -> OvsPort:
        """QoS rows are tc's, which the userspace datapath has not: os-vif makes none there."""
        return dataclasses.replace(
            self.port(vif, name),
            mtu_request=vif.mtu,
            qos_type=None if vif.datapath_type == "netdev" else self.default_qos_type or None,
            wait_ofport=device_is_ours,
        )


def _hybrid_links(vif: Vif) -> Sequence[Resource]:
    bridge, inner, outer = (prefix + vif.short_id for prefix in ("qbr", "qvb", "qvo"))
    return (
        Bridge(
            name=bridge,
            mtu=vif.mtu,
            forward_delay=0,
            stp=False,
            mcast_snooping=False,
            ageing=0,  # two ports only: learning just loses frames at live migration (1715317)
            disable_ipv6=True,
            arp_ignore=1,
            arp_announce=2,
        ),
        Veth(name=inner, peer=outer, master=bridge, mtu=vif.mtu, promisc=True, disable_ipv6=True),
        Veth(name=outer, peer=inner, master="", mtu=vif.mtu, promisc=True, disable_ipv6=True),
    )
