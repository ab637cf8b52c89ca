"""The queue of this host's casts, consumed while there is room for them.

What has come and is not acknowledged is held by the broker, too, and after half an hour it ends the
channel of who holds it so long (RabbitMQ's consumer_timeout). So when there is no room for a while,
all of it goes back, and nothing is taken until there is room again.

Casts of a burst come a millisecond after each other. To read, store and acknowledge each by itself
costs several times what it costs for some at once, so a moment is left for them to gather, once two
have come so soon after each other. A cast that comes alone waits for nothing.
"""

import logging
import time
from typing import Any

from vif_agent.bus import alone, declared, joining
from vif_agent.bus.kept import Keeping
from vif_agent.private_names import oslo_messaging
from vif_agent.private_names import oslo_servers as private

LOG = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0  # as often as oslo.messaging looks at anything
_SOON_SECONDS = 0.003
_GATHER_SECONDS = 0.008

_STALLED = "%d casts wait in queue %s, and none comes: joining it anew"
_OFTEN = 5
_OFTEN_DROPS = (
    "the agent ended each time before it could, or its disk is full. The queue lets a cast come "
    "a million times, but a delivery-limit that a policy of the broker's sets drops it before"
)


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
        self._most_often = _OFTEN
        self._came, self._suspect = 0, -1
        self._join()

    def __call__(self, message: Any) -> None:
        """A message has come: the broker says how often it came before and went back."""
        super().__call__(message)
        self._came += 1
        if (often := oslo_messaging.deliveries(message)) >= self._most_often:
            self._most_often = 2 * often
            LOG.warning("A cast has come %d times and was not stored yet: %s", often, _OFTEN_DROPS)

    def waiting(self, count: int) -> None:
        """Where casts wait at two looks, and none came between them, the broker has lost sight of
        us, as RabbitMQ's quorum queues do in some partitions: it counts casts as delivered that
        never came. They go back with the channel, and come on the next one."""
        idle = bool(count) and self.consumes() and not self.holds()
        if stalled := idle and self._suspect == self._came:
            LOG.warning(_STALLED, count, self.queue_name)
            self.give_all_back()
        self._suspect = self._came if idle and not stalled else -1

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
        self._declared = self._queue(self.conn)
        self.consume(self._declared)

    def keeping(self) -> Keeping | None:
        """How the queue keeps what is in it, as it was declared last."""
        return getattr(self._declared, "keeping", None)


class Reader(joining.Rejoins, _WithRoom):
    """Of casts: gives them back when there is no room, rejoins, and logs who else takes them."""
