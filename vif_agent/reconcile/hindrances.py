"""What stops frames on the host though all is as desired: others' settings, that no request speaks
of.

Reported, in the log when they come and in `check`; never changed: they may be meant.
"""

import logging
from collections.abc import Collection, Iterable

from vif_agent.plan.steps import Actual
from vif_agent.resources import LINK, Bridge, Key, Resource

LOG = logging.getLogger(__name__)


class Hindrances:
    """Those of the last looks, by link."""

    def __init__(self) -> None:
        self._known: dict[Key, str] = {}

    def note(self, resources: Iterable[Resource], actual: Actual) -> None:
        """What was read; a warning for each that is new."""
        for key in {r.key for r in resources if _concerns_frames(r)}:
            found = actual.found.get(key)
            words = found.error if found else ""
            if words and words != self._known.get(key):
                LOG.warning("%s: %s", key.name, words)
            self._known.pop(key, None)
            if words:
                self._known[key] = words

    def of(self, resources: Collection[Resource]) -> list[str]:
        """One line for each that concerns these."""
        known = [(r.key, self._known[r.key]) for r in resources if r.key in self._known]
        return [f"{key.name}: {words}" for key, words in known]


def _concerns_frames(resource: Resource) -> bool:
    """A port's own bridge was made for the firewall of the host."""
    own_bridge = isinstance(resource, Bridge) and not resource.shared
    return resource.space == LINK and not own_bridge
