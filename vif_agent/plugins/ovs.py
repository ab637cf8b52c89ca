"""vif_type ``ovs``: a port on an Open vSwitch bridge, direct or hybrid.

Direct: the tap itself is the OVS port, made by us when Neutron says ``ovs_create_tap``, else by
libvirt. Hybrid (for iptables firewalls): guest tap - ``qbr`` linux bridge - ``qvb``/``qvo`` veth
pair - OVS; libvirt puts the tap into ``qbr``. ``remote-managed``: the DPU plugs, this host has
nothing to do. The settings are os-vif's (vif_plug_ovs 5.3).
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from vif_agent.errors import NoPlugin
from vif_agent.plugins.base import Plugin
from vif_agent.resources import Bridge, OvsBridge, OvsPort, Resource, Tap, Veth
from vif_agent.vif import Vif

#: trunk bridges belong to the Neutron agent, which tags by itself; never isolate there (os-vif
#: 99814b2)
TRUNK_BRIDGE = "tbr-"

#: their port is a VF's representor, never a tap
_REPRESENTED = ("direct", "vdpa")


@dataclasses.dataclass(frozen=True, slots=True)
class OvsPlugin(Plugin):
    """Settings are the options of the configuration's group ``[ovs]``."""

    integration_bridge: str = "br-int"
    create_tap: str = "auto"
    isolate: str = "auto"
    default_qos_type: str = "linux-noop"

    @classmethod
    def from_conf(cls, conf: Any) -> "OvsPlugin":
        return cls(**{f.name: getattr(conf.ovs, f.name) for f in dataclasses.fields(cls)})

    def resources(self, vif: Vif) -> Sequence[Resource]:
        if vif.vnic_type in _REPRESENTED:
            raise NoPlugin(f"vif.vnic_type: no plugin for {vif.vnic_type} ports of vif_type ovs")
        if vif.vnic_type == "remote-managed":
            return ()
        bridge = OvsBridge(name=self._bridge(vif), shared=True, datapath_type=vif.datapath_type)
        if vif.hybrid:
            return (bridge, *_hybrid_links(vif), self._port(vif, "qvo" + vif.short_id, True))
        devname = vif.devname or "tap" + vif.short_id
        if not self._makes_tap(vif):
            return (bridge, self._port(vif, devname, False))
        tap = Tap(
            name=devname,
            mac=vif.mac,
            mtu=vif.mtu,
            multi_queue=vif.multi_queue,
            master="",
            disable_ipv6=True,
        )
        return (bridge, tap, self._port(vif, devname, True))

    def _bridge(self, vif: Vif) -> str:
        return vif.bridge or self.integration_bridge

    def _makes_tap(self, vif: Vif) -> bool:
        return vif.create_tap if self.create_tap == "auto" else self.create_tap == "always"

    def _port(self, vif: Vif, name: str, device_is_ours: bool) -> OvsPort:
        """QoS rows are tc's, which the userspace datapath has not: os-vif makes none there."""
        return OvsPort(
            name=name,
            bridge=self._bridge(vif),
            external_ids=_external_ids(vif, self._bridge(vif)),
            mtu_request=vif.mtu,
            qos_type=None if vif.datapath_type == "netdev" else self.default_qos_type or None,
            isolate=self._isolates(vif),
            wait_ofport=device_is_ours,
        )

    def _isolates(self, vif: Vif) -> bool:
        """With ML2/OVS the port must carry no traffic until the Neutron agent has tagged it.

        Else the guest sees other tenants' frames for a moment (launchpad bug 1734320). OVN needs
        it not: its port has no flows until it is bound.
        """
        if self._bridge(vif).startswith(TRUNK_BRIDGE) or self.isolate == "never":
            return False
        return self.isolate == "always" or "openvswitch" in vif.bound_drivers


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


def _external_ids(vif: Vif, bridge: str) -> tuple[tuple[str, str], ...]:
    """What Neutron's agent and OVN look for on the Interface row.

    By ``bridge_name`` Neutron's agent cleans up after a trunk that went before the agent had
    written that itself; os-vif adds it for the same reason.
    """
    ids = {"iface-id": vif.port_id, "iface-status": "active", "attached-mac": vif.mac}
    if vif.instance_uuid:
        ids["vm-uuid"] = vif.instance_uuid
    if bridge.startswith(TRUNK_BRIDGE):
        ids["bridge_name"] = bridge
    return tuple(sorted(ids.items()))
