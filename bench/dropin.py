"""One `os_vif.plug` as nova-compute waits for it: by os-vif's own plugin, and cast to the agent.

Both in the same environment and with the same objects; the agent's answer over the bus is in it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.agent_side import Agent
from bench.cases import CASES, Case, Vif
from bench.check import Host
from bench.everything import Times
from bench.measure import percentile
from bench.place import Place
from bench.sender import HOST
from bench.table import noted
from bench.targets import OWN
from bench.tree import HERE, Tree
from tests.support.nova_side import NovaSide
from tests.support.osvif_specs import Spec, ovs, ovs_hybrid

SPECS: dict[str, Callable[[Vif], Spec]] = {"hybrid": ovs_hybrid, "tap": ovs}
RANKS = (50, 90, 99)
NOTE = (
    "From the call of os_vif.plug to its return. os-vif's privileged part runs in the calling "
    "process, which is kinder to it than nova is. The drop-in waits for the agent's result: the "
    "bus, the disk and ovs-vswitchd's ofport are in its time."
)


def measure(here: Place, trees: Sequence[Tree], count: int) -> Times:
    """``count`` ports one by one, of each case, first by os-vif's own, then by each agent."""
    return {
        name: {
            tree.label if tree else OWN: _all(here, CASES[name], spec, tree, count)
            for tree in (None, *trees)
        }
        for name, spec in SPECS.items()
    }


def _all(
    here: Place, case: Case, spec: Callable[[Vif], Spec], tree: Tree | None, count: int
) -> list[float]:
    """``tree`` is None for os-vif's own plugin."""
    print(f"  os_vif.plug, {case.name}: {tree.label if tree else OWN}", file=sys.stderr, flush=True)
    vifs, host = case.vifs(count), Host(here.db)
    agent = Agent(here, tree) if tree else None
    try:
        with _nova(here, tree) as nova:
            nova.initialize()
            nova.ask("privileged_here")
            times = [nova.plug(spec(vif)) for vif in vifs]
            nova.unplug(*map(spec, vifs))
        host.drain(case, vifs)
    finally:
        if agent:
            agent.close()
    host.sweep(set())
    return times


def _nova(here: Place, tree: Tree | None) -> NovaSide:
    directory = Path(tempfile.mkdtemp(dir=here.scratch))
    return NovaSide(
        directory,
        here.transport_url,
        take_over=("ovs",) if tree else (),
        host=HOST,
        more=f"[os_vif_ovs]\novsdb_connection = {here.db}\n",
        python=(tree or HERE).nova_python,
    )


def dropin_table(times: Times, count: int) -> str:
    """``percentile`` makes milliseconds of seconds; the last column is how often faster."""
    lines = [f"os_vif.plug of one port, ms; {count} of each"]
    lines.append(" " * 24 + "".join(f"p{rank}".rjust(8) for rank in RANKS) + "at p50".rjust(10))
    for name, by_who in times.items():
        own = percentile(by_who[OWN], 50)
        for who, seconds in by_who.items():
            cells = "".join(f"{percentile(seconds, rank):.1f}".rjust(8) for rank in RANKS)
            ratio = f"{own / percentile(seconds, 50):.2f}x".rjust(10)
            lines.append(f"{name}, {who}".ljust(24) + cells + (ratio if who != OWN else ""))
    return "\n".join([*lines, noted(NOTE)])
