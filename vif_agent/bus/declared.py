"""What the broker has of ours: declared as the options say, or not used at all.

Where a queue or an exchange was declared otherwise before, oslo.messaging goes on with what is not
durable and says so in a warning. A queue that is not durable loses its casts with the broker.
"""

import contextlib
import logging
import re
import shlex
from collections.abc import Callable, Iterable
from typing import Any

import kombu
from amqp.exceptions import PreconditionFailed
from oslo_messaging._drivers.common import PURPOSE_LISTEN
from oslo_messaging._drivers.impl_rabbit import Consumer

from vif_agent import bus
from vif_agent.errors import NotConfigured

LOG = logging.getLogger(__name__)

_OTHERWISE = re.compile(
    r"inequivalent arg '(?P<what>[^']+)' for (?P<kind>queue|exchange) '(?P<name>.*?)'"
    r" in vhost '(?P<vhost>.*?)': received (?P<asked>.*?) but current is (?P<there>\S.*)"
)
_VALUE = re.compile(r"(?:the value )?'([^']*)'(?: of type '\w+')?")
_LIMIT = "x-delivery-limit"
#: what oslo.messaging makes each of, where it is not the one of the same name
_OPTIONS = {
    "durable": "amqp_durable_queues, rabbit_quorum_queue",
    "x-queue-type": "rabbit_quorum_queue",
    _LIMIT: "rabbit_quorum_delivery_limit",
    "auto_delete": "amqp_auto_delete",
}
#: RabbitMQ 4 drops a message of a quorum queue that it has delivered 20 times, and each end of a
#: connection counts. -1 stands for "no limit" in 4.0; in 3.10 it drops all at the second delivery.
_MANY_DELIVERIES = 1_000_000

#: RabbitMQ's word for queues that are neither durable nor of one connection alone; 4.3 takes none
_REFUSES_TRANSIENT = "transient_nonexcl_queues"
_NOT_TRANSIENT = (
    f"this broker refuses queues that are not durable ({_REFUSES_TRANSIENT}): under"
    " [oslo_messaging_rabbit] set rabbit_transient_quorum_queue = true, which is for replies, and"
    " amqp_durable_queues = true or rabbit_quorum_queue = true, here and for all senders"
)

#: given the driver's connection, what to declare on it
Declares = Callable[[Any], Consumer]


class DeclaredOtherwise(NotConfigured):
    """One line for each object: what it is, what was asked for, how that is mended."""


class _Exact(Consumer):  # type: ignore[misc]
    def _declare_fallback_nondurable(self, err: Exception, *_: object) -> None:
        raise err


class _Casts(_Exact):
    """With a limit of deliveries that is ours, and that the operator has not asked for.

    A quorum queue that an earlier release declared has none, and is used as it is: an upgrade is to
    end no agent. A policy of the broker's mends it, and the agent says which.
    """

    def declare(self, connection: Any) -> None:
        self.give_way(connection)
        super().declare(connection)

    def give_way(self, connection: Any) -> str:
        """Of an earlier queue, what its limit should be; empty where it is, or can be, as asked."""
        self.queue_arguments[_LIMIT] = _MANY_DELIVERIES
        error = _refusal(connection, _queue(self).queue_declare)
        found = _OTHERWISE.search(" ".join(str(error).split()))
        if found is None or found["what"] != _LIMIT or _plain(found["there"]) != "none":
            return ""
        del self.queue_arguments[_LIMIT]
        return _no_limit(self.queue_name, found["vhost"])


def topic_queue(exchange: str, name: str, callback: Any = None, casts: bool = False) -> Declares:
    """A queue as the driver declares it; of ``casts``, one that drops none for being redelivered.

    Others than the agent declare the queues of notifications, and know nothing of such a limit.
    """

    def declares(connection: Any) -> Consumer:
        quorum = connection.rabbit_quorum_queue_config
        ours = casts and connection.rabbit_quorum_queue and quorum.delivery_limit <= 0
        return (_Casts if ours else _Exact)(
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
            rabbit_quorum_queue_config=quorum,
        )

    return declares


def of_agent(host: str) -> list[Declares]:
    """The queues of this host's casts and calls."""
    casts, calls = (f"{topic}.{host}" for topic in (bus.CAST_TOPIC, bus.ADMIN_TOPIC))
    return [topic_queue(bus.EXCHANGE, casts, casts=True), topic_queue(bus.EXCHANGE, calls)]


def connect(messaging: Any) -> Any:
    """A connection of its own; blocks while the broker is away."""
    return messaging._driver._get_connection(PURPOSE_LISTEN)


def differing(messaging: Any, queues: Iterable[Declares]) -> list[str]:
    """Declares all, or says what is there otherwise; raises what else is wrong, as kombu does."""
    with contextlib.closing(connect(messaging)) as lent:
        connection = lent.connection
        made = [declares(connection) for declares in queues]
        for consumer in made:
            if isinstance(consumer, _Casts) and (lacks := consumer.give_way(connection)):
                LOG.warning("%s", lacks)
        tries = [consumer.exchange.declare for consumer in made]
        tries += [_queue(consumer).queue_declare for consumer in made]
        said = dict.fromkeys(line for each in tries if (line := _tried(connection, each)))
        for consumer in made if not said else ():
            consumer.declare(connection)  # and binds it
        return list(said)


def must_be_as_asked(differences: Iterable[str]) -> None:
    if said := list(dict.fromkeys(differences)):
        raise DeclaredOtherwise("\n".join(said))


def _queue(consumer: Consumer) -> Any:
    queue: Any = kombu.Queue
    return queue(
        consumer.queue_name,
        durable=consumer.durable,
        auto_delete=consumer.queue_auto_delete,
        queue_arguments=consumer.queue_arguments,
    )


def _tried(connection: Any, declares: Any) -> str:
    error = _refusal(connection, declares)
    said = otherwise(error)
    if error and not said:
        raise error
    return said


def _refusal(connection: Any, declares: Any) -> PreconditionFailed | None:
    """On a channel of its own, for the broker closes one on which it has refused something."""
    channel = connection.connection.channel()
    try:
        declares(channel=channel)
        return None
    except PreconditionFailed as error:
        return error
    finally:
        with contextlib.suppress(Exception):
            channel.close()


def otherwise(error: object) -> str:
    """For the operator, what the broker says in this error; empty if it is about something else."""
    found = _OTHERWISE.search(" ".join(str(error).split()))
    if found is None:
        return ""
    what, kind, name, vhost, asked, there = found.groups()
    option = _OPTIONS.get(what, what)
    return (
        f"{kind} {name} (vhost {vhost}) was declared before with {what}={_plain(there)}, and"
        f" {what}={_plain(asked)} is asked for ([oslo_messaging_rabbit] {option}): give all who use"
        f" it the same options, or remove it, {_removal(kind, name, vhost)}"
    )


def remedy(error: object) -> str:
    """What the operator is to do about this error of the broker's; empty if we do not know."""
    return _NOT_TRANSIENT if _REFUSES_TRANSIENT in str(error) else otherwise(error)


def _plain(value: str) -> str:
    found = _VALUE.match(value)
    return found[1] if found else "none"


def _removal(kind: str, name: str, vhost: str) -> str:
    if kind == "queue":
        command = shlex.join(("rabbitmqctl", "delete_queue", "--vhost", vhost, name))
        return f"with what is in it: {command}"
    resource = f"rabbit_misc:r({_binary(vhost)}, exchange, {_binary(name)})"
    call = f'rabbit_exchange:delete({resource}, false, <<"vif-agent">>).'
    return (
        f"and then restart all agents, for their queues are bound to it: "
        f"{shlex.join(('rabbitmqctl', 'eval', call))}"
    )


def _no_limit(name: str, vhost: str) -> str:
    pattern, limit = f"^{re.escape(name)}$", f'{{"delivery-limit": {_MANY_DELIVERIES}}}'
    policy = ("set_policy", "--vhost", vhost, "--apply-to", "queues", name, pattern, limit)
    return (
        f"queue {name} (vhost {vhost}) was declared by an earlier release without a delivery limit,"
        " and is used as it is: RabbitMQ 4 drops a cast that it has delivered 20 times. To mend"
        f" it: {shlex.join(('rabbitmqctl', *policy))}"
    )


def _binary(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'<<"{escaped}"/utf8>>'
