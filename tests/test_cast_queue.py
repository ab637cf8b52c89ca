"""What a broker does with casts that nobody acknowledges: they come again, and are not dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import kombu
import pytest

from tests.casting import MODES, QUEUE, Site, Vif, numbered
from vif_agent.testing.host import ScratchHost

pytestmark = pytest.mark.broker

MANY = 10
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
