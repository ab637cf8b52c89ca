"""The queue of this host's casts, consumed while there is room for them.

What has come and is not acknowledged is held by the broker, too, and after half an hour it ends the
channel of who holds it so long (RabbitMQ's consumer_timeout). So when there is no room for a while,
all of it goes back, and nothing is taken until there is room again.
"""

from typing import Any

from oslo_messaging._drivers.amqp import _MsgIdCache
from oslo_messaging._drivers.amqpdriver import (
    NotificationAMQPIncomingMessage,
    NotificationAMQPListener,
)
from oslo_messaging._drivers.base import PollStyleListenerAdapter

from vif_agent.bus import alone, declared, joining

_LOOK_SECONDS = 5.0  # as often as oslo.messaging looks at anything


def listener(messaging: Any, exchange: str, name: str) -> PollStyleListenerAdapter:
    """Blocks while the broker is away."""
    return PollStyleListenerAdapter(Reader(messaging, exchange, name), 1, _LOOK_SECONDS)


class _Cast(NotificationAMQPIncomingMessage):  # type: ignore[misc]
    def acknowledge(self) -> None:
        self._message_operations_handler.do(self._acknowledge_if_held)

    def _acknowledge_if_held(self) -> None:
        """With its channel it has gone back to the broker, and will come again."""
        if self.message._raw_message.channel is self.listener.conn.channel:
            super().acknowledge()


class _WithRoom(alone.Watches, NotificationAMQPListener):  # type: ignore[misc]
    """Its connection is used by the thread that polls, and by no other."""

    message_cls = _Cast

    def __init__(self, messaging: Any, exchange: str, name: str) -> None:
        super().__init__(messaging._driver, declared.connect(messaging))
        self.msg_id_cache = _NoCache()
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
        if self._room != bool(self.conn._consumers):
            (self._join if self._room else self._leave)()
        return super().poll(*args, **kwargs)

    def _join(self) -> None:
        self.conn.declare_consumer(self._queue(self.conn))

    def _leave(self) -> None:
        """With the channel the broker takes back all that was delivered on it."""
        self.incoming.clear()
        connection = self.conn.connection
        for told in (connection._consumers, connection._active_tags, connection._new_tags):
            told.clear()
        connection._set_current_channel(connection.connection.channel())


class Reader(joining.Rejoins, _WithRoom):
    pass


class _NoCache(_MsgIdCache):  # type: ignore[misc]
    """Every message comes to us, also one that was redelivered: the store knows it.

    oslo.messaging's own cache drops it unacknowledged, so that it stays in the queue until the
    broker loses patience with us.
    """

    def add(self, msg_id: str | None) -> None:
        """Nothing is remembered."""
