"""All agents lose their broker at the same moment, and must not come back at the same moment."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path

from oslo_config import cfg

from vif_agent.bus import pauses, transport
from vif_agent.l2_agent.errand import Errand
from vif_agent.l2_agent.server import NotAnswered

RABBIT = "oslo_messaging_rabbit"


def options(*lines: str, directory: Path) -> tuple[float, int]:
    """Delay and backoff of an agent that starts with these."""
    file = directory / "agent.conf"
    file.write_text("\n".join((f"[{RABBIT}]", *lines)) + "\n")
    conf = cfg.ConfigOpts()
    transport.set_defaults(conf)
    conf(["--config-file", str(file)], project="vif-agent")
    group = conf.oslo_messaging_rabbit
    return group.kombu_reconnect_delay, group.rabbit_retry_backoff


def test_each_start_has_its_own_pauses_before_it_reconnects(tmp_path: Path) -> None:
    some = [options(directory=tmp_path) for _ in range(200)]
    delays = [delay for delay, _ in some]
    assert min(delays) >= 0.5
    assert max(delays) <= 1.5
    assert max(delays) - min(delays) > 0.7
    assert len(set(delays)) > 190
    assert {backoff for _, backoff in some} == {1, 2, 3}


def test_what_the_operator_says_wins(tmp_path: Path) -> None:
    lines = ("kombu_reconnect_delay = 2.5", "rabbit_retry_backoff = 7")
    assert {options(*lines, directory=tmp_path) for _ in range(5)} == {(2.5, 7)}


def test_pauses_of_agents_are_others() -> None:
    some = [pauses.spread(10) for _ in range(500)]
    assert 5 <= min(some) < 7
    assert 13 < max(some) <= 15
    assert max(pauses.anywhere(30) for _ in range(500)) > 25
    assert min(pauses.anywhere(30) for _ in range(500)) < 5


def test_errand_that_fails_is_tried_again_at_moments_of_its_own() -> None:
    """Twenty that fail at the same moment."""
    tried: list[list[float]] = [[] for _ in range(20)]
    over = threading.Barrier(21)

    def run(times: list[float]) -> float:
        times.append(time.monotonic())
        if len(times) == 2:
            over.wait(60)
            return 1000.0
        raise NotAnswered("nobody is there")

    errands = [
        Errand(partial(run, times), lambda _: None, apart=0.01, name=f"errand-{n}")
        for n, times in enumerate(tried)
    ]
    for errand in errands:
        errand.begin()
    over.wait(60)
    for errand in errands:
        errand.end()
    paused = sorted(second - first for first, second in tried)
    assert paused[0] >= 0.5
    assert paused[-1] - paused[0] > 0.3
