"""vif_type ``ovs``: a port on an Open vSwitch bridge.

Direct: the tap itself is the OVS port, made by us when Neutron says ``ovs_create_tap``, else by
libvirt. With ``per_port_bridge`` it is in an OVS bridge of its own. Hybrid (for iptables
firewalls): guest tap - ``qbr`` linux bridge - ``qvb``/``qvo`` veth pair - OVS; libvirt puts the tap
into ``qbr``. ``direct`` or ``vdpa`` as vnic_type: the port of a VF is its representor.
``remote-managed``: the DPU plugs, this host has nothing to do. The settings are os-vif's
(vif_plug_ovs 5.3).
"""

import dataclasses
from collections.abc import Sequence

from vif_agent.plugins.ovs_port import OvsPorts
from vif_agent.plugins.representor import REPRESENTED, represented
from vif_agent.resources import Bridge, OvsBridge, OvsPort, Resource, Tap, Veth
from vif_agent.vif import Vif


@dataclasses.dataclass(frozen=True, slots=True)
class OvsPlugin(OvsPorts):
    """Fields: [ovs]'s options of these names."""

    create_tap: str = "auto"
    default_qos_type: str = "linux-noop"
    per_port_bridge: bool = False

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """The bridge and the port in it, and for a hybrid port what stands between."""
        if vif.vnic_type == "remote-managed":
            return ()
        bridge = self.bridge(vif, vif.datapath_type)
        if vif.vnic_type in REPRESENTED:
            return (bridge, *represented(vif, self._port(vif, "", True)))
        if vif.hybrid:
            return (bridge, *hybrid_links(vif), self._port(vif, "qvo" + vif.short_id, True))
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
        port = self._port(vif, devname, ours)
        ports = self._in_own_bridge(vif, port) if self.per_port_bridge else (port,)
        return (*((tap,) if ours else ()), *ports)

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

    def _in_own_bridge(self, vif: Vif, port: OvsPort) -> Sequence[Resource]:
        """The port in a bridge of its own, and patch ports between that and the shared bridge.

        The shared bridge's end is the VIF's port to Neutron and OVN. It alone is isolated: Neutron
        takes no other port out of the dead VLAN (os-vif isolates the tap as well, for ever).
        """
        own, inner, outer = "pb" + vif.port_id[:12], "pbp" + vif.port_id, "ibp" + vif.port_id
        return (
            OvsBridge(name=own, datapath_type=vif.datapath_type),
            dataclasses.replace(port, bridge=own, external_ids=(), isolate=False),
            _patch(OvsPort(name=inner, bridge=own), outer),
            _patch(self.port(vif, outer), inner),
        )


def _patch(port: OvsPort, peer: str) -> OvsPort:
    return dataclasses.replace(port, interface_type="patch", options=(("peer", peer),))


def hybrid_links(vif: Vif) -> Sequence[Resource]:
    """A linux bridge for the port alone, with a veth pair towards Open vSwitch."""
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
