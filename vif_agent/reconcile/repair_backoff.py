"""How soon to reconcile a port that has changed on the host: soon, but not ever again.

One thing that others do has several events, so they gather for a moment. When somebody undoes what
we do again and again, the pauses between repairs grow, and that is logged once. They grow for each
thing by itself: a port, or a thing that several ports share.
"""

import dataclasses
import logging
import time
from collections.abc import Iterable
from typing import TypeAlias

from vif_agent.log_fields import about
from vif_agent.resources import GUARD, Key

LOG = logging.getLogger(__name__)

_GATHER_SECONDS = 0.025
_LONGEST_SECONDS = 60.0
_UNGUARDED_SECONDS = 1.0  # all that time a guest may pretend to be another
_FORGOTTEN_AFTER_SECONDS = 120.0
_LOUD_AT = 6
_BACKOFF_AT = 2

#: a port, or something shared
Thing: TypeAlias = str | Key


@dataclasses.dataclass(slots=True)
class _History:
    repairs: int = 0
    last: float = 0.0


class RepairBackoff:
    """What was repaired, how often and when last."""

    def __init__(self) -> None:
        self._histories: dict[Thing, _History] = {}

    def pause(self, *things: Thing) -> float:
        """Seconds until a port is to be reconciled for a change of these: it, and what changed."""
        now = time.monotonic()
        guarded = any(isinstance(thing, Key) and thing.space == GUARD for thing in things)
        longest = _UNGUARDED_SECONDS if guarded else _LONGEST_SECONDS
        return min(longest, max(self._pause(thing, now) for thing in things))

    def repaired(self, things: Iterable[Thing]) -> None:
        """These had to be put right; the next repair of each waits longer."""
        for thing in things:
            history = self._histories.setdefault(thing, _History())
            history.repairs += 1
            history.last = time.monotonic()
            if history.repairs == _LOUD_AT:
                LOG.warning(
                    "%s had to be repaired %d times: somebody else keeps changing it. Repairs now"
                    " come at growing pauses, up to %d s",
                    thing.name if isinstance(thing, Key) else f"Port {thing}",
                    history.repairs, _LONGEST_SECONDS,
                    extra=about(None if isinstance(thing, Key) else thing),
                )  # fmt: skip

    def backing_off(self) -> set[Thing]:
        """A repair of these waits."""
        since = time.monotonic() - _FORGOTTEN_AFTER_SECONDS
        histories = self._histories.items()
        return {
            t for t, history in histories if history.repairs >= _BACKOFF_AT and history.last > since
        }

    @property
    def fights(self) -> int:
        """How many things somebody else keeps changing, as is logged. Safe on any thread."""
        since = time.monotonic() - _FORGOTTEN_AFTER_SECONDS
        histories = [*self._histories.values()]
        return sum(each.repairs >= _LOUD_AT and each.last > since for each in histories)

    def reset(self, port_id: str) -> None:
        """A new request: no pause for what is the port's alone."""
        self._histories.pop(port_id, None)

    def _pause(self, thing: Thing, now: float) -> float:
        history = self._histories.get(thing)
        if history and now - history.last > _FORGOTTEN_AFTER_SECONDS:
            del self._histories[thing]
            history = None
        repairs = history.repairs if history else 0
        return float(min(_GATHER_SECONDS * 2 ** min(repairs, 20), _LONGEST_SECONDS))
