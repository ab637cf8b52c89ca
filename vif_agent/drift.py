"""When to look at a port that the host says has changed: soon, but not in a fight.

Most events are the echo of our own work, so they gather for a moment. When somebody undoes what
we do again and again, the pauses between repairs grow, and it is said once. They grow for what is
fought over: a port, or a thing that several ports share.
"""

import dataclasses
import logging
import time
from collections.abc import Iterable
from typing import TypeAlias

from vif_agent.resources import Key

LOG = logging.getLogger(__name__)

_GATHER_SECONDS = 0.03
_LONGEST_SECONDS = 60.0
_FORGIVEN_AFTER_SECONDS = 120.0
_LOUD_AT = 6
_FIGHT_AT = 2

#: a port, or something shared
Thing: TypeAlias = str | Key


@dataclasses.dataclass(slots=True)
class _Fight:
    repairs: int = 0
    last: float = 0.0


class Drift:
    """Ports by the time (time.monotonic) at which to look at them."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._fights: dict[Thing, _Fight] = {}

    def noticed(self, port_ids: Iterable[str], key: Key) -> None:
        """This has changed, and these ports are to be looked at for it."""
        now = time.monotonic()
        for port_id in port_ids:
            due = now + max(self._pause(port_id, now), self._pause(key, now))
            self._due[port_id] = min(due, self._due.get(port_id, due))

    def repaired(self, things: Iterable[Thing]) -> None:
        for thing in things:
            fight = self._fights.setdefault(thing, _Fight())
            fight.repairs += 1
            fight.last = time.monotonic()
            if fight.repairs == _LOUD_AT:
                LOG.warning(
                    "%s had to be repaired %d times: somebody else keeps changing it. Repairs now"
                    " come at growing pauses, up to %d s",
                    thing.name if isinstance(thing, Key) else f"Port {thing}",
                    fight.repairs, _LONGEST_SECONDS,
                )  # fmt: skip

    def fought_over(self) -> set[Thing]:
        """A repair of these waits."""
        since = time.monotonic() - _FORGIVEN_AFTER_SECONDS
        fights = self._fights.items()
        return {t for t, fight in fights if fight.repairs >= _FIGHT_AT and fight.last > since}

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

    def _pause(self, thing: Thing, now: float) -> float:
        fight = self._fights.get(thing)
        if fight and now - fight.last > _FORGIVEN_AFTER_SECONDS:
            del self._fights[thing]
            fight = None
        repairs = fight.repairs if fight else 0
        return float(min(_GATHER_SECONDS * 2 ** min(repairs, 20), _LONGEST_SECONDS))
