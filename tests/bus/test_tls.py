"""Casts are read whole over TLS, too: a record of it ends anywhere in a frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kombu
import pytest

from tests.support.certificates import Authority
from vif_agent import bus
from vif_agent.bus import cast_queue
from vif_agent.private_names import oslo_servers as private
from vif_agent.testing.daemon import transport
from vif_agent.testing.rabbit import PrivateRabbit, free_ports

pytestmark = pytest.mark.broker

QUEUE = f"{bus.CAST_TOPIC}.over-tls"
#: bytes: many casts in one record of TLS, which is 16 KiB at most; and each in several
SIZES = [10, 1000, 16_000, 16_384, 100_000]


@pytest.fixture
def encrypting(isolated: None, tmp_path: Path) -> Iterator[tuple[PrivateRabbit, str]]:
    """And where the agent is to connect."""
    authority = Authority(tmp_path, "broker")
    key, certificate = authority.issue("localhost")
    (port,) = free_ports(1)
    settings = {
        "listeners.ssl.default": f"127.0.0.1:{port}",
        "ssl_options.cacertfile": authority.certificate,
        "ssl_options.certfile": certificate,
        "ssl_options.keyfile": key,
    }
    with PrivateRabbit(tmp_path, settings=settings) as rabbit:
        query = f"ssl=true&ssl_ca_file={authority.certificate}"
        yield rabbit, f"rabbit://guest:guest@localhost:{port}/?{query}"


def test_casts_of_any_size_are_read(encrypting: tuple[PrivateRabbit, str]) -> None:
    rabbit, url = encrypting
    messaging = transport(url)
    listener = private.reader(cast_queue.listener(messaging, bus.EXCHANGE, QUEUE))
    pads = [size for size in SIZES for _ in range(40)] * 2
    try:
        _send(rabbit, pads)
        casts: list[int] = []
        while len(casts) < len(pads):
            some = listener.poll(timeout=20)
            assert some, f"{len(casts)} of {len(pads)} have come"
            private.acknowledge(some)
            casts += [len(cast.message["args"]["pad"]) for cast in some]
        listener.poll(timeout=0.1)
    finally:
        listener.cleanup()
        messaging.cleanup()
    assert casts == pads
    assert rabbit.queue_length(QUEUE) == 0


def _send(rabbit: PrivateRabbit, pads: list[int]) -> None:
    url = rabbit.url.replace("rabbit://", "amqp://")
    untyped: Any = kombu
    with untyped.Connection(url) as connection, connection.Producer(routing_key=QUEUE) as producer:
        for pad in pads:
            producer.publish({"method": "m", "args": {"pad": "x" * pad}})
