"""Connections that can be relied on: to the next broker over TLS, and of what a sender is told."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import oslo_messaging
import pytest

from tests.support.casting import CONTEXT, Vif
from tests.support.casts_queue import declare_casts_queue
from tests.support.certificates import Authority
from tests.support.examples import INSTANCE
from vif_agent import bus
from vif_agent.bus import connections
from vif_agent.bus.api import NoAnswer, NoQueue, VifAgentAPI
from vif_agent.testing.daemon import transport
from vif_agent.testing.rabbit import PrivateRabbit, free_ports

pytestmark = pytest.mark.broker

HERE = "here"
QUEUE = f"{bus.CAST_TOPIC}.{HERE}"
AWAY, THERE = "127.0.0.1", "127.0.0.2"


@pytest.fixture
def cluster_over_tls(isolated: None, tmp_path: Path) -> Iterator[tuple[PrivateRabbit, str]]:
    """Of two brokers one is there, with a certificate of its own name alone."""
    authority = Authority(tmp_path, "broker")
    key, certificate = authority.issue(THERE)
    (port,) = free_ports(1)
    settings = {
        "listeners.ssl.default": f"{THERE}:{port}",
        "ssl_options.cacertfile": authority.certificate,
        "ssl_options.certfile": certificate,
        "ssl_options.keyfile": key,
    }
    with PrivateRabbit(tmp_path, settings=settings) as rabbit:
        brokers = ",".join(f"guest:guest@{address}:{port}" for address in (AWAY, THERE))
        yield rabbit, f"rabbit://{brokers}/?ssl=true&ssl_ca_file={authority.certificate}"


@pytest.mark.parametrize("first", [AWAY, THERE])
def test_each_broker_is_asked_for_its_own_name(
    cluster_over_tls: tuple[PrivateRabbit, str], payload: Callable[[str], Vif], first: str
) -> None:
    """oslo.messaging alone asks all for the name of the first that it has tried."""
    rabbit, url = cluster_over_tls
    declare_casts_queue(rabbit, HERE)
    messaging = transport(url)
    try:
        _shuffled_to(first)
        VifAgentAPI(transport=messaging).plug_vif(CONTEXT, HERE, INSTANCE, payload("tap"))
        assert rabbit.queue_length(QUEUE) == 1
    finally:
        messaging.cleanup()


def _shuffled_to(first: str) -> None:
    """The driver tries the brokers in an order of chance."""
    for seed in range(100):
        random.seed(seed)
        order = [AWAY, THERE]
        random.shuffle(order)
        if order[0] == first:
            random.seed(seed)
            return


@pytest.fixture
def api(rabbit: PrivateRabbit) -> Iterator[VifAgentAPI]:
    declare_casts_queue(rabbit, HERE)
    messaging = transport(rabbit.url)
    yield VifAgentAPI(transport=messaging, timeout=3)
    messaging.cleanup()


def test_cast_that_no_queue_takes_is_an_error_at_once(
    api: VifAgentAPI, payload: Callable[[str], Vif]
) -> None:
    """And the next one is not taken for confirmed by the broker's late word of this one."""
    with pytest.raises(NoQueue, match="vif-agent on nowhere: the broker has no queue for it"):
        api.plug_vif(CONTEXT, "nowhere", INSTANCE, payload("tap"))
    api.plug_vif(CONTEXT, HERE, INSTANCE, payload("tap"))


def test_next_cast_is_not_told_as_sent_before_it_is(
    rabbit: PrivateRabbit, api: VifAgentAPI, payload: Callable[[str], Vif]
) -> None:
    """The confirmation of the one before, which no queue took, may come after its return."""
    api.plug_vif(CONTEXT, HERE, INSTANCE, payload("tap"))
    with pytest.raises(NoQueue):
        api.plug_vif(CONTEXT, "nowhere", INSTANCE, payload("tap"))
    api.sync_vifs(CONTEXT, HERE, [])  # one cannot tell otherwise that its word has come
    with pytest.raises(NoQueue):
        api.plug_vif(CONTEXT, "nowhere", INSTANCE, payload("tap"))
    with rabbit.frozen(), pytest.raises(NoAnswer, match="the broker takes nothing"):
        api.plug_vif(CONTEXT, HERE, INSTANCE, payload("tap"))


def test_connection_is_kept_when_no_queue_takes_a_cast(
    rabbit: PrivateRabbit, api: VifAgentAPI, payload: Callable[[str], Vif]
) -> None:
    """It may be Neutron's, and other messages go by it."""

    def missed() -> set[str]:
        for _ in range(3):
            with pytest.raises(NoQueue):
                api.plug_vif(CONTEXT, "nowhere", INSTANCE, payload("tap"))
        return set(rabbit.ctl("list_connections", "peer_port").split())

    assert missed() == missed()


def test_who_waits_for_a_queue_in_vain_hears_of_the_queue(
    api: VifAgentAPI, payload: Callable[[str], Vif]
) -> None:
    with pytest.raises(NoQueue):
        api.plug_vif(CONTEXT, "nowhere", INSTANCE, payload("tap"), wait=1.3)


def test_connections_made_before_are_mended(
    rabbit: PrivateRabbit, api: VifAgentAPI, payload: Callable[[str], Vif]
) -> None:
    messaging = transport(rabbit.url)
    try:
        target = oslo_messaging.Target(exchange=bus.EXCHANGE, topic=bus.CAST_TOPIC, server=HERE)
        oslo_messaging.get_rpc_client(messaging, target).cast({}, "plug_vif")
        pool = messaging._driver._connection_pool
        (before,) = [connection for _, connection in pool._items]
        connections.mended(messaging)
        assert pool.get() is before
        assert type(before) is pool.connection_cls
    finally:
        messaging.cleanup()


def test_full_queue_is_told_to_the_sender(
    rabbit: PrivateRabbit, api: VifAgentAPI, payload: Callable[[str], Vif]
) -> None:
    limit = '{"max-length": 1, "overflow": "reject-publish"}'
    rabbit.ctl("set_policy", "--apply-to", "queues", "small", f"^{QUEUE}$", limit)
    try:
        with pytest.raises(NoAnswer, match="the broker does not take it: the queue is full"):
            _plug_some(api, payload("tap"))
    finally:
        rabbit.ctl("clear_policy", "small")


def _plug_some(api: VifAgentAPI, vif: Vif) -> None:
    for _ in range(3):
        api.plug_vif(CONTEXT, HERE, INSTANCE, vif)


def test_only_ours_are_mended() -> None:
    """The bus in memory, and others, are left as they are."""
    made = oslo_messaging.get_rpc_transport(transport("kombu+memory://x").conf, url="fake://")
    VifAgentAPI(transport=made)
