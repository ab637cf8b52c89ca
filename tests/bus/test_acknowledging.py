"""What is acknowledged to a real broker, and what is not, by the reader of the casts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import kombu
import pytest

from tests.support.casting import wait_for
from vif_agent import bus
from vif_agent.bus import cast_queue
from vif_agent.private_names import oslo_servers as private
from vif_agent.testing.daemon import transport
from vif_agent.testing.rabbit import PrivateRabbit

pytestmark = pytest.mark.broker

QUEUE = f"{bus.CAST_TOPIC}.acknowledging"
MANY = 60  # more than are read at once


@contextlib.contextmanager
def reader(rabbit: PrivateRabbit) -> Iterator[Any]:
    """Ended, it has given back to the broker what it has not acknowledged."""
    messaging = transport(rabbit.url)
    listener = private.reader(cast_queue.listener(messaging, bus.EXCHANGE, QUEUE))
    try:
        yield listener
    finally:
        listener.cleanup()
        messaging.cleanup()


def sent(rabbit: PrivateRabbit, count: int) -> None:
    """As RPCClient sends them, each with a kilobyte, and one that is none."""
    untyped: Any = kombu
    url = rabbit.url.replace("rabbit://", "amqp://")
    with untyped.Connection(url) as connection, connection.Producer(routing_key=QUEUE) as producer:
        for number in range(count):
            producer.publish({"method": "m", "args": {"n": number, "pad": "x" * 1000}})
        producer.publish(b"\xff{", content_type="application/json", content_encoding="binary")
        producer.publish({"method": "last", "args": {}})


def read(listener: Any, count: int) -> list[Any]:
    """All, and the last."""
    casts: list[Any] = []
    while len(casts) <= count:
        casts += listener.poll(timeout=20)
    assert [cast.message["args"].get("n") for cast in casts] == [*range(count), None]
    return casts


def stays(rabbit: PrivateRabbit, count: int) -> None:
    wait_for(lambda: rabbit.queue_length(QUEUE) == count, f"{count} in the queue")


def test_all_that_was_read_is_acknowledged(rabbit: PrivateRabbit) -> None:
    with reader(rabbit) as listener:
        sent(rabbit, MANY)
        casts = read(listener, MANY)
        private.acknowledge(casts[:40])
        private.acknowledge(casts[40:])
        listener.poll(timeout=0.1)
    stays(rabbit, 0)


def test_what_is_not_acknowledged_comes_again(rabbit: PrivateRabbit) -> None:
    """Whatever is acknowledged after it, and whenever."""
    with reader(rabbit) as listener:
        sent(rabbit, MANY)
        casts = read(listener, MANY)
        private.acknowledge(casts[5:30])
        listener.poll(timeout=0.1)
        private.acknowledge([*casts[:3], *casts[4:5], *casts[30:]])
        listener.poll(timeout=0.1)
    stays(rabbit, 1)
    with reader(rabbit) as listener:
        (again,) = listener.poll(timeout=20)
        assert again.message["args"]["n"] == 3
        private.acknowledge([again])
        listener.poll(timeout=0.1)
    stays(rabbit, 0)


def test_what_went_back_is_not_acknowledged(rabbit: PrivateRabbit) -> None:
    with reader(rabbit) as listener:
        sent(rabbit, MANY)
        casts = read(listener, MANY)
        listener.give_back()
        listener.poll(timeout=0.1)
        private.acknowledge(casts)
        listener.poll(timeout=0.1)
        listener.take_again()
        again = read(listener, MANY)
        private.acknowledge(again)
        listener.poll(timeout=0.1)
    stays(rabbit, 0)
