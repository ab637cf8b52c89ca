"""The contract of firewall drivers, version 1.0: that of plugins, for one part of the answer.

A driver is named by an entry point in the group ``vif_agent.firewall_drivers``; ``[firewall]
driver`` chooses one by that name. It is asked of each port that the agent wires into a linux
bridge, and of no other. Like a plugin it is pure: the same Vif gives the same answer, without I/O,
clock, state or thread. What it answers is made by the engine, like all else: plug, change, unplug,
repair, adoption and dry run need no code in a driver.
"""

import abc
from typing import ClassVar

from vif_agent.contract import Extension
from vif_agent.resources import Guard
from vif_agent.vif import Vif

GROUP = "vif_agent.firewall_drivers"


class FirewallDriver(Extension, abc.ABC):
    """Base of all firewall drivers. ``guards``: may it answer any? Then the kernel must be able to
    hold them, or the agent does not start."""

    guards: ClassVar[bool] = True

    @abc.abstractmethod
    def guard(self, vif: Vif) -> Guard | None:
        """For the device ``vif.tap_name``; None: the port is not to be guarded."""
