"""What the helper was asked to remember: our bridges with addresses, in case others delete them.

It is asked when a reconcile shows other addresses than the last time, and, since routes may have
changed too, at each reconcile of the whole host.
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
        self._sent: dict[str, tuple[int, frozenset[str]]] = {}

    def note(self, found: Mapping[Key, Found], everything: bool = False) -> None:
        """Ask the helper, where one of these bridges is not as it was last time."""
        if stale := dict.fromkeys(self._stale(found.values(), everything)):
            with contextlib.suppress(HelperGone), helper(len(stale), "remember"):
                calls.remember_bridges([*stale])

    def _stale(self, found: Collection[Found], everything: bool) -> Iterator[int]:
        for bridge in found:
            if not isinstance(bridge.resource, Bridge) or bridge.owner != SHARED:
                continue
            name, index = bridge.resource.name, bridge.index
            now, sent = (index, frozenset(self._addresses(index))), self._sent.get(name)
            if not now[1] and (sent is None or sent[0] != index):
                continue  # one in a lost one's stead: the lost one's addresses come to it yet
            if everything or sent != now:
                self._sent[name] = now
                yield index
