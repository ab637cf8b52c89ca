"""The contract of firewall drivers, version 1.0: that of plugins, for one part of the answer.

A driver is named by an entry point in the group ``vif_agent.firewall_drivers``; ``[firewall]
driver`` chooses one by that name. It is asked of each port that the agent wires into a linux
bridge, with ``[firewall] routed_taps`` also of each tap that the host routes, and of no other;
which it is the agent adds to the answer. Like a plugin it is pure: the same Vif gives the same
answer, without I/O, clock, state or thread; one of another package runs in a process of its own, as
such plugins do, and has the time of ``[plugins] timeout``. What it answers is made by the engine,
like all else: plug, change, unplug, repair, adoption and dry run need no code in a driver.

**It may answer** None, or one Guard as that class says, for the device ``vif.tap_name``: of one to
``MOST`` MACs and at most ``MOST`` pairs. It may refuse a VIF as plugins do, by InvalidRequest,
BindingRefused or NoPlugin. Whatever else it does is ``plugin_failed``, and closes the port: a new
one gets neither device nor bridge, one that is ready keeps the guard that it has.
"""

import abc
from typing import ClassVar

from vif_agent.contract import Extension
from vif_agent.resources import Guard
from vif_agent.vif import Vif

GROUP = "vif_agent.firewall_drivers"

MOST = 10_000


class FirewallDriver(Extension, abc.ABC):
    """Base of all firewall drivers. ``guards``: may it answer any? Then the kernel must be able to
    hold them, or an agent that is told its name does not start. One of another package is taken
    to."""

    guards: ClassVar[bool] = True

    @abc.abstractmethod
    def guard(self, vif: Vif) -> Guard | None:
        """For the device ``vif.tap_name``; None: the port is not to be guarded."""
