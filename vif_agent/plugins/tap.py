"""vif_type ``tap`` (Calico and others): a tap that someone else routes or wires."""

from collections.abc import Sequence

from vif_agent.plugins.base import Plugin, host_mac
from vif_agent.resources import Resource, Tap
from vif_agent.vif import Vif


class TapPlugin(Plugin):
    """nova's plug_tap: MAC from ``vif_details.mac_address``, else ``fe:`` and the guest's.

    IPv6 is left alone: Calico routes over this device.
    """

    def resources(self, vif: Vif) -> Sequence[Resource]:
        return (
            Tap(
                name=vif.devname or "tap" + vif.short_id,
                mac=vif.tap_mac or host_mac(vif.mac),
                mtu=vif.mtu,
                multi_queue=vif.multi_queue,
            ),
        )
