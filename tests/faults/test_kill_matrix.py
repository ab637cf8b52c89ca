"""SIGKILL of each process that a plug needs, in a storm of casts: the last request of each port
wins.

That includes RabbitMQ with durable queues on both sides. kombu marks each cast as persistent and
oslo.messaging waits for the broker's confirm, which comes when the cast is on disk; a cast whose
confirm was lost is sent again, and known by its id. So the test repeats no cast: each must be in
the agent's store before the next kill.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from tests.support.casting import Site, Vif, wait_for
from tests.support.storms import Storm, strangers
from vif_agent.helper import guards
from vif_agent.testing.host import ScratchHost

CASTS, KILLS, PORTS = 500, 20, 100
_LATEST = 0.12  # seconds from the first cast of a batch to a kill
_RABBIT = {"amqp_durable_queues": True, "kombu_reconnect_delay": 0.1, "rabbit_interval_max": 1}


class Victim(NamedTuple):
    """``works``: does it, or the agent with it, do its part of the storm again?"""

    kill: Callable[[Site], None]
    start: Callable[[Site], None]
    works: Callable[[Storm], bool] = lambda storm: not storm.unstored()


def _start_agent(site: Site) -> None:
    site.daemon.launch()
    site.daemon.wait_for_notice("READY=1", 60)


def _start_agent_when_it_has_ended(site: Site) -> None:
    """As systemd does."""
    assert site.daemon.process
    assert site.daemon.process.wait(30) == 1
    _start_agent(site)


def _start_rabbit(site: Site) -> None:
    site.rabbit.launch()
    site.rabbit.wait_ready()


VICTIMS = {
    "agent": Victim(lambda site: site.daemon.kill(), _start_agent),
    "helper": Victim(
        lambda site: os.kill(site.daemon.helper_pid(), signal.SIGKILL),
        _start_agent_when_it_has_ended,
    ),
    "ovsdb-server": Victim(
        lambda site: site.host.ovs.kill_ovsdb(),
        lambda site: site.host.ovs.start_ovsdb(),
        lambda storm: not storm.unstored() and storm.wired(),
    ),
    "ovs-vswitchd": Victim(
        lambda site: site.host.ovs.kill_vswitchd(),
        lambda site: site.host.ovs.start_vswitchd(),
        lambda storm: not storm.undone(),
    ),
    "rabbitmq": Victim(lambda site: site.rabbit.kill(), _start_rabbit),
}


@pytest.fixture
def site(scratch_with_bus: ScratchHost) -> Iterator[Site]:
    sender = "&".join(f"{option}={value}" for option, value in _RABBIT.items())
    driver = "noop" if guards.lacks() else "nftables"
    options: dict[str, dict[str, object]] = {
        "oslo_messaging_rabbit": {**_RABBIT},
        "firewall": {"driver": driver},
    }
    with Site(scratch_with_bus, "threading", options, f"?{sender}") as running:
        yield running


@pytest.mark.parametrize(
    "name",
    [pytest.param(v, marks=[pytest.mark.broker] if v == "rabbitmq" else []) for v in VICTIMS],
)
def test_storm_with_kills_loses_nothing(
    site: Site, payload: Callable[[str], Vif], figures: Callable[[str], None], name: str
) -> None:
    with strangers(site), ThreadPoolExecutor(1) as sender:
        storm = Storm(site, payload, PORTS)
        hits = [_strike(site, storm, sender, VICTIMS[name]) for _ in range(KILLS)]
        figures(
            f"{name}: {sum(map(bool, hits))} of {KILLS} kills in {CASTS} casts hit {sum(hits)}"
            f" ports on their way (VIF_AGENT_SEED={storm.seed})"
        )
        assert sum(hits), "no kill has hit anything"
        wait_for(lambda: not storm.undone(), "end of the storm", 60)
        storm.verify()


def _strike(site: Site, storm: Storm, sender: ThreadPoolExecutor, victim: Victim) -> int:
    """Kill amid the casts, cast on, start it again; how many ports were on their way."""
    batch = CASTS // KILLS
    first = sender.submit(storm.cast, batch // 2)
    time.sleep(storm.pauses.uniform(0, _LATEST))  # the random moment: nothing to wait for
    victim.kill(site)
    hit = len(storm.undone())
    rest = sender.submit(storm.cast, batch - batch // 2)
    victim.start(site)
    first.result(60)
    rest.result(60)
    wait_for(lambda: victim.works(storm), "sign of life", 60)
    return hit
