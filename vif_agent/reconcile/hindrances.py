"""What is wrong with the host though all is as desired: others' settings, that no request speaks
of, stop frames, or let a guest teach a bridge of theirs what no guard has seen.

Reported, in the log when they come and in `check`; never changed: they may be meant.
"""

import logging
from collections.abc import Collection, Iterable

from vif_agent.ownership import Found
from vif_agent.plan.steps import Actual
from vif_agent.resources import LINK, Bridge, Guard, Key, Resource

LOG = logging.getLogger(__name__)

_LEARNS = (
    "it is not the agent's, and learns MACs also from frames that it passes to nobody and no guard "
    "sees: ip link set {} type bridge no_linklocal_learn 1"
)


class Hindrances:
    """Those of the last looks, by link."""

    def __init__(self) -> None:
        self._known: dict[Key, str] = {}
        self._guarded: set[Key] = set()  # shared links of ports that have a guard

    def note(self, wanted: Iterable[Collection[Resource]], actual: Actual) -> None:
        """What was read for these ports; a warning for each that is new."""
        keys: set[Key] = set()
        for resources in wanted:
            keys.update(r.key for r in resources if _concerns_frames(r))
            if any(isinstance(r, Guard) for r in resources):
                self._guarded.update(r.key for r in resources if r.shared)
        for key in keys:
            found = actual.found.get(key)
            words = self._words(key, found) if found else ""
            if words and words != self._known.get(key):
                LOG.warning("Frames may not pass %s: %s", key.name, words)
            self._known.pop(key, None)
            if words:
                self._known[key] = words

    def of(self, resources: Collection[Resource]) -> list[str]:
        """One line for each that concerns these."""
        known = [(r.key, self._known[r.key]) for r in resources if r.key in self._known]
        return [f"{key.name}: {words}" for key, words in known]

    def _words(self, key: Key, found: Found) -> str:
        learns = getattr(found.resource, "learns_link_local", None) and found.owner is None
        if not (learns and key in self._guarded):
            return found.error
        return "; ".join(filter(None, [found.error, _LEARNS.format(key.name)]))


def _concerns_frames(resource: Resource) -> bool:
    """A port's own bridge was made for the firewall of the host."""
    own_bridge = isinstance(resource, Bridge) and not resource.shared
    return resource.space == LINK and not own_bridge
