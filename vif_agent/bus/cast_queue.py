"""The queue of this host's casts, consumed while there is room for them.

What has come and is not acknowledged is held by the broker, too, and after half an hour it ends the
channel of who holds it so long (RabbitMQ's consumer_timeout). So when there is no room for a while,
all of it goes back, and nothing is taken until there is room again.
"""

from typing import Any

from vif_agent.bus import alone, declared, joining
from vif_agent.private_names import oslo_servers as private

_LOOK_SECONDS = 5.0  # as often as oslo.messaging looks at anything


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
        self._join()

    def give_back(self) -> None:
        """What is not acknowledged, in its order; to acknowledge it is too late then."""
        self._room = False

    def take_again(self) -> None:
        self._room = True

    def poll(self, *args: Any, **kwargs: Any) -> Any:
        if self._room != self.consumes():
            (self._join if self._room else self.give_all_back)()
        return super().poll(*args, **kwargs)

    def _join(self) -> None:
        self.consume(self._queue(self.conn))


class Reader(joining.Rejoins, _WithRoom):
    """Of casts: gives them back when there is no room, rejoins, and logs who else takes them."""
