"""What a host can have: the vocabulary between plugins, plan and host.

All are frozen and keyed. A field left ``None`` means "not ours to judge": it is neither compared
nor changed. The same classes describe the wanted and the actual.

Most things are made by us, and carry our owner tag. Some are *external*: others make them, we
change them for a port, and restore them when no port wants them. They carry no owner tag.

Plugins of other packages import all of it from here.
"""

from vif_agent.resources.base import (
    ADDRESS,
    COMMAND,
    GUARD,
    LINK,
    OVS_BRIDGE,
    OVS_PORT,
    OVS_SPACES,
    VF,
    Key,
    Pairs,
    Resource,
)
from vif_agent.resources.commands import Command
from vif_agent.resources.devices import Device, Nic
from vif_agent.resources.guard import Guard
from vif_agent.resources.links import Bridge, Link, OtherLink, Tap, Veth, Vlan, Vxlan
from vif_agent.resources.ovs import OvsBridge, OvsPort
from vif_agent.resources.vf import LINK_STATES, NO_MAC, Vf

__all__ = [
    "ADDRESS", "COMMAND", "GUARD", "LINK", "LINK_STATES", "NO_MAC", "OVS_BRIDGE", "OVS_PORT",
    "OVS_SPACES", "VF", "Bridge", "Command", "Device", "Guard", "Key", "Link", "Nic", "OtherLink",
    "OvsBridge", "OvsPort", "Pairs", "Resource", "Tap", "Veth", "Vf", "Vlan", "Vxlan",
]  # fmt: skip
