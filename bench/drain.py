"""Casts wait in the broker's queue, the agent starts: how fast it drains the queue.

The sender's speed and the bus's are not in it. The tools do as many on the same empty host.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from bench.agent_side import agent
from bench.cases import CASES, Case, Vif
from bench.check import Host
from bench.daemon import Daemon
from bench.floor_side import Floor
from bench.place import Place
from bench.sender import Sender
from bench.side import Rows, joined
from bench.table import FLOOR
from bench.tree import Tree

NOTES = (
    "From the first cast that the agent takes in to the last port's notification; and from the "
    "start of its process, Python's imports and the joining of the bus in it. The tools' time is "
    "the same in both rows.",
)


def title(case: str, count: int, since: str) -> str:
    return f"drain of {count} {case}, s since {since}"


TAKEN_IN, STARTED = "the first cast is in", "the start"


def measure(here: Place, trees: Sequence[Tree], floor: bool, ports: Mapping[str, int]) -> Rows:
    """``ports``: how many of each case."""
    rows: Rows = {}
    for name, count in ports.items():
        titles = [title(name, count, since) for since in (TAKEN_IN, STARTED)]
        for tree in trees:
            print(f"  drain, {name}: {tree.label}", file=sys.stderr, flush=True)
            times = _agent(here, tree, CASES[name], count)
            joined(rows, tree.label, dict(zip(titles, times, strict=True)))
        if floor:
            print(f"  drain, {name}: {FLOOR}", file=sys.stderr, flush=True)
            joined(rows, FLOOR, dict.fromkeys(titles, _floor(here, CASES[name], count)))
    return rows


def _agent(here: Place, tree: Tree, case: Case, count: int) -> tuple[float, float]:
    """The queue is there once an agent has been; what is cast then waits for the next."""
    vifs, host = case.vifs(count), Host(here.db)
    with agent(here, tree) as before:
        config = before.daemon.config
    sender = Sender(here.transport_url)
    sender.cast(vifs)
    daemon = Daemon(here, tree, config)
    try:
        with daemon.telling():
            last = sender.ends.wait()
        times = sender.ends.since_taken_in(), last - daemon.begun
        if (settled := host.settle(case, vifs)).wrong:
            raise RuntimeError(f"not plugged: {settled.wrong[:3]}")
    finally:
        sender.close()
        daemon.close()
    clear(here, host, case, vifs)
    return times


def _floor(here: Place, case: Case, count: int) -> float:
    vifs, host = case.vifs(count), Host(here.db)
    seconds = Floor(case, here.db).plug(vifs)
    host.settle(case, vifs)
    clear(here, host, case, vifs)
    return seconds


def clear(here: Place, host: Host, case: Case, vifs: list[Vif]) -> None:
    """With the stock tools, where no agent runs any more."""
    Floor(case, here.db).unplug(vifs)
    host.drain(case, vifs)
    host.sweep(case.shared(vifs))
