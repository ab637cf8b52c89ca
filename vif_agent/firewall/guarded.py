"""What a port must have on the host, with its guard."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Protocol

from vif_agent.resources import Bridge, Guard, Link, Resource
from vif_agent.vif import Vif


class Plugins(Protocol):
    """Who says all but the guard."""

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """What the port is to have, or a VifAgentError."""


class Driver(Protocol):
    """Who says the guard."""

    @property
    def guards(self) -> bool:
        """May it say any?"""

    def guard(self, vif: Vif) -> Guard | None:
        """The port's guard, checked, or a VifAgentError: Unanswered if it is not known yet."""


class Guarded:
    """A port without its guard is not to be: where the driver fails, the port does.
    ``routed_taps``: those have guards, too."""

    def __init__(self, plugins: Plugins, driver: Driver, routed_taps: bool = False) -> None:
        self._plugins = plugins
        self._driver = driver
        self._routed_taps = routed_taps

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """What the port is to have, or a VifAgentError."""
        resources = self._plugins.resources(vif)
        if not (self._driver.guards and is_ours(vif, resources, self._routed_taps)):
            return resources
        guard = self._driver.guard(vif)
        if guard and not is_wired(vif, resources):
            guard = dataclasses.replace(guard, routed=True)
        return (*map(_learning_from_seen, resources), *((guard,) if guard else ()))


def _learning_from_seen(resource: Resource) -> Resource:
    """A bridge learns no MAC from a frame that no guard can see: also for a port without a guard,
    for all that share the bridge are to say the same of it."""
    return _learning_less(resource) if isinstance(resource, Bridge) else resource


@functools.lru_cache(1 << 8)
def _learning_less(bridge: Bridge) -> Bridge:
    return dataclasses.replace(bridge, learns_link_local=False)


def is_ours(vif: Vif, resources: Sequence[Resource], routed_taps: bool) -> bool:
    """Are we to guard it?"""
    return is_wired(vif, resources) or (routed_taps and vif.vif_type == "tap")


def is_wired(vif: Vif, resources: Sequence[Resource]) -> bool:
    """Is its tap in a linux bridge by our doing, or by libvirt's, whose bridge is ours?

    Ports on Open vSwitch are Neutron's or OVN's to guard, also hybrid ones; what is routed is
    theirs who route it, but for ``routed_taps``.
    """
    if vif.vif_type == "bridge":
        return True
    taps = [r for r in resources if isinstance(r, Link) and r.name == vif.tap_name]
    return vif.vif_type == "tap" and any(tap.master for tap in taps)
