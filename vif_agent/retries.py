"""When ports are tried again: after a failure at growing pauses."""

import random
import time
from collections import Counter
from typing import Any


class Retries:
    """Ports by the time (time.monotonic) at which to try them.

    ``options``: the group ``[vif_agent]``, whose ``retry_min`` and ``retry_max`` may change.
    """

    def __init__(self, options: Any) -> None:
        self._options = options
        self._due: dict[str, float] = {}
        self._attempts: Counter[str] = Counter()

    def take(self) -> set[str]:
        """The ports that are due now."""
        now = time.monotonic()
        due = {port_id for port_id, when in self._due.items() if when <= now}
        for port_id in due:
            del self._due[port_id]
        return due

    def next_due(self) -> float:
        return min(self._due.values(), default=float("inf"))

    def looked_at(self, port_id: str) -> None:
        self._due.pop(port_id, None)

    def after(self, port_id: str, seconds: float) -> None:
        self._due[port_id] = time.monotonic() + seconds

    def failed(self, port_id: str) -> None:
        self.after(port_id, self._pause(port_id))

    def forgive(self, port_id: str) -> None:
        """Whatever went wrong before is over."""
        self._attempts.pop(port_id, None)

    def _pause(self, port_id: str) -> float:
        pause = self._options.retry_min * 2 ** min(self._attempts[port_id], 20)
        self._attempts[port_id] += 1
        return float(min(pause, self._options.retry_max) * random.uniform(0.8, 1.2))
