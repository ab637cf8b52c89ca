"""vif_types for which this host has nothing to do: others do all of it.

``hostdev_physical``: libvirt gives the whole PF to the guest. ``802.1qbg``, ``802.1qbh``: libvirt
makes the macvtap or hands over the VF, and tells the physical switch whose port it is (VEPA's VDP,
Cisco's VM-FEX). ``noop``: whoever has bound the port.

Such a port is ready at once; what an earlier vif_type of the same port has made is removed.
"""

from collections.abc import Sequence

from vif_agent.plugins.base import Plugin
from vif_agent.resources import Resource
from vif_agent.vif import Vif


class NoopPlugin(Plugin):
    """For ports that need nothing of the host."""

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """None."""
        return ()
