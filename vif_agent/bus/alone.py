"""One agent for each name: who shares a queue with another gets half of its casts.

A cloned image has its ``host``, too. Then an unplug comes to the host that has no such port, is
reported as done, and the port stays. The broker counts who consumes a queue.
"""

import contextlib
import logging
import time
from typing import Any

from oslo_messaging import MessageDeliveryFailure

from vif_agent.private_names import oslo_messaging, oslo_servers

LOG = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_BLIP_SECONDS = 5.0  # for which the broker may count a connection of ours that was cut off
_REPEAT_SECONDS = 60.0
_WHAT = (
    "%d others take the casts of this host (queue %s): an agent with the same [DEFAULT] host, or a "
    "connection of this one that was cut off and is not forgotten yet. %s"
)


def first(listener: Any, queue: str) -> Any:
    """The listener, which has not begun to consume, as soon as nobody else does.

    For ever, and not the end with an error: a connection that was cut off, with the power of this
    host, is counted for some minutes, and after that this agent is the only one again.
    """
    connection = oslo_servers.reader(listener).conn
    blip = due = time.monotonic() + _BLIP_SECONDS
    try:
        while others := look(connection.channel, queue).consumer_count:
            if time.monotonic() > due:
                LOG.error(_WHAT, others, queue, "Nothing is taken here until they are gone")
                due += _REPEAT_SECONDS
            time.sleep(_LOOK_SECONDS)
    except Exception as error:
        listener.cleanup()
        raise MessageDeliveryFailure(str(error)) from error
    if due > blip:
        LOG.info("Nobody else takes the casts of this host any more")
    return listener


def look(channel: Any, queue: str) -> Any:
    """``consumer_count`` and ``message_count``, of those that wait; amqp's NotFound if there is no
    such queue."""
    return channel.queue_declare(queue=queue, passive=True)


class Watches:
    """For a listener that consumes ``queue_name``: who has come in since, while the broker was away
    or by an agent that does not check, is logged again and again. And how many messages wait there
    is told to ``waiting``."""

    conn: Any
    queue_name: str
    look_seconds = _REPEAT_SECONDS
    _due = 0.0

    def waiting(self, count: int) -> None:
        """Seen now and then."""

    def poll(self, *args: Any, **kwargs: Any) -> Any:
        """As the listener's own, and a look now and then."""
        if time.monotonic() > self._due:
            self._due = time.monotonic() + self.look_seconds
            self._look()
        return super().poll(*args, **kwargs)  # type: ignore[misc]

    def _look(self) -> None:
        connection = oslo_messaging.kombus(oslo_messaging.behind(self.conn))
        if not connection.connected:
            return
        with contextlib.suppress(Exception), contextlib.closing(connection.channel()) as channel:
            seen = look(channel, self.queue_name)
            if (others := seen.consumer_count - 1) > 0:
                LOG.error(_WHAT, others, self.queue_name, "Each gets a part of them")
            self.waiting(seen.message_count)
