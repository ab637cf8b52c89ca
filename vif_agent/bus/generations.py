"""A sender's generations: its clock, but never back."""

import threading
import time
from collections.abc import Callable


class Generations:
    """Each is greater than the one before; by the clock, so that other senders' are comparable."""

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self._last = 0
        self._lock = threading.Lock()

    def __call__(self) -> int:
        """The next one, in nanoseconds since 1970."""
        with self._lock:
            self._last = max(self._last + 1, self._clock())
            return self._last
