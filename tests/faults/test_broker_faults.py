"""What a broker or its operator does to the agent's queue, in a storm of casts: in the end the host
equals the requests, and nothing was told that is not so.

A queue that is deleted or purged loses the casts that were in it, by definition, and an exchange
without queue drops what comes; so there the sender asks anew for each port whose last request has
not reached the store. Where the broker loses nothing, nothing is asked for twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import kombu
import pytest
from amqp.exceptions import NotFound

from tests.support.casting import MODES, QUEUE, Site, Vif, wait_for
from tests.support.operating import frozen
from tests.support.storms import Storm, strangers
from vif_agent.testing.host import ScratchHost

pytestmark = pytest.mark.broker

CASTS, STRIKES, PORTS = 80, 4, 30
_RABBIT = {"amqp_durable_queues": True, "kombu_reconnect_delay": 0.1, "rabbit_interval_max": 1}


More = Callable[[], object]  # sends the rest of the casts, in another thread


def _delete(site: Site, more: More) -> None:
    more()
    with _channel(site) as channel:
        channel.queue_delete(QUEUE)


def _purge(site: Site, more: More) -> None:
    """With what the agent was delivered: its channel ends first. It stores that all the same, as it
    is on the way to it already; so as a rule nothing is to be asked for again."""
    with frozen(site.daemon):
        more()
        wait_for(lambda: site.rabbit.queue_length(QUEUE) > 0, "casts")
        site.rabbit.ctl("close_all_connections", "test")
        wait_for(lambda: _declared(site).message_count > 0, "casts that nobody has in hand")
        with _channel(site) as channel:
            assert channel.queue_purge(QUEUE) > 0


def _redeclare(site: Site, more: More) -> None:
    answer = len(site.daemon.log())
    with frozen(site.daemon), _channel(site) as channel:
        more()
        channel.queue_delete(QUEUE)
        channel.queue_declare(QUEUE, durable=False, auto_delete=False)
    wait_for(lambda: f"queue {QUEUE} (vhost /) was" in site.daemon.log()[answer:], "the word of it")
    with _channel(site) as channel:
        channel.queue_delete(QUEUE)


def _alarm(site: Site, more: More) -> None:
    with site.rabbit.alarm():
        more()


def _time_out(site: Site, more: More) -> None:
    """consumer_timeout: the agent has casts in hand and does nothing with them."""
    with frozen(site.daemon):
        more()
        wait_for(lambda: _consumers(site) == 0, "the end of the broker's patience")


def _consumers(site: Site) -> int:
    with contextlib.suppress(NotFound):
        return int(_declared(site).consumer_count)
    return 0


def _declared(site: Site) -> Any:
    with _channel(site) as channel:
        return channel.queue_declare(QUEUE, passive=True)


@contextlib.contextmanager
def _channel(site: Site) -> Iterator[Any]:
    untyped: Any = kombu
    with untyped.Connection(site.rabbit.url.replace("rabbit://", "amqp://")) as connection:
        yield connection.default_channel


class Fault(NamedTuple):
    happens: Callable[[Site, More], None]
    loses: bool = False


FAULTS = {
    "queue deleted": Fault(_delete, loses=True),
    "queue purged": Fault(_purge, loses=True),
    "queue redeclared otherwise": Fault(_redeclare, loses=True),
    "alarm": Fault(_alarm),
    "consumer_timeout": Fault(_time_out),
}


@pytest.fixture(scope="module")
def impatient(scratch_with_bus: ScratchHost) -> ScratchHost:
    """Its broker waits three seconds for an acknowledgement, where it is half an hour."""
    assert scratch_with_bus.rabbit
    for name, value in {"consumer_timeout": 3000, "channel_tick_interval": 500}.items():
        scratch_with_bus.rabbit.ctl("eval", f"application:set_env(rabbit, {name}, {value}).")
    return scratch_with_bus


@pytest.fixture(params=MODES)
def site(request: pytest.FixtureRequest, impatient: ScratchHost) -> Iterator[Site]:
    sender = "&".join(f"{option}={value}" for option, value in _RABBIT.items())
    options = {"oslo_messaging_rabbit": _RABBIT}
    with Site(impatient, request.param, options, f"?{sender}") as running:
        yield running


@pytest.mark.parametrize("name", FAULTS)
def test_storm_with_faults_of_the_broker_ends_as_asked_for(
    site: Site, payload: Callable[[str], Vif], figures: Callable[[str], None], name: str
) -> None:
    fault = FAULTS[name]
    with strangers(site), ThreadPoolExecutor(1) as sender:
        storm = Storm(site, payload, PORTS)
        again = [_strike(site, storm, sender, fault) for _ in range(STRIKES)]
        asked = f"{sum(again)} wishes asked for again" if fault.loses else "none asked for again"
        figures(f"{name}, {site.concurrency}: {STRIKES} times in {CASTS} casts, {asked}"
                f" (VIF_AGENT_SEED={storm.seed})")  # fmt: skip
        wait_for(lambda: not storm.undone(), "end of the storm")
        storm.verify()


def _strike(site: Site, storm: Storm, sender: ThreadPoolExecutor, fault: Fault) -> int:
    """The fault amid the casts; how many had to be asked for again."""
    half = CASTS // STRIKES // 2
    casts = [sender.submit(storm.cast, half)]
    fault.happens(site, lambda: casts.append(sender.submit(storm.cast, half)))
    for each in casts:
        each.result(60)
    wait_for(lambda: _consumers(site) == 1, "the agent on its queue")
    if fault.loses:
        wait_for(lambda: site.rabbit.queue_length(QUEUE) == 0, "an empty queue")
        return storm.ask_again()
    wait_for(lambda: not storm.unstored(), "all wishes in the store")
    return 0
