"""What a broker does with casts that nobody acknowledges: they come again, and are not dropped."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import kombu
import pytest

from tests.support.casting import MODES, QUEUE, Site, Vif, numbered
from vif_agent.testing.host import ScratchHost

pytestmark = pytest.mark.broker

MANY = 10
_QUORUM = {"x-queue-type": "quorum"}
DELIVERIES = 25  # RabbitMQ 4 drops what a quorum queue has delivered more than 20 times


@pytest.fixture(params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    options = {"oslo_messaging_rabbit": {"rabbit_quorum_queue": True}}
    with Site(scratch_with_bus, request.param, options, "?rabbit_quorum_queue=true") as running:
        yield running


def test_casts_outlive_many_deliveries(site: Site, payload: Callable[[str], Vif]) -> None:
    vifs = [numbered(payload("tap"), 2100 + n) for n in range(MANY)]
    site.daemon.stop()
    for vif in vifs:
        site.plug(vif, wait=None)
    for _ in range(DELIVERIES):
        assert _take_and_vanish(site) == MANY
    site.daemon.start()
    site.settled()
    assert {vif["devname"] for vif in vifs} <= site.host.links().keys()
    assert f"A cast has come {DELIVERIES + 1} times and was not stored yet" in site.daemon.log()


def test_queue_of_an_earlier_release_is_used_as_it_is(
    site: Site, payload: Callable[[str], Vif]
) -> None:
    """It has no limit of its own. The command that the log names gives it one, and it is kept."""
    site.daemon.stop()
    with _channel(site) as channel:
        channel.queue_delete(QUEUE)
        channel.queue_declare(QUEUE, durable=True, auto_delete=False, arguments=_QUORUM)
    site.daemon.log_file.unlink()
    site.daemon.start()
    site.plug(payload("tap"))
    (answer,) = [line for line in site.daemon.log().splitlines() if "delivery limit" in line]
    assert (
        f" WARNING vif_agent.bus.declared [-] Queue to be mended: queue {QUEUE} (vhost /) "
        in answer
    )
    site.rabbit.ctl(*shlex.split(answer.split(": rabbitmqctl ")[1]))
    test_casts_outlive_many_deliveries(site, payload)
    site.rabbit.ctl("clear_policy", QUEUE)


@contextlib.contextmanager
def _channel(site: Site) -> Iterator[Any]:
    untyped: Any = kombu
    with untyped.Connection(site.rabbit.url.replace("rabbit://", "amqp://")) as connection:
        yield connection.default_channel


def _take_and_vanish(site: Site) -> int:
    """All casts, as an agent whose connection ends before it has acknowledged one; how many."""
    untyped: Any = kombu
    taken: list[object] = []
    with untyped.Connection(site.rabbit.url.replace("rabbit://", "amqp://")) as connection:
        queue = untyped.Queue(QUEUE, no_declare=True)
        with connection.Consumer(queue, on_message=taken.append):
            while len(taken) < MANY:
                connection.drain_events(timeout=10)
    return len(taken)
