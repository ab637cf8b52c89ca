"""vif_type ``ivs``: a port of Big Switch's Indigo Virtual Switch, direct or hybrid.

As os-vif's plugin of that name did: the tap, or with iptables firewalls the far end of the hybrid
form's veth pair, is added by ``ivs-ctl``.
"""

from collections.abc import Sequence

from vif_agent.plugins.base import Plugin
from vif_agent.plugins.ovs import hybrid_links
from vif_agent.plugins.taps import tap_of
from vif_agent.resources import Command, Resource
from vif_agent.vif import Vif


class IvsPlugin(Plugin):
    """Indigo Virtual Switch: a tap, or a hybrid port's links, and ivs-ctl."""

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """See Plugin."""
        links = hybrid_links(vif) if vif.hybrid else (tap_of(vif),)
        port = links[-1].name
        add = Command(
            plug=("ivs-ctl", "add-port", port), unplug=("ivs-ctl", "del-port", port), about=port
        )
        return (*links, add)
