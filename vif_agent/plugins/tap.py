"""vif_type ``tap``: a tap that someone else routes (Calico), or that nova makes and we put into a
bridge."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from vif_agent.plugins.base import Plugin, host_mac
from vif_agent.plugins.bridge import BridgePlugin
from vif_agent.resources import Device, Resource, Tap
from vif_agent.vif import Vif


@dataclasses.dataclass(frozen=True, slots=True)
class TapPlugin(Plugin):
    """``bridge_plugin``: whose bridges the taps go into (``[bridge] wire_taps``); None: we make the
    tap.

    Made by us, it is nova's plug_tap: MAC from ``vif_details.mac_address``, else ``fe:`` and the
    guest's; IPv6 is left alone, for Calico routes over this device.
    """

    bridge_plugin: BridgePlugin | None = None

    @classmethod
    def from_conf(cls, conf: Any) -> "TapPlugin":
        """See Plugin."""
        return cls(BridgePlugin.from_conf(conf) if conf.bridge.wire_taps else None)

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """The tap; or, with [bridge] wire_taps, nova's, put into the network's bridge."""
        name = vif.tap_name
        if self.bridge_plugin is None:
            mac = vif.tap_mac or host_mac(vif.mac)
            return (Tap(name=name, mac=mac, mtu=vif.mtu, multi_queue=vif.multi_queue),)
        bridge, *segment = self.bridge_plugin.network(vif)
        return (bridge, *segment, _in_bridge(vif, name, bridge.name))


def _in_bridge(vif: Vif, name: str, bridge: str) -> Device:
    """nova makes it, and takes it away at any moment. On a bridge its MAC is not the guest's."""
    return Device(
        name=name,
        mac=host_mac(vif.mac),
        mtu=vif.mtu,
        master=bridge,
        disable_ipv6=True,
        by_sender=True,
    )
