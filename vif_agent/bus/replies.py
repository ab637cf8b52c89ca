"""Answers that are sent later than the call was read, each caller's in a thread of its own.

oslo.messaging tries for a minute to answer a caller that has gone, and blocks while the broker is
away: that may hold up no other caller.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

LOG = logging.getLogger(__name__)

_TICK_SECONDS = 0.1


class Replies:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[object, deque[Callable[[], None]]] = {}

    def put(self, caller: object, send: Callable[[], None]) -> None:
        """Send it in a thread, after what was put for the same caller; never blocks."""
        with self._lock:
            if caller in self._waiting:
                self._waiting[caller].append(send)
                return
            self._waiting[caller] = deque([send])
        threading.Thread(target=self._send_all, args=(caller,), name="reply", daemon=True).start()

    def drain(self, seconds: float) -> None:
        """Until all are sent, but no longer than this."""
        deadline = time.monotonic() + seconds
        while self._waiting and time.monotonic() < deadline:
            time.sleep(_TICK_SECONDS)

    def _send_all(self, caller: object) -> None:
        while (send := self._next(caller)) is not None:
            try:
                send()
            except Exception as error:  # it asks again, or has gone
                LOG.warning("Cannot answer a caller that has waited: %s", error)

    def _next(self, caller: object) -> Callable[[], None] | None:
        with self._lock:
            waiting = self._waiting[caller]
            if not waiting:
                del self._waiting[caller]
                return None
            return waiting.popleft()
