"""What is counted where it happens: plain values, read by others at any time.

Whoever reads takes a copy and waits for nobody: not for those who count, nor they for him.
"""

import bisect
import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

#: what tells the counts of one kind apart; each has few values
Labels: TypeAlias = tuple[str, ...]

#: bounds of durations, in seconds
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
#: of what takes much less
SHORT = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5, 30)
#: label values for what is none of those that are known
OTHER = "other"
_MOST = 500  # combinations of labels; a bug must not fill memory


class Tally:
    """How often something happened, by labels. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # of those who count
        self._counts: dict[Labels, int] = {}

    def add(self, *labels: str, by: int = 1) -> None:
        """Once more, or ``by``."""
        with self._lock:
            known = _known(self._counts, labels)
            self._counts[known] = self._counts.get(known, 0) + by

    def read(self) -> Mapping[Labels, int]:
        """Since the start."""
        return self._counts.copy()


class Spread(NamedTuple):
    """``counts``: how many were up to each bound, and not to the one before; last those beyond."""

    counts: Sequence[int]
    total: float


class Durations:
    """How long something took, in seconds, or how much of it there was: by labels, how often up to
    each bound. Safe to use from several threads."""

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = tuple(bounds)
        self._lock = threading.Lock()  # of those who count
        self._spreads: dict[Labels, tuple[list[int], list[float]]] = {}

    def observe(self, value: float, *labels: str) -> None:
        """One more."""
        place = bisect.bisect_left(self.bounds, value)
        with self._lock:
            known = _known(self._spreads, labels)
            spread = self._spreads.get(known) or self._begin(known)
            spread[0][place] += 1
            spread[1][0] += value

    def expect(self, *labels: str) -> None:
        """Read as none from now on: what is only there from its first time on is seen to grow from
        the second on."""
        with self._lock:
            self._begin(labels)

    def _begin(self, labels: Labels) -> tuple[list[int], list[float]]:
        spread = self._spreads[labels] = ([0] * (len(self.bounds) + 1), [0.0])
        return spread

    @contextlib.contextmanager
    def timed(self, *labels: str) -> Iterator[None]:
        """What is done in it, whether it goes well or not."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.observe(time.monotonic() - began, *labels)

    @classmethod
    def joined(cls, parts: Mapping[Labels, "Durations"]) -> "Durations":
        """What several have counted without labels, each under its own."""
        whole = cls()
        for labels, part in parts.items():
            for spread in part.read().values():
                whole._spreads[labels] = ([*spread.counts], [spread.total])
        return whole

    def read(self) -> Mapping[Labels, Spread]:
        """Since the start. Of one that is just being counted the total may be behind."""
        return {
            labels: Spread([*counts], total[0])
            for labels, (counts, total) in self._spreads.copy().items()
        }


def _known(there: Mapping[Labels, object], labels: Labels) -> Labels:
    return labels if labels in there or len(there) < _MOST else (OTHER,) * len(labels)
