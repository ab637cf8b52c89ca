"""The queue of a host's casts, while its agent is away."""

from __future__ import annotations

from typing import Any

import kombu

from vif_agent import bus
from vif_agent.testing.rabbit import PrivateRabbit


def declare_casts_queue(rabbit: PrivateRabbit, host: str) -> None:
    """As its agent has done, that does not read it now."""
    untyped: Any = kombu
    name = f"{bus.CAST_TOPIC}.{host}"
    with untyped.Connection(rabbit.url.replace("rabbit://", "amqp://")) as connection:
        channel = connection.default_channel
        channel.exchange_declare(bus.EXCHANGE, "topic", durable=False, auto_delete=False)
        channel.queue_declare(name, auto_delete=False)
        channel.queue_bind(name, bus.EXCHANGE, name)
