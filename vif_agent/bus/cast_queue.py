"""The queue of this host's casts, consumed while there is room for them.

What has come and is not acknowledged is held by the broker, too, and after half an hour it ends the
channel of who holds it so long (RabbitMQ's consumer_timeout). So when there is no room for a while,
all of it goes back, and nothing is taken until there is room again.

Casts of a burst come a millisecond after each other. To read, store and acknowledge each by itself
costs several times what it costs for some at once, so a moment is left for them to gather, once two
have come so soon after each other. A cast that comes alone waits for nothing.
"""

import time
from typing import Any

from vif_agent.bus import alone, declared, joining
from vif_agent.private_names import oslo_servers as private

_LOOK_SECONDS = 5.0  # as often as oslo.messaging looks at anything
_SOON_SECONDS = 0.003
_GATHER_SECONDS = 0.008


def listener(messaging: Any, exchange: str, name: str) -> Any:
    """Blocks while the broker is away."""
    return private.polled(Reader(messaging, exchange, name), _LOOK_SECONDS)


class _WithRoom(alone.Watches, private.CastListener):
    """Its connection is used by the thread that polls, and by no other."""

    def __init__(self, messaging: Any, exchange: str, name: str) -> None:
        super().__init__(messaging, declared.connect(messaging))
        self.queue_name = name
        self._queue = declared.topic_queue(exchange, name, self, casts=True)
        self._room = True
        self._burst = False
        self._join()

    def give_back(self) -> None:
        """What is not acknowledged, in its order; to acknowledge it is too late then."""
        self._room = False

    def take_again(self) -> None:
        self._room = True

    def poll(self, *args: Any, **kwargs: Any) -> Any:
        if self._room != self.consumes():
            (self._join if self._room else self.give_all_back)()
        if self._burst:
            time.sleep(_GATHER_SECONDS)
        began = time.monotonic()
        polled = super().poll(*args, **kwargs)
        soon = time.monotonic() - began < _SOON_SECONDS
        self._burst = bool(polled) and soon and self.may_wait()
        return polled

    def _join(self) -> None:
        self.consume(self._queue(self.conn))


class Reader(joining.Rejoins, _WithRoom):
    """Of casts: gives them back when there is no room, rejoins, and logs who else takes them."""
