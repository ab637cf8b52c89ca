"""When to look at a port that the host says has changed: soon, but not in a fight.

Most events are the echo of our own work, so they gather for a moment. When somebody undoes what
we do again and again, the pauses between repairs grow, and it is said once.
"""

import dataclasses
import logging
import time
from collections.abc import Iterable

LOG = logging.getLogger(__name__)

_GATHER_SECONDS = 0.03
_LONGEST_SECONDS = 60.0
_FORGIVEN_AFTER_SECONDS = 120.0
_LOUD_AT = 6


@dataclasses.dataclass(slots=True)
class _Fight:
    repairs: int = 0
    last: float = 0.0


class Drift:
    """Ports by the time (time.monotonic) at which to look at them."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._fights: dict[str, _Fight] = {}

    def noticed(self, port_ids: Iterable[str]) -> None:
        now = time.monotonic()
        for port_id in port_ids:
            self._due.setdefault(port_id, now + self._pause(port_id, now))

    def repaired(self, port_id: str) -> None:
        fight = self._fights.setdefault(port_id, _Fight())
        fight.repairs += 1
        fight.last = time.monotonic()
        if fight.repairs == _LOUD_AT:
            LOG.warning(
                "Port %s had to be repaired %d times: somebody else keeps changing it. Repairs"
                " now come at growing pauses, up to %d s",
                port_id, fight.repairs, _LONGEST_SECONDS,
            )  # fmt: skip

    def forgive(self, port_id: str) -> None:
        self._fights.pop(port_id, None)

    def take(self) -> set[str]:
        """The ports that are due now."""
        now = time.monotonic()
        due = {port_id for port_id, when in self._due.items() if when <= now}
        for port_id in due:
            del self._due[port_id]
        return due

    def next_due(self) -> float:
        return min(self._due.values(), default=float("inf"))

    def _pause(self, port_id: str, now: float) -> float:
        fight = self._fights.get(port_id)
        if fight and now - fight.last > _FORGIVEN_AFTER_SECONDS:
            del self._fights[port_id]
            fight = None
        repairs = fight.repairs if fight else 0
        return float(min(_GATHER_SECONDS * 2 ** min(repairs, 20), _LONGEST_SECONDS))
