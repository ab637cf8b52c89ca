"""What all ports on Open vSwitch have in common: bridge, identity, isolation.

The rules are os-vif's (vif_plug_ovs 5.3).
"""

import dataclasses
from typing import Any, Self

from vif_agent.ownership import TRUNK_BRIDGE
from vif_agent.plugins.base import Plugin
from vif_agent.resources import OvsBridge, OvsPort
from vif_agent.vif import Vif


@dataclasses.dataclass(frozen=True, slots=True)
class OvsPorts(Plugin):
    """Base of the plugins for such ports. Settings are options of the group ``[ovs]``."""

    integration_bridge: str = "br-int"
    isolate: str = "auto"

    @classmethod
    def from_conf(cls, conf: Any) -> Self:
        """Each field is [ovs]'s option of its name."""
        return cls(**{f.name: getattr(conf.ovs, f.name) for f in dataclasses.fields(cls)})

    def bridge(self, vif: Vif, datapath_type: str | None) -> OvsBridge:
        """Shared by all ports, but for a trunk's: that has one port of a guest, its parent port.

        It goes with that port, whatever Neutron's agent has put into it, as with os-vif: the agent
        takes its ends in the integration bridge away, and connects a trunk only when its bridge
        comes.

        One for all is secure from the first moment, as Neutron's agent and OVN make theirs: else it
        forwards the frames of all networks to all ports until they come. A trunk's has no owner
        who gives it flows, and forwards as a plain switch.
        """
        name = self._bridge_name(vif)
        shared = not name.startswith(TRUNK_BRIDGE)
        return OvsBridge(name=name, shared=shared, datapath_type=datapath_type, secure=shared)

    def port(self, vif: Vif, name: str) -> OvsPort:
        """The port that Neutron and OVN are to know as the VIF's."""
        return OvsPort(
            name=name,
            bridge=self._bridge_name(vif),
            external_ids=_external_ids(vif, self._bridge_name(vif)),
            isolate=self._isolates(vif),
        )

    def _bridge_name(self, vif: Vif) -> str:
        return vif.bridge or self.integration_bridge

    def _isolates(self, vif: Vif) -> bool:
        """With ML2/OVS the port must carry no traffic until the Neutron agent has tagged it.

        Else the guest sees other tenants' frames for a moment (launchpad bug 1734320). OVN needs
        it not: its port has no flows until it is bound. On a trunk bridge the Neutron agent tags by
        itself, never this port (os-vif 99814b2).
        """
        if self._bridge_name(vif).startswith(TRUNK_BRIDGE) or self.isolate == "never":
            return False
        return self.isolate == "always" or "openvswitch" in vif.bound_drivers


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
