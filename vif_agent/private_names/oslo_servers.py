"""What is used of oslo.messaging that its documentation does not promise: listeners and servers.

Its own acknowledge before anything is stored, join queues that nobody needs, drop what is
redelivered, and look at their orders every five seconds only. Listeners read in the one thread that
polls. ``transport`` and ``lent`` as in ``oslo_messaging``.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from oslo_messaging._drivers.amqp import _MsgIdCache
from oslo_messaging._drivers.amqpdriver import NotificationAMQPListener, RpcAMQPListener
from oslo_messaging._drivers.base import PollStyleListenerAdapter
from oslo_messaging.rpc.server import RPCServer
from oslo_messaging.server import MessageHandlingServer

from vif_agent.private_names import amqp

LOG = logging.getLogger(__name__)

_BASIC_CANCEL = (60, 30)  # AMQP 0-9-1: consumer tag, no answer wanted

#: until it is seen that casts can be acknowledged. While some are held; while the broker sends only
#: so many at once; while none is held
_HELD_SECONDS, _ONE_BY_ONE_SECONDS, _IDLE_SECONDS = 0.02, 0.001, 5.0


class _NoMemory(_MsgIdCache):  # type: ignore[misc]
    """Every message comes to us, also one that was redelivered: the store knows it.

    oslo.messaging's own cache drops it unacknowledged, so that it stays in the queue until the
    broker loses patience with us.
    """

    def add(self, msg_id: str | None) -> None:
        """Nothing is remembered."""


class _Reads:
    """What any listener does."""

    conn: Any
    _shutdown: Any

    def consume(self, queue: Any) -> None:
        """What ``consumer`` answers."""
        self.conn.declare_consumer(queue)

    def pause(self, seconds: float) -> None:
        """Ends at once when the listener is to stop."""
        self._shutdown.wait(seconds)


class CastListener(_Reads, NotificationAMQPListener):  # type: ignore[misc]
    """Acknowledges only when told to, and can give back to the broker what it holds.

    ``_held``: the delivery tags of what is not acknowledged, in their order, of channel ``_on``.
    """

    def __init__(self, transport: Any, lent: Any) -> None:
        self._held: dict[Any, None] = {}
        self._on: Any = None
        self._settled = threading.Event()
        super().__init__(transport._driver, lent)
        self.msg_id_cache = _NoMemory()
        amqp.read_at_once(lent.connection.connection)

    def __call__(self, message: Any) -> None:
        """A message has come."""
        super().__call__(message)
        if message._raw_message.channel is not self._on:
            self._on, self._held = message._raw_message.channel, {}
        self._held[message._raw_message.delivery_tag] = None

    def poll(self, *args: Any, **kwargs: Any) -> list[Any]:
        """All that is here; waits for the first.

        What was read before is waited for, if nothing else has come: nobody stores the next sooner,
        and to acknowledge it afterwards would take a second look at the connection.
        """
        if self.holds() and not amqp.more_has_come(self.conn.connection.connection):
            self._settled.wait(_HELD_SECONDS)
        self._settled.clear()
        polled: list[Any] = super().poll(*args, **kwargs)
        polled += self.incoming
        self.incoming.clear()
        return polled

    def may_wait(self) -> bool:
        """Does nobody lose by it? Not where more has come than was read at once, nor where the
        broker sends the next casts for acknowledgements only."""
        full = amqp.more_has_come(self.conn.connection.connection)
        return not full and not self.conn.rabbit_qos_prefetch_count

    @property
    def _current_timeout(self) -> float:
        """How long the driver waits for a message until it sees what is to be acknowledged. Its own
        begins with 1 ms after each message, and so wakes a dozen times after each."""
        if not self.holds():
            return _IDLE_SECONDS
        return _ONE_BY_ONE_SECONDS if self.conn.rabbit_qos_prefetch_count else _HELD_SECONDS

    @_current_timeout.setter
    def _current_timeout(self, seconds: float) -> None:
        pass

    def acknowledge(self, casts: Sequence[Any]) -> None:
        """Which came in this order; by the thread that polls, in one message where that can be."""
        self._message_operations_handler.do(lambda: self._acknowledge(casts))
        self._settled.set()

    def _acknowledge(self, casts: Sequence[Any]) -> None:
        """What came on another channel has gone back to the broker, and will come again."""
        every = [cast.message._raw_message for cast in casts]
        raws = [raw for raw in every if raw.channel is self.conn.channel]
        for raw in raws:
            self._held.pop(raw.delivery_tag, None)
        try:
            if raws and amqp.speaks(self._on) and self._none_held_before(raws[-1].delivery_tag):
                raws[-1].ack(multiple=True)
            else:
                for raw in raws:
                    raw.ack()
        except Exception as error:  # they come again
            LOG.warning("Cannot acknowledge %d casts: %s", len(raws), error)

    def holds(self) -> bool:
        """Is anything that it has read not acknowledged yet?"""
        return bool(self._held) and self._on is self.conn.channel

    def _none_held_before(self, tag: int) -> bool:
        return next(iter(self._held), tag) >= tag

    def consumes(self) -> bool:
        """Has it any queue now?"""
        return bool(self.conn._consumers)

    def give_all_back(self) -> None:
        """And consume nothing. With its channel the broker takes back what it delivered on it."""
        self.incoming.clear()
        connection = self.conn.connection
        for noted in (connection._consumers, connection._active_tags, connection._new_tags):
            noted.clear()
        connection._set_current_channel(connection.connection.channel())


class CallListener(_Reads, RpcAMQPListener):  # type: ignore[misc]
    """For calls; they are acknowledged when they come, for nobody waits for a lost one long."""

    def __init__(self, transport: Any, lent: Any) -> None:
        super().__init__(transport._driver, lent)

    def hear_all(self, topic: str) -> None:
        """What is sent to all who hear this topic."""
        self.conn.declare_fanout_consumer(topic, self)


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


def is_connected(adapter: Any) -> bool:
    """Is the broker there, as far as is known? Reads only, and waits for nobody."""
    connection = getattr(reader(adapter), "conn", None)  # the bus in memory has none
    return connection is None or bool(connection.connection.connection.connected)


def is_read(adapter: Any) -> bool:
    """Does the thread that polls it live?"""
    return bool(adapter._listen_thread.is_alive())


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


def sent_to(call: Any) -> object:
    """By which name it came: a queue may be bound to some."""
    raw = getattr(call.message, "_raw_message", None)
    return (getattr(raw, "delivery_info", None) or {}).get("routing_key")


def answer_nobody(call: Any) -> None:
    """The driver then sends no answer."""
    call.orig_msg_id = None


def acknowledge(casts: Sequence[Any]) -> None:
    """Which came in this order, and are all on disk."""
    if casts:
        casts[0].listener.acknowledge(casts)


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
