"""Messages that have come and are not taken in yet: so many bytes of them, and no more.

The broker's prefetch counts messages, and RabbitMQ knows no limit in bytes. A message is some ten
times as large in here as it is on the wire.
"""

import threading
from typing import Any

from vif_agent.private_names.oslo_servers import body_size

_MOST_BYTES = 16 << 20  # on the wire; a thousand casts have two million
_TICK_SECONDS = 0.5


class Gathered:
    """``put`` waits while there are too many, so that the rest stays on the wire."""

    def __init__(self, most: int = _MOST_BYTES) -> None:
        self._most = most
        self._bytes = 0
        self._messages: list[Any] = []
        self._changed = threading.Condition()
        self._closed = False

    def put(self, message: Any) -> bool:
        """Is it the first since ``take``? Waits while there are too many, unless closed."""
        with self._changed:
            while self._bytes >= self._most and not self._closed:
                self._changed.wait(_TICK_SECONDS)
            self._bytes += body_size(message)
            self._messages.append(message)
            return len(self._messages) == 1

    def take(self) -> list[Any]:
        """All that are there, in their order; none is a good answer."""
        with self._changed:
            taken, self._messages, self._bytes = self._messages, [], 0
            self._changed.notify_all()
            return taken

    def close(self) -> None:
        """Whoever waits goes on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
