"""What the helper was told to remember: our bridges with addresses, in case others delete them.

It is told when a look shows other addresses than the last time, and, since routes may have changed
too, at each look at everything.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping

from vif_agent.errors import HelperGone
from vif_agent.helper import calls
from vif_agent.helper.process import helper
from vif_agent.ownership import SHARED, Found
from vif_agent.resources import Bridge, Key


class BridgeMemory:
    """``addresses``: of the device of an index."""

    def __init__(self, addresses: Callable[[int], Collection[str]]) -> None:
        self._addresses = addresses
        self._told: dict[str, tuple[int, frozenset[str]]] = {}

    def note(self, found: Mapping[Key, Found], everything: bool = False) -> None:
        """Tell the helper, where one of these bridges is not as it was last told."""
        if stale := dict.fromkeys(self._stale(found.values(), everything)):
            with contextlib.suppress(HelperGone), helper(len(stale)):
                calls.remember_bridges([*stale])

    def _stale(self, found: Collection[Found], everything: bool) -> Iterator[int]:
        for bridge in found:
            if not isinstance(bridge.resource, Bridge) or bridge.owner != SHARED:
                continue
            name, index = bridge.resource.name, bridge.index
            now, told = (index, frozenset(self._addresses(index))), self._told.get(name)
            if not now[1] and (told is None or told[0] != index):
                continue  # one in a lost one's stead: the lost one's addresses come to it yet
            if everything or told != now:
                self._told[name] = now
                yield index
