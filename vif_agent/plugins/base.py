"""The plugin contract, version 1.0. What stands here holds for plugins of every package.

**A plugin** is a class that an entry point in the group ``vif_agent.plugins`` names. The entry
point's name is the vif_type that it plugs, and the name by which the configuration calls it
(``[plugins] override``). The class says which version of this contract it is written for.

**It is given** the configuration, once, when the agent starts (``from_conf``); then a checked,
frozen Vif for each request (``resources``).

**It may answer** at most ``MOST`` resources, of the classes in ``vif_agent.resources``: what the
host must have for this VIF, masters before members, no two of one key. Fields are of the declared
types. A device's name is as ``vif_agent.vif.DEVICE_NAME`` says and of this port alone: a prefix of
three letters and ``vif.short_id``. What several ports use says ``shared``, and is as the newest of
their requests says. What others make is external (``Device``); if it is not named after the port,
the operator must allow it by ``[plugins] borrow``, and a vendor's program (``Command``) by
``[commands] allowed``. A VIF that cannot be plugged is refused by InvalidRequest, BindingRefused or
NoPlugin of ``vif_agent.errors``, with a message for whoever must act. Anything else raised is a bug
of the plugin: ``plugin_failed``.

**It must not act**: no I/O, no clock, no state, no thread, no chance. The same Vif has the same
answer for as long as the agent runs. The engine compares it with the host and does what is
missing, so plug, unplug, repair, adoption and dry run need no code in a plugin.

**Where it runs.** A plugin of another package than the agent's runs in a process of its own, with
no capability and ``MEMORY`` bytes. An answer that takes longer than ``[plugins] timeout`` ends that
process. Only the plugin's own ports wait for it, or fail.

**How the contract changes.** A minor version only adds: fields of Vif and of resources, kinds of
resources, methods with a default. An agent that speaks 1.3 asks plugins of 1.0 to 1.3. A major
version may take away or change. Two majors are served at once, the older for at least a year;
meanwhile each start warns of the plugins written for it, with the release of the agent that will
not speak it any longer (``vif_agent.contract``).
"""

import abc
from collections.abc import Sequence

from vif_agent.contract import Extension
from vif_agent.resources import Resource
from vif_agent.vif import Vif

GROUP = "vif_agent.plugins"

MOST = 100
MEMORY = 1 << 30


class Plugin(Extension, abc.ABC):
    """Base of all plugins."""

    @abc.abstractmethod
    def resources(self, vif: Vif) -> Sequence[Resource]:
        """What the host must have for this VIF, masters before members."""


def host_mac(guest_mac: str) -> str:
    """The host side's MAC of a guest's tap: ``fe:`` and the guest's last five octets.

    As libvirt does: with the guest's own MAC on the host side a linux bridge takes the guest's
    frames for its own ("received packet with own address as source address").
    """
    return "fe" + guest_mac[2:]
