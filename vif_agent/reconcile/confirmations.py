"""Seen once is not seen: what must stand for a while before it is acted upon.

A plug may be on its way, a port may come before its tap, a list may have been cut short. So what
deletes waits until the same thing was seen again, an interval later.
"""

import time
from collections.abc import Callable, Collection, Hashable


class Confirmations:
    """``needed``: how often; ``interval``: seconds between two confirmations that both count."""

    def __init__(
        self, needed: int, interval: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._needed = needed
        self.interval = interval
        self._clock = clock
        self._seen: dict[Hashable, tuple[int, float]] = {}

    def update(self, there: Collection[Hashable]) -> None:
        """All that is there now; what is not is forgotten."""
        now = self._clock()
        self._seen = {thing: self._counted(thing, now) for thing in there}

    def count(self, thing: Hashable) -> int:
        """How often it was seen, in confirmations that count."""
        return self._seen.get(thing, (0, 0.0))[0]

    def confirmed(self, thing: Hashable) -> bool:
        """Often enough to be believed?"""
        return self.count(thing) >= self._needed

    def _counted(self, thing: Hashable, now: float) -> tuple[int, float]:
        count, last = self._seen.get(thing, (0, float("-inf")))
        return (count + 1, now) if now - last >= self.interval else (count, last)
