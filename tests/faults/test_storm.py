"""SIGKILL of the agent at random moments of a storm of casts: the last request of each port
wins."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.casting import MODES, Site, Vif
from tests.support.storms import Storm
from vif_agent.testing.host import ScratchHost

LOG = logging.getLogger(__name__)

CASTS, KILLS, PORTS = 300, 10, 60


@pytest.fixture(params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, request.param) as running:
        yield running


def test_storm_with_kills_loses_nothing(
    site: Site, payload: Callable[[str], Vif], figures: Callable[[str], None]
) -> None:
    storm, hits = Storm(site, payload, PORTS), 0
    for _ in range(KILLS):
        storm.cast(CASTS // KILLS // 2)  # from the second time on, while the agent starts
        site.daemon.wait_for_notice("READY=1", 60)
        storm.cast(CASTS // KILLS // 2)
        hits += _kill(site, storm)
        site.daemon.launch()
    site.daemon.wait_for_notice("READY=1", 60)
    site.settled()
    figures(
        f"agent, {site.concurrency}: {KILLS} kills in {CASTS} casts hit {hits} ports on their way"
        f" (VIF_AGENT_SEED={storm.seed})"
    )
    assert hits, "no kill has hit anything"
    storm.verify()


def _kill(site: Site, storm: Storm) -> int:
    """How much was on its way, so that it is seen that the kill has hit something."""
    after = storm.pauses.uniform(0, 0.25)
    time.sleep(after)  # the random moment itself: there is nothing to wait for
    site.daemon.kill()
    unstored, undone = len(storm.unstored()), len(storm.undone())
    LOG.warning("killed after %.3f s: %d ports undone, %d not stored", after, undone, unstored)
    return undone
