"""The most memory of the main process, while very many ports come by one full set.

The ports are taps in linux bridges: of these the kernel takes ten thousand in its stride.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bench import usage
from bench.agent_side import agent
from bench.cases import CASES
from bench.check import Host
from bench.drain import clear
from bench.place import Place
from bench.side import Rows, joined
from bench.tree import Tree

CASE = CASES["bridge"]
LONG = 300.0  # seconds; all are done in one go, and told then
PER_NETWORK = 500  # a linux bridge takes 1,023 ports


def title(count: int) -> str:
    return f"peak of memory (RSS), {count} ports by one full set, MB"


def measure(here: Place, trees: Sequence[Tree], count: int) -> Rows:
    rows: Rows = {}
    for tree in trees:
        print(f"  memory, {count} ports: {tree.label}", file=sys.stderr, flush=True)
        vifs, host = CASE.vifs(count, per_network=PER_NETWORK), Host(here.db)
        with agent(here, tree) as ours:
            with ours.daemon.telling():
                took = ours.sender.sync(vifs, LONG)
            peak = usage.peak(ours.daemon.pid)
        joined(rows, tree.label, {title(count): peak, "the same, s until all are ready": took})
        clear(here, host, CASE, vifs)
    return rows
