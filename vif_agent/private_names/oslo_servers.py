"""What is used of oslo.messaging that its documentation does not promise: listeners and servers.

Its own acknowledge before anything is stored, join queues that nobody needs, drop what is
redelivered, and look at their orders every five seconds only. Listeners read from a connection, in
the one thread that polls. ``transport`` and ``lent`` as in ``oslo_messaging``.
"""

from collections.abc import Callable
from typing import Any

from oslo_messaging._drivers.amqp import _MsgIdCache
from oslo_messaging._drivers.amqpdriver import (
    NotificationAMQPIncomingMessage,
    NotificationAMQPListener,
    RpcAMQPListener,
)
from oslo_messaging._drivers.base import PollStyleListenerAdapter
from oslo_messaging.rpc.server import RPCServer
from oslo_messaging.server import MessageHandlingServer

_BASIC_CANCEL = (60, 30)  # AMQP 0-9-1: consumer tag, no answer wanted


class _NoMemory(_MsgIdCache):  # type: ignore[misc]
    """Every message comes to us, also one that was redelivered: the store knows it.

    oslo.messaging's own cache drops it unacknowledged, so that it stays in the queue until the
    broker loses patience with us.
    """

    def add(self, msg_id: str | None) -> None:
        """Nothing is remembered."""


class _Cast(NotificationAMQPIncomingMessage):  # type: ignore[misc]
    def acknowledge(self) -> None:
        self._message_operations_handler.do(self._acknowledge_if_held)

    def _acknowledge_if_held(self) -> None:
        """With its channel it has gone back to the broker, and will come again."""
        if self.message._raw_message.channel is self.listener.conn.channel:
            super().acknowledge()


class CastListener(NotificationAMQPListener):  # type: ignore[misc]
    """Acknowledges only when told to, and can give back to the broker what it holds."""

    message_cls = _Cast

    def __init__(self, transport: Any, lent: Any) -> None:
        super().__init__(transport._driver, lent)
        self.msg_id_cache = _NoMemory()

    def consumes(self) -> bool:
        """Has it any queue now?"""
        return bool(self.conn._consumers)

    def consume(self, queue: Any) -> None:
        """What ``consumer`` answers."""
        self.conn.declare_consumer(queue)

    def give_all_back(self) -> None:
        """And consume nothing. With its channel the broker takes back what it delivered on it."""
        self.incoming.clear()
        connection = self.conn.connection
        for noted in (connection._consumers, connection._active_tags, connection._new_tags):
            noted.clear()
        connection._set_current_channel(connection.connection.channel())

    def pause(self, seconds: float) -> None:
        """Ends at once when the listener is to stop."""
        self._shutdown.wait(seconds)


class CallListener(RpcAMQPListener):  # type: ignore[misc]
    """For calls; they are acknowledged when they come, for nobody waits for a lost one long."""

    def __init__(self, transport: Any, lent: Any) -> None:
        super().__init__(transport._driver, lent)

    def consume(self, queue: Any) -> None:
        """What ``consumer`` answers."""
        self.conn.declare_consumer(queue)

    def pause(self, seconds: float) -> None:
        """Ends at once when the listener is to stop."""
        self._shutdown.wait(seconds)


def polled(listener: Any, seconds: float | None) -> Any:
    """As a server wants it: polled in a thread of its own, up to so many seconds for a message."""
    return PollStyleListenerAdapter(listener, 1, seconds)


def reader(adapter: Any) -> Any:
    """The listener within what ``polled`` answers."""
    return adapter._poll_style_listener


def stop_reading(adapter: Any) -> None:
    """At once: the driver's own stop waits until its reader looks, within five seconds.

    The broker is told that nothing more is wanted, and its answer wakes the reader. Raises what is
    wrong with the connection. The bus in memory has none, and nothing is done.
    """
    listener: Any = getattr(adapter, "_poll_style_listener", None)
    if connection := getattr(listener, "conn", None):
        listener._shutdown.set()
        connection.stop_consuming()
        for tag in list(connection._consumers.values()):
            connection.channel.send_method(_BASIC_CANCEL, "sb", (str(tag), False))


def body_size(message: Any) -> int:
    """Bytes on the wire; nothing on a bus that is in memory anyway."""
    raw = getattr(message.message, "_raw_message", None)
    return len(getattr(raw, "body", None) or b"")


def json_size(message: Any) -> int | None:
    """The same, where that says how much JSON it is: kombu_compression makes it less."""
    raw = getattr(message.message, "_raw_message", None)
    compressed = "compression" in (getattr(raw, "headers", None) or {})
    return None if compressed else body_size(message) or None


def message_id(message: Any) -> object:
    """The sender's own, the same when it is redelivered; None on the bus in memory."""
    return getattr(message, "unique_id", None)


def reply_queue(call: Any) -> object:
    """What the caller says: anything."""
    return call.reply_q


def answer_nobody(call: Any) -> None:
    """The driver then sends no answer."""
    call.orig_msg_id = None


def time_limit(call: Any) -> object:
    """Seconds that the caller says it waits: anything."""
    return call.client_timeout


def without_limit(call: Any) -> None:
    """The driver then starts no thread that tells the caller that we are at it."""
    call.client_timeout = None


def answered_apart(call: Any) -> Callable[[Any], None]:
    """What answers it, from any thread; the answer of its server is dropped.

    That has a name in the drivers' common base only, and no promise that it may come late: see
    the test with a thousand callers who wait.
    """
    send: Callable[[Any], None] = call.reply
    call.reply = lambda *_, **__: None
    return send


class CastServer(MessageHandlingServer):  # type: ignore[misc]
    """What its own servers do themselves is left to ``listen``, ``came`` and ``process``."""

    def __init__(self, transport: Any) -> None:
        super().__init__(transport, dispatcher=None)

    def listen(self) -> Any:
        """What ``polled`` answers."""
        raise NotImplementedError

    def came(self, message: Any) -> bool:
        """Is ``process`` to be called? On the thread that reads; it reads on when this returns."""
        raise NotImplementedError

    def process(self) -> None:
        """On a thread of the pool."""
        raise NotImplementedError

    def _create_listener(self) -> Any:
        return self.listen()

    def _on_incoming(self, incoming: Any) -> None:
        asked = [self.came(message) for message in incoming]
        if any(asked):
            super()._on_incoming(incoming)

    def _process_incoming(self, incoming: Any) -> None:
        self.process()


class CallServer(RPCServer):  # type: ignore[misc]
    """On the queue that ``listen`` joins; its own joins two more, which all agents share."""

    def listen(self, host: str) -> Any:
        """What ``polled`` answers."""
        raise NotImplementedError

    def use_pool(self, kind: Callable[..., Any]) -> None:
        """Of threads, made with ``max_workers``; not under eventlet, which has its own."""
        if self.executor_type == "threading":
            self._executor_cls = kind

    def _create_listener(self) -> Any:
        return self.listen(self._target.server)
