"""Does the host's firewall drop the frames of a bridge? Reported with the bridge, as its error."""

import contextlib
import dataclasses
import time
from collections.abc import Collection, Mapping

from vif_agent.errors import HelperGone
from vif_agent.helper import calls
from vif_agent.helper.process import helper
from vif_agent.host.netlink import firewall
from vif_agent.ownership import SHARED, Found
from vif_agent.resources import Bridge, Key

_KEPT_SECONDS = 2.0


class BridgeFirewall:
    """Asked anew after some seconds: a host may have thousands of chains."""

    def __init__(self) -> None:
        self._asked = float("-inf")
        self._words = ""

    def told_of(self, found: Mapping[Key, Found]) -> dict[Key, Found]:
        """The same, with what it does to the bridges among these; but not of a port's own bridge,
        which was made for the firewall's sake."""
        bridges = {k: f for k, f in found.items() if _may_be_shared(f)}
        if not bridges or not (words := self._hindrance()):
            return {**found}
        return {**found, **{key: _with(f, words) for key, f in bridges.items()}}

    def _hindrance(self) -> str:
        if time.monotonic() - self._asked > _KEPT_SECONDS:
            families = sorted(firewall.concerned())
            self._words = firewall.words(_dropping(families) if families else ())
            self._asked = time.monotonic()
        return self._words


def _may_be_shared(found: Found) -> bool:
    return isinstance(found.resource, Bridge) and found.owner in (None, SHARED)


def _with(found: Found, words: str) -> Found:
    return dataclasses.replace(found, error="; ".join(filter(None, [found.error, words])))


def _dropping(families: Collection[int]) -> list[str]:
    """The kernel shows chains to CAP_NET_ADMIN only."""
    chains: list[str] = []
    with contextlib.suppress(HelperGone), helper(call="look"):
        chains = calls.dropping_chains(families)
    return chains
