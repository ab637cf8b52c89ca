"""The queue of casts keeps them until they are stored: what it is declared with for that, and what
may become of them all the same, as far as a client of the broker is told.

It is told whether a queue is durable and which arguments it has. What a policy of the broker's does
to it, such as message-ttl or expires, it is not: docs/broker.md has the command that shows it.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from amqp.exceptions import AMQPError, NotFound, PreconditionFailed

from vif_agent.bus import remedies
from vif_agent.private_names import oslo_messaging as private

#: RabbitMQ 4 drops a message of a quorum queue that it has delivered 20 times, and each end of a
#: connection counts. -1 stands for "no limit" in 4.0; in 3.10 it drops all at the second delivery.
_MANY_DELIVERIES = 1_000_000
#: of a queue that a policy's max-length makes full: a new cast is refused, which its sender is
#: told, and no old one is dropped. A policy's own word for it loses against the argument of a
#: classic queue, and wins against that of a quorum queue (RabbitMQ 3.10).
_REFUSES = "reject-publish"
_DROPS = "drop-head"

_Refused = TypeVar("_Refused", bound=AMQPError)


@dataclasses.dataclass(frozen=True, slots=True)
class Keeping:
    """How a queue keeps what is in it. ``can_lose``: for the operator; empty if nothing is known
    that could."""

    queue: str
    kind: str
    delivery_limit: int | None
    overflow: str
    broker: str
    can_lose: str = ""

    def view(self) -> dict[str, Any]:
        """As the bus tells it."""
        return dataclasses.asdict(self)


class CastsQueue(private.ExactConsumer):
    """With arguments that are ours, and that the operator has not asked for.

    A queue that an earlier release declared has none of them, and is used as it is: an upgrade is
    to end no agent. A policy of the broker's mends it, and the agent says which.
    """

    keeping: Keeping | None = None

    def declare(self, connection: Any) -> None:
        """And consumes it."""
        self.give_way(connection)
        super().declare(connection)
        self.keeping = _keeping(self, " ".join(private.broker(connection)).strip())

    def give_way(self, connection: Any) -> str:
        """Of an earlier queue, what its limit should be; empty where it is, or can be, as asked."""
        asked = _arguments(connection)
        self.arguments.update(asked)
        lacks = ""
        while found := remedies.lacks(refusal(connection, self.declare_queue)):
            argument, vhost = found
            if asked.pop(argument, None) is None:
                break
            del self.arguments[argument]
            if argument == remedies.LIMIT:
                lacks = remedies.no_limit(self.name, vhost, _MANY_DELIVERIES, _REFUSES)
        return lacks

    def is_gone(self, connection: Any) -> bool:
        """Is there no such queue? One whose node is away is not gone."""
        refused = refusal(connection, self.look_for_queue, NotFound)
        return remedies.NO_QUEUE in str(refused or "")


def _arguments(connection: Any) -> dict[str, Any]:
    if not connection.durable:
        return {}
    ours: dict[str, Any] = {remedies.OVERFLOW: _REFUSES}
    if private.lacks_delivery_limit(connection):
        ours[remedies.LIMIT] = _MANY_DELIVERIES
    return ours


def _keeping(queue: CastsQueue, broker: str) -> Keeping:
    arguments: Mapping[str, Any] = queue.arguments
    classic = "durable" if queue.durable else "transient"
    return Keeping(
        queue.name,
        kind=arguments.get("x-queue-type", classic),
        delivery_limit=arguments.get(remedies.LIMIT),
        overflow=arguments.get(remedies.OVERFLOW, _DROPS),
        broker=broker,
        can_lose="" if queue.durable else remedies.transient(queue.name),
    )


def refusal(
    connection: Any, declares: Callable[..., Any], kind: type[_Refused] = PreconditionFailed
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
