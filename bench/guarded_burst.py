"""A burst of plugs into linux bridges, by an agent that guards them and by one that does not."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable

from bench.agent_side import agent
from bench.cases import CASES
from bench.check import Host
from bench.daemon import configure
from bench.guards_table import BURST_MORE, Cost, Goal, at_least, more_at_most
from bench.measure import Run, Timed
from bench.place import Place
from bench.tree import HERE

CASE = CASES["bridge"]
DRIVERS = ("noop", "nftables")
BURSTS = 2  # of each agent
OPTIONS = """
[firewall]
driver = {driver}
unknown_pairs = strict
"""


def measure(here: Place, count: int, turns: int) -> list[Cost]:
    taken: dict[str, list[Timed]] = {driver: [] for driver in DRIVERS}
    for turn in range(turns):
        for driver in DRIVERS[:: 1 if turn % 2 else -1]:
            taken[driver] += _bursts(here, driver, count)
    burst = f"burst of {count} linux bridge"
    rows: list[tuple[str, Callable[[Timed], float], Goal | None]] = [
        ("plugs, CPU ms/port", lambda t: t.plug_cpu * 1000 / count, more_at_most(BURST_MORE)),
        ("plugs, ports/s", lambda t: count / t.plugs[0], at_least(1 - BURST_MORE)),
        ("unplugs, CPU ms/port", lambda t: t.unplug_cpu * 1000 / count, None),
    ]
    costs = []
    for what, of, goal in rows:
        without, guarded = (statistics.median(map(of, taken[driver])) for driver in DRIVERS)
        costs.append(Cost(f"{burst} {what}", without, guarded, goal))
    return costs


def _bursts(here: Place, driver: str, count: int) -> list[Timed]:
    print(f"  guards, bursts of {count}: {driver}", file=sys.stderr, flush=True)
    config, vifs, host = configure(here), CASE.vifs(count), Host(here.db)
    with config.open("a") as file:
        file.write(OPTIONS.format(driver=driver))
    with agent(here, HERE, config) as ours:
        run = Run(ours, host, CASE)
        run.both(vifs[:1], one_by_one=False)
        taken = [run.both(vifs, one_by_one=False) for _ in range(BURSTS)]
    host.sweep(CASE.shared(vifs))
    return taken
