"""What the broker has of ours: declared as the options say, or not used at all.

Where a queue or an exchange was declared otherwise before, oslo.messaging goes on with what is not
durable and says so in a warning. A queue that is not durable loses its casts with the broker.
"""

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Iterable
from typing import Any

from amqp.exceptions import AccessRefused, NotFound

from vif_agent import bus
from vif_agent.bus import remedies
from vif_agent.bus.kept import CastsQueue, refusal
from vif_agent.errors import NotConfigured
from vif_agent.private_names import oslo_messaging as private

LOG = logging.getLogger(__name__)

#: given the driver's connection, what to declare on it
Declares = Callable[[Any], private.ExactConsumer]

_GONE = (
    "Queue %s is not there any more: deleted by hand, or by a policy of the broker's (expires) "
    "while this agent was away, and casts that were in it are lost. Cast the full set (sync_vifs)"
)


class DeclaredOtherwise(NotConfigured):
    """One line for each object: what it is, what was asked for, how that is mended."""


class _Calls(private.ExactConsumer):
    """What is sent to all agents comes there, too: it takes no queue more."""

    def declare(self, connection: Any) -> None:
        super().declare(connection)
        bind = functools.partial(self.bind_to, bus.EVERYBODY_TOPIC)
        if refused := refusal(connection, bind, AccessRefused):
            LOG.warning("vif-agentctl --host all does not find this agent: %s", refused)


def topic_queue(exchange: str, name: str, callback: Any = None, casts: bool = False) -> Declares:
    """A queue as the driver declares it; of ``casts``, one that keeps them.

    Others than the agent declare the queues of notifications, and know nothing of its arguments.
    """

    def declares(connection: Any) -> private.ExactConsumer:
        kind = CastsQueue if casts else private.ExactConsumer
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


def differing(messaging: Any, queues: Iterable[Declares], known: bool = False) -> list[str]:
    """Declares all, or says what is there otherwise; raises what else is wrong, as kombu does.

    ``known``: casts have come by them before.
    """
    with contextlib.closing(connect(messaging)) as lent:
        connection = private.behind(lent)
        made = [declares(connection) for declares in queues]
        for consumer in made:
            if isinstance(consumer, CastsQueue):
                _look_at(consumer, connection, known)
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
        there = [c for c in made if not refusal(connection, c.look_for_queue, NotFound)]
        lacks = [c.give_way(connection) for c in there if isinstance(c, CastsQueue)]
        tries = [
            c.declare_exchange
            for c in made
            if not refusal(connection, c.look_for_exchange, NotFound)
        ]
        tries += [c.declare_queue for c in there]
        lines = dict.fromkeys(line for each in tries if (line := _tried(connection, each)))
        return Seen(*private.broker(connection), list(lines), list(filter(None, lacks)))


def _look_at(casts: CastsQueue, connection: Any, known: bool) -> None:
    """Before it is declared."""
    if known and casts.durable and casts.is_gone(connection):
        LOG.warning(_GONE, casts.name)
    if lacks := casts.give_way(connection):
        LOG.warning("Queue to be mended: %s", lacks)


def must_be_as_asked(differences: Iterable[str]) -> None:
    """Raises DeclaredOtherwise if there is any; each line once."""
    if differences := list(dict.fromkeys(differences)):
        raise DeclaredOtherwise("\n".join(differences))


def _tried(connection: Any, declares: Any) -> str:
    error = refusal(connection, declares)
    differences = remedies.otherwise(error)
    if error and not differences:
        raise error
    return differences
