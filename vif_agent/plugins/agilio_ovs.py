"""vif_type ``agilio_ovs``: Open vSwitch on Netronome's cards, which does what it can in the card.

``direct`` is a VF with its representor, as with ``ovs``, and all else is an ``ovs`` port, as nova
has it; but ``virtio-forwarder`` is refused. With the vendor's plugin for os-vif that is the
representor too, and the VF is given to a program that speaks virtio for it: bound to vfio-pci
through sysfs, then told by ``virtioforwarder_port_control.py add_sock``. Whether that was done its
exit status does not say: 1 is "refused", "nobody answers" and "is so already" alike, and 0 in older
releases "refused" as well. The plugin goes on with either; here such a port would be reported as
ready.
"""

from collections.abc import Sequence

from vif_agent.errors import NoPlugin
from vif_agent.plugins.ovs import OvsPlugin
from vif_agent.resources import Resource
from vif_agent.vif import Vif


class AgilioOvsPlugin(OvsPlugin):
    """As Open vSwitch's, but for ports that the card forwards."""

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """See Plugin."""
        if vif.vnic_type == "virtio-forwarder":
            raise NoPlugin("vif.vnic_type: no plugin for virtio-forwarder ports of agilio_ovs")
        return super().resources(vif)
