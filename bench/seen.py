"""What it costs to be seen into: a burst with metrics read and history kept, and without."""

from __future__ import annotations

import itertools
import statistics
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.agent_side import Agent, agent
from bench.cases import CASES
from bench.check import Host
from bench.daemon import configure
from bench.place import Place
from bench.side import Rows, joined
from bench.tree import HERE, OURS, Tree

CASE = CASES["tap"]
BURSTS = 4  # of one agent; the first warms up
REST = 1.0  # seconds
SCRAPES = 50
EVERY = 15.0  # seconds between two scrapes, as Prometheus is mostly told
_PATIENCE = 10.0  # seconds for one
_PORT = 9479  # in a network namespace of its own
_ADDRESS = f"http://127.0.0.1:{_PORT}/metrics"
OFF, ON = "off", "on"
MORE = "that is more, % (at most 5)"
NOTES = (
    "Off: no [metrics], and nothing of ports' history is kept. On: a scrape and the text file "
    "once in 15 s, history. Agents of both kinds by turns; plug and unplug of a port together; "
    "the least of all bursts, for what disturbs a machine only adds.",
)
_CONFIG = """
[metrics]
listen = 127.0.0.1:{port}
textfile = {file}
"""


def title(what: str, ports: int) -> str:
    return f"burst of {ports}, metrics and history {what}, CPU ms/port"


def measure(here: Place, trees: Sequence[Tree], ports: int, turns: int, crowd: int) -> Rows:
    """``turns``: agents of either kind; ``crowd``: ports of a scrape. Of this tree alone: others
    are no part of the question."""
    rows: Rows = {}
    if not any(tree == HERE for tree in trees):
        return rows
    kinds: dict[str, Callable[[Place, int], Iterator[float]]] = {OFF: _unseen, ON: _seen}
    found: dict[str, list[float]] = {what: [] for what in kinds}
    for turn, what in itertools.product(range(turns), kinds):
        print(f"  metrics and history {what}, {turn + 1}", file=sys.stderr, flush=True)
        found[what] += kinds[what](here, ports)
    off, on = (min(found[what]) for what in (OFF, ON))
    joined(rows, OURS, {title(OFF, ports): off, title(ON, ports): on, MORE: (on / off - 1) * 100})
    joined(rows, OURS, _scrapes(here, crowd))
    return rows


def _unseen(here: Place, ports: int) -> Iterator[float]:
    command = [str(HERE.python), "-Wignore", "-m", "bench.unseen_side"]
    with agent(here, HERE, command=command) as ours:
        yield from _bursts(ours, here, ports)


def _seen(here: Place, ports: int) -> Iterator[float]:
    with agent(here, HERE, _watched(here)) as ours, _scraped():
        yield from _bursts(ours, here, ports)


def _bursts(ours: Agent, here: Place, ports: int) -> Iterator[float]:
    """CPU of a port in ms, until all is at rest again."""
    vifs, host = CASE.vifs(ports), Host(here.db)
    for burst in range(BURSTS):
        begin = ours.cpu()
        ours.plug(vifs)
        if (settled := host.settle(CASE, vifs)).wrong:
            raise RuntimeError(f"not plugged: {settled.wrong[:3]}")
        ours.unplug(vifs)
        host.drain(CASE, vifs)
        time.sleep(REST)
        if burst:
            yield (ours.cpu() - begin) * 1000 / ports


def _scrapes(here: Place, crowd: int) -> dict[str, float]:
    """Of an agent at rest that has so many ports."""
    vifs, host = CASE.vifs(crowd), Host(here.db)
    with agent(here, HERE, _watched(here)) as ours:
        ours.plug(vifs)
        host.settle(CASE, vifs)
        time.sleep(REST)
        begin, lasted = ours.cpu(), [_scrape() for _ in range(SCRAPES)]
        used = ours.cpu() - begin
        ours.unplug(vifs)
        host.drain(CASE, vifs)
    return {
        f"a scrape with {crowd} ports, ms (at most 20)": statistics.median(lasted) * 1000,
        f"its CPU with {crowd} ports, ms": used * 1000 / SCRAPES,
    }


def _scrape() -> float:
    begin = time.perf_counter()
    with urllib.request.urlopen(_ADDRESS, timeout=_PATIENCE) as answer:
        if not answer.read():
            raise RuntimeError("a scrape says nothing")
    return time.perf_counter() - begin


def _watched(here: Place) -> Path:
    """The configuration of an agent with metrics."""
    config = configure(here)
    with config.open("a") as more:
        more.write(_CONFIG.format(port=_PORT, file=config.with_name("vif-agent.prom")))
    return config


@contextmanager
def _scraped() -> Iterator[None]:
    """By this process, whose CPU does not count."""
    over, read = threading.Event(), 0

    def scrape() -> None:
        nonlocal read
        while not over.is_set():
            with suppress(OSError):
                _scrape()
                read += 1
            over.wait(EVERY)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if not read:
        raise RuntimeError("nobody could read the metrics")
