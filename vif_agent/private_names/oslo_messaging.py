"""What is used of oslo.messaging that its documentation does not promise: connections and queues.

Its own declarations fall back to queues that are not durable, and its own sends try for ever, or
log what they could not send and forget it. To do better takes the names of its driver for RabbitMQ.
``transport`` is what ``get_rpc_transport`` answers, ``lent`` a connection that its driver lends.
"""

import contextlib
import logging
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import kombu
import oslo_messaging
from oslo_messaging._drivers.amqpdriver import AMQPDriverBase
from oslo_messaging._drivers.common import PURPOSE_LISTEN, PURPOSE_SEND, Timeout, serialize_msg
from oslo_messaging._drivers.impl_rabbit import Consumer

from vif_agent.private_names import amqp

LOG = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2

#: the log of the driver for RabbitMQ
LOG_NAME = "oslo.messaging._drivers.impl_rabbit"

#: the broker's answer tells that no queue takes it
_TELL = oslo_messaging.TransportOptions(at_least_once=True)


def speaks_amqp(transport: Any) -> bool:
    """Or is it the bus in memory, or Kafka?"""
    return isinstance(transport._driver, AMQPDriverBase)


def default_exchange(transport: Any) -> str:
    """The exchange of notifications: they name none of their own."""
    name: str = transport._driver._default_exchange
    return name


# Connections.


def to_read(transport: Any) -> Any:
    """A connection of one's own; blocks while the broker is away."""
    return transport._driver._get_connection(PURPOSE_LISTEN)


def to_send(transport: Any) -> Any:
    """One of the pool, for a ``with``; one try to connect, while the public API tries for ever."""
    return transport._driver._get_connection(PURPOSE_SEND, retry=1)


def behind(lent: Any) -> Any:
    """The driver's connection, which is not given back by an error."""
    return lent.connection


def kombus(connection: Any) -> Any:
    """kombu's connection within the driver's: other channels can be opened on it."""
    return connection.connection


def broker(connection: Any) -> tuple[str, str]:
    """Of a driver's connection: which product the broker says that it is, and of which release."""
    properties = getattr(kombus(connection).connection, "server_properties", None) or {}
    return str(properties.get("product", "")), str(properties.get("version", ""))


def publish(connection: Any, exchange: str, messages: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Each to the queue of its name; MessageUndeliverable where one is not there. The public
    Notifier logs what it could not send, and forgets it.

    On a new channel the first goes by itself: so the exchange is declared, and the broker confirms.
    All others go together, if that can be; else they are sent by themselves, perhaps twice.
    """
    if not _confirmations(connection):
        _publish_singly(connection, exchange, messages[:1])
        messages = messages[1:]
    if messages and (confirmations := _confirmations(connection)):
        try:
            return _publish_together(connection, exchange, messages, confirmations)
        except oslo_messaging.MessageUndeliverable:
            raise
        except Exception as error:
            LOG.debug("Notifications cannot be sent together: %s", error)
            forget_channel(connection)
    return _publish_singly(connection, exchange, messages)


def _confirmations(connection: Any) -> amqp.Confirmations | None:
    """None on a new channel; those of the next message are known then."""
    if not amqp.speaks(connection.channel):
        return None
    confirmations = amqp.Confirmations.of(connection.channel)
    return confirmations if confirmations.begun else None


def _publish_singly(
    connection: Any, exchange: str, messages: Sequence[tuple[str, dict[str, Any]]]
) -> None:
    for name, message in messages:
        packed = serialize_msg(message)
        connection.topic_send(exchange, name, packed, retry=1, transport_options=_TELL)


def _publish_together(
    connection: Any,
    exchange: str,
    messages: Sequence[tuple[str, dict[str, Any]]],
    confirmations: amqp.Confirmations,
) -> None:
    compression = connection.kombu_compression
    with connection._connection_lock, confirmations.together():
        for name, message in messages:
            connection._producer.publish(
                serialize_msg(message), exchange=exchange, routing_key=name, mandatory=True,
                compression=compression,
            )  # fmt: skip


class RollCall:
    """A call that any number may answer: the public API knows only the first answer.

    The queue of the answers is as oslo.messaging's own, and goes as those do when nobody reads it.
    """

    def __init__(self, transport: Any, hear: Callable[[Any], None]) -> None:
        self._transport = transport
        self._hear = hear
        self._answers = f"reply_{uuid.uuid4().hex}"
        self._lent = to_read(transport)
        behind(self._lent).declare_direct_consumer(self._answers, self._answer)

    def send(self, exchange: str, topic: str, call: dict[str, Any], seconds: float) -> None:
        """Who has not read it by then never gets it: the broker drops it."""
        names = {"_msg_id": uuid.uuid4().hex, "_unique_id": uuid.uuid4().hex, "_timeout": None}
        packed = serialize_msg({**call, **names, "_reply_q": self._answers})
        with to_send(self._transport) as connection:
            connection.topic_send(exchange, topic, packed, timeout=seconds, retry=1)

    def listen(self, ended: Callable[[], bool]) -> None:
        """``hear`` is called with each answer until ``ended``."""
        while not ended():
            with contextlib.suppress(Timeout):
                behind(self._lent).consume(timeout=_LOOK_SECONDS)

    def close(self) -> None:
        """Politely."""
        self._lent.close()

    def _answer(self, message: Any) -> None:
        message.acknowledge()
        if not message.get("failure"):
            self._hear(message.get("result"))


def forget_channel(connection: Any) -> None:
    """After an error: the driver makes another, and a connection if that is gone."""
    with connection._connection_lock:
        connection._set_current_channel(None)


def change_channel(connection: Any) -> None:
    """Of the driver's connection: the broker's confirmation of a message may come after its word
    that no queue took it, and is not to be taken for the next message's.

    To none, kombu would go on by its own first channel, and with that one closed make a connection.
    """
    with connection._connection_lock:
        try:
            channel = kombus(connection).channel()
        except Exception:  # the connection itself is no good: the driver finds out
            channel = None
        connection._set_current_channel(channel)


# Queues.


class ExactConsumer(Consumer):  # type: ignore[misc]
    """Declares its queue as asked, or raises: the driver's own goes on with what is not durable."""

    def _declare_fallback_nondurable(self, err: Exception, *_: object) -> None:
        raise err

    @property
    def name(self) -> str:
        """Of the queue."""
        name: str = self.queue_name
        return name

    @property
    def arguments(self) -> dict[str, Any]:
        """The queue's own, such as x-queue-type; may be changed until it is declared."""
        arguments: dict[str, Any] = self.queue_arguments
        return arguments

    def declare_exchange(self, channel: Any) -> None:
        """Alone, on a channel of kombu's."""
        self.exchange.declare(channel=channel)

    def look_for_exchange(self, channel: Any) -> None:
        """Whatever it is like: amqp's NotFound where it is not there."""
        self.exchange.declare(passive=True, channel=channel)

    def look_for_queue(self, channel: Any) -> None:
        """The same."""
        queue: Any = kombu.Queue
        queue(self.queue_name).queue_declare(passive=True, channel=channel)

    def bind_to(self, routing_key: str, channel: Any) -> None:
        """One more name; it has been declared."""
        self.queue.bind_to(self.exchange, routing_key, channel=channel)

    def declare_queue(self, channel: Any) -> None:
        """Alone, on a channel of kombu's; it is not bound to the exchange."""
        queue: Any = kombu.Queue
        queue(
            self.queue_name,
            durable=self.durable,
            auto_delete=self.queue_auto_delete,
            queue_arguments=self.queue_arguments,
        ).queue_declare(channel=channel)


def consumer(
    connection: Any, exchange: str, name: str, callback: Any, kind: type[ExactConsumer]
) -> Any:
    """Of the topic ``name``, with the options that the driver itself would use."""
    return kind(
        exchange_name=exchange,
        queue_name=name,
        routing_key=name,
        type="topic",
        durable=connection.durable,
        exchange_auto_delete=connection.amqp_auto_delete,
        queue_auto_delete=connection.amqp_auto_delete,
        callback=callback,
        rabbit_ha_queues=connection.rabbit_ha_queues,
        enable_cancel_on_failover=connection.enable_cancel_on_failover,
        rabbit_quorum_queue=connection.rabbit_quorum_queue,
        rabbit_quorum_queue_config=connection.rabbit_quorum_queue_config,
    )


def lacks_delivery_limit(connection: Any) -> bool:
    """Are its queues quorum queues for which the operator has set none?"""
    limit: int = connection.rabbit_quorum_queue_config.delivery_limit
    return bool(connection.rabbit_quorum_queue) and limit <= 0


def deliveries(message: Any) -> int:
    """How often one that has just come has come in all; only quorum queues count it."""
    count = message._raw_message.headers.get("x-delivery-count", 0)
    return count + 1 if isinstance(count, int) else 1
