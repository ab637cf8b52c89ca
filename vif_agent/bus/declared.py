"""What the broker has of ours: declared as the options say, or not used at all.

Where a queue or an exchange was declared otherwise before, oslo.messaging goes on with what is not
durable and says so in a warning. A queue that is not durable loses its casts with the broker.
"""

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from amqp.exceptions import AccessRefused, AMQPError, NotFound, PreconditionFailed

from vif_agent import bus
from vif_agent.bus import remedies
from vif_agent.errors import NotConfigured
from vif_agent.private_names import oslo_messaging as private

LOG = logging.getLogger(__name__)

#: RabbitMQ 4 drops a message of a quorum queue that it has delivered 20 times, and each end of a
#: connection counts. -1 stands for "no limit" in 4.0; in 3.10 it drops all at the second delivery.
_MANY_DELIVERIES = 1_000_000

_Refused = TypeVar("_Refused", bound=AMQPError)

#: given the driver's connection, what to declare on it
Declares = Callable[[Any], private.ExactConsumer]


class DeclaredOtherwise(NotConfigured):
    """One line for each object: what it is, what was asked for, how that is mended."""


class _Casts(private.ExactConsumer):
    """With a limit of deliveries that is ours, and that the operator has not asked for.

    A quorum queue that an earlier release declared has none, and is used as it is: an upgrade is to
    end no agent. A policy of the broker's mends it, and the agent says which.
    """

    def declare(self, connection: Any) -> None:
        self.give_way(connection)
        super().declare(connection)

    def give_way(self, connection: Any) -> str:
        """Of an earlier queue, what its limit should be; empty where it is, or can be, as asked."""
        self.arguments[remedies.LIMIT] = _MANY_DELIVERIES
        vhost = remedies.vhost_without_limit(_refusal(connection, self.declare_queue))
        if vhost is None:
            return ""
        del self.arguments[remedies.LIMIT]
        return remedies.no_limit(self.name, vhost, _MANY_DELIVERIES)


class _Calls(private.ExactConsumer):
    """What is sent to all agents comes there, too: it takes no queue more."""

    def declare(self, connection: Any) -> None:
        super().declare(connection)
        bind = functools.partial(self.bind_to, bus.EVERYBODY_TOPIC)
        if refused := _refusal(connection, bind, AccessRefused):
            LOG.warning("vif-agentctl --host all does not find this agent: %s", refused)


def topic_queue(exchange: str, name: str, callback: Any = None, casts: bool = False) -> Declares:
    """A queue as the driver declares it; of ``casts``, one that drops none for being redelivered.

    Others than the agent declare the queues of notifications, and know nothing of such a limit.
    """

    def declares(connection: Any) -> private.ExactConsumer:
        ours = casts and private.lacks_delivery_limit(connection)
        kind = _Casts if ours else private.ExactConsumer
        made: private.ExactConsumer = private.consumer(connection, exchange, name, callback, kind)
        return made

    return declares


def calls_queue(host: str, callback: Any) -> Declares:
    """Of the calls to this host, and to all."""
    return lambda connection: private.consumer(
        connection, bus.EXCHANGE, f"{bus.ADMIN_TOPIC}.{host}", callback, _Calls
    )


def of_agent(host: str) -> list[Declares]:
    """The queues of this host's casts and calls."""
    casts, calls = (f"{topic}.{host}" for topic in (bus.CAST_TOPIC, bus.ADMIN_TOPIC))
    return [topic_queue(bus.EXCHANGE, casts, casts=True), topic_queue(bus.EXCHANGE, calls)]


def connect(messaging: Any) -> Any:
    """A connection of its own; blocks while the broker is away."""
    return private.to_read(messaging)


def differing(messaging: Any, queues: Iterable[Declares]) -> list[str]:
    """Declares all, or says what is there otherwise; raises what else is wrong, as kombu does."""
    with contextlib.closing(connect(messaging)) as lent:
        connection = private.behind(lent)
        made = [declares(connection) for declares in queues]
        for consumer in made:
            if isinstance(consumer, _Casts) and (lacks := consumer.give_way(connection)):
                LOG.warning("Queue to be mended: %s", lacks)
        tries = [consumer.declare_exchange for consumer in made]
        tries += [consumer.declare_queue for consumer in made]
        differences = dict.fromkeys(line for each in tries if (line := _tried(connection, each)))
        for consumer in made if not differences else ():
            consumer.declare(connection)  # and binds it
        return list(differences)


@dataclasses.dataclass(frozen=True)
class Seen:
    """``product``, ``release``: the broker's own words. ``differing``: a line for each thing that
    is there otherwise. ``to_mend``: a line for each that is used as it is, and should not be so."""

    product: str
    release: str
    differing: list[str]
    to_mend: list[str]


def seen(messaging: Any, queues: Iterable[Declares]) -> Seen:
    """What ``differing`` would say; what is not there yet is not made, and what is there stays so.

    To declare a thing that is there asks the broker for no more than whether it is just so. Raises
    what is in the way where there is no broker; one that goes meanwhile is waited for.
    """
    with private.to_send(messaging):
        pass  # to read is tried for ever, but on a connection to send another thread reads, too
    with contextlib.closing(connect(messaging)) as lent:
        connection = private.behind(lent)
        made = [declares(connection) for declares in queues]
        there = [c for c in made if not _refusal(connection, c.look_for_queue, NotFound)]
        lacks = [c.give_way(connection) for c in there if isinstance(c, _Casts)]
        tries = [
            c.declare_exchange
            for c in made
            if not _refusal(connection, c.look_for_exchange, NotFound)
        ]
        tries += [c.declare_queue for c in there]
        lines = dict.fromkeys(line for each in tries if (line := _tried(connection, each)))
        return Seen(*private.broker(connection), list(lines), list(filter(None, lacks)))


def must_be_as_asked(differences: Iterable[str]) -> None:
    """Raises DeclaredOtherwise if there is any; each line once."""
    if differences := list(dict.fromkeys(differences)):
        raise DeclaredOtherwise("\n".join(differences))


def _tried(connection: Any, declares: Any) -> str:
    error = _refusal(connection, declares)
    differences = remedies.otherwise(error)
    if error and not differences:
        raise error
    return differences


def _refusal(
    connection: Any, declares: Any, kind: type[_Refused] = PreconditionFailed
) -> _Refused | None:
    """On a channel of its own, for the broker closes one on which it has refused something."""
    channel = private.kombus(connection).channel()
    try:
        declares(channel=channel)
        return None
    except kind as error:
        return error
    finally:
        with contextlib.suppress(Exception):
            channel.close()
