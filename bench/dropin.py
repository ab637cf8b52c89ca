"""One `os_vif.plug` as nova-compute waits for it: by os-vif's own plugin, and cast to the agent.

Both in the same environment and with the same objects; the agent's answer over the bus is in it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from bench.agent_side import Agent
from bench.cases import CASES, Case, Vif
from bench.check import Host
from bench.measure import percentile
from bench.place import Place
from bench.sender import HOST
from bench.table import noted
from tests.nova_side import NovaSide
from tests.osvif_specs import Spec, ovs, ovs_hybrid

SPECS: dict[str, Callable[[Vif], Spec]] = {"hybrid": ovs_hybrid, "tap": ovs}
OWN, OURS = "own plugin", "vif-agent"
RANKS = (50, 90, 99)
NOTE = (
    "From the call of os_vif.plug to its return. os-vif's privileged part runs in the calling "
    "process, which is kinder to it than nova is. The drop-in waits for the agent's result: the "
    "bus, the disk and ovs-vswitchd's ofport are in its time."
)

#: seconds by case, then by who
Times = dict[str, dict[str, list[float]]]


def measure(here: Place, count: int) -> Times:
    """``count`` ports one by one, of each case, first by the one, then by the other."""
    return {
        name: {who: _all(here, CASES[name], spec, who, count) for who in (OWN, OURS)}
        for name, spec in SPECS.items()
    }


def _all(here: Place, case: Case, spec: Callable[[Vif], Spec], who: str, count: int) -> list[float]:
    print(f"  os_vif.plug, {case.name}: {who}", file=sys.stderr, flush=True)
    vifs, host = case.vifs(count), Host(here.db)
    agent = Agent(here) if who == OURS else None
    try:
        with _nova(here, who, f"{case.name}-{who.replace(' ', '-')}") as nova:
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


def _nova(here: Place, who: str, name: str) -> NovaSide:
    directory = Path(here.scratch, name)
    directory.mkdir()
    return NovaSide(
        directory,
        here.transport_url,
        take_over=("ovs",) if who == OURS else (),
        host=HOST,
        more=f"[os_vif_ovs]\novsdb_connection = {here.db}\n",
    )


def dropin_table(times: Times, count: int) -> str:
    """A row for each case; ``percentile`` makes milliseconds of seconds."""
    heads = "".join(f"{who} p{rank}".rjust(15) for who in (OWN, OURS) for rank in RANKS)
    lines = [f"os_vif.plug of one port, ms; {count} of each", " " * 8 + heads + "at p50".rjust(10)]
    for name, by_who in times.items():
        figures = [percentile(by_who[who], rank) for who in (OWN, OURS) for rank in RANKS]
        cells = "".join(f"{figure:.1f}".rjust(15) for figure in figures)
        ratio = f"{figures[0] / figures[len(RANKS)]:.2f}x".rjust(10)
        lines.append(name.ljust(8) + cells + ratio)
    return "\n".join([*lines, noted(NOTE)])
