"""What the agent finds out about the queue of its casts, and says: at its start, in its status."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import kombu
import pytest

from tests.support.casting import CONTEXT, MODES, QUEUE, Options, Site, Vif, wait_for
from vif_agent.bus.api import NoAnswer
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

pytestmark = pytest.mark.broker

DURABLE = "?amqp_durable_queues=true"
QUORUM = "?rabbit_quorum_queue=true"
MILLION = 1_000_000


@pytest.fixture(params=MODES)
def site(
    request: pytest.FixtureRequest, scratch_with_bus: ScratchHost
) -> Iterator[Callable[[str], Site]]:
    """Of queues as a query says; the broker knows of none before."""
    with contextlib.ExitStack() as stack:

        def entered(query: str) -> Site:
            pairs = (pair.split("=") for pair in query.removeprefix("?").split("&") if pair)
            options: Options = {"oslo_messaging_rabbit": dict(pairs)}
            made = Site(scratch_with_bus, request.param, options, query)
            stack.callback(_forget, made)
            _forget(made)
            return stack.enter_context(made)

        yield entered


def _forget(site: Site) -> None:
    names = site.rabbit.ctl("-q", "--no-table-headers", "list_queues", "name").split()
    with _channel(site) as channel:
        for name in names:
            channel.queue_delete(name)
        channel.exchange_delete("vif_agent")


@contextlib.contextmanager
def _channel(site: Site) -> Iterator[Any]:
    untyped: Any = kombu
    with untyped.Connection(site.rabbit.url.replace("rabbit://", "amqp://")) as connection:
        yield connection.default_channel


@pytest.mark.parametrize(
    ("query", "kind", "limit", "overflow"),
    [
        (QUORUM, "quorum", MILLION, "reject-publish"),
        (f"{QUORUM}&rabbit_quorum_delivery_limit=7", "quorum", 7, "reject-publish"),
        (DURABLE, "durable", None, "reject-publish"),
        ("", "transient", None, "drop-head"),
    ],
)
def test_status_has_the_queue_and_the_log_what_it_loses(
    site: Callable[[str], Site], query: str, kind: str, limit: int | None, overflow: str
) -> None:
    agent = site(query)
    told = agent.api.get_status(CONTEXT, HOST)["casts_queue"]
    seen = [told[name] for name in ("queue", "kind", "delivery_limit", "overflow")]
    assert seen == [QUEUE, kind, limit, overflow]
    assert told["broker"].startswith("RabbitMQ ")
    word = f" WARNING vif_agent.bus.membership [-] Casts can be lost: queue {QUEUE} is not durable"
    assert (word in agent.daemon.log()) == bool(told["can_lose"]) == (kind == "transient")


@pytest.mark.parametrize(
    ("query", "overflow"), [(QUORUM, ""), (DURABLE, ', "overflow": "drop-head"')]
)
def test_policy_that_makes_the_queue_full_drops_nothing(
    site: Callable[[str], Site], payload: Callable[[str], Vif], query: str, overflow: str
) -> None:
    """The sender is told; for classic queues whatever the policy says of what to do then."""
    agent = site(query)
    agent.daemon.stop()
    limit = f'{{"max-length": 2{overflow}}}'
    agent.rabbit.ctl("set_policy", "--apply-to", "queues", "small", f"^{QUEUE}$", limit)
    try:
        with pytest.raises(NoAnswer, match="the broker does not take it: the queue is full"):
            _plug_some(agent, payload("tap"))
    finally:
        agent.rabbit.ctl("clear_policy", "small")
        agent.daemon.start()
    agent.settled()
    assert agent.port(payload("tap"))["state"] == "ready"


def _plug_some(agent: Site, vif: Vif) -> None:
    for _ in range(5):  # a quorum queue may take one or two more
        agent.plug(vif, wait=None)


def test_queue_that_is_gone_is_told_of_at_the_next_start(
    site: Callable[[str], Site], payload: Callable[[str], Vif]
) -> None:
    """As by a policy's expires. It is a new one, and works."""
    agent = site(DURABLE)
    word = f"Queue {QUEUE} is not there any more"
    agent.plug(payload("tap"))
    agent.daemon.stop()
    agent.daemon.start()
    assert word not in agent.daemon.log()
    agent.daemon.stop()
    with _channel(agent) as channel:
        channel.queue_delete(QUEUE)
    agent.daemon.start()
    assert word in agent.daemon.log()
    assert agent.unplug(payload("tap"))["state"] == "unplugged"


def test_cast_that_is_waited_for_is_sent_until_the_queue_is_there(
    site: Callable[[str], Site], payload: Callable[[str], Vif]
) -> None:
    """A broker that was started anew has lost it; the agent comes back sooner or later."""
    agent = site("")
    agent.daemon.stop()
    with _channel(agent) as channel:
        channel.queue_delete(QUEUE)
    agent.daemon.launch()
    assert agent.plug(payload("tap"))["state"] == "ready"
    wait_for(lambda: agent.rabbit.queue_length(QUEUE) == 0, "nothing left")
