"""The plugin contract, version 1.0.

A plugin is named by an entry point in the group ``vif_agent.plugins``; the entry point's name is
the vif_type. It is given a checked, frozen Vif and answers with resources. It never acts: no I/O,
no clock, no state; the same Vif gives the same answer. The engine compares the answer with the
host and does what is missing, so plug, unplug, repair and dry run need no code in a plugin.
"""

import abc
from collections.abc import Sequence
from typing import Any, ClassVar

from vif_agent.resources import Resource
from vif_agent.vif import Vif

CONTRACT = "1.0"
GROUP = "vif_agent.plugins"


class Plugin(abc.ABC):
    """Base of all plugins. ``contract`` is the version its author wrote it for."""

    contract: ClassVar[str] = CONTRACT

    @classmethod
    def from_conf(cls, conf: Any) -> "Plugin":
        """Make the plugin from oslo.config's values; the default has no options."""
        return cls()

    @abc.abstractmethod
    def resources(self, vif: Vif) -> Sequence[Resource]:
        """What the host must have for this VIF, masters before members.

        Raises a VifAgentError (BindingRefused, InvalidRequest) for a VIF that cannot be plugged.
        """


def host_mac(guest_mac: str) -> str:
    """The host side's MAC of a guest's tap: ``fe:`` and the guest's last five octets.

    As libvirt does: with the guest's own MAC on the host side a linux bridge takes the guest's
    frames for its own ("received packet with own address as source address").
    """
    return "fe" + guest_mac[2:]
