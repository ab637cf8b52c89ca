"""`scripts/bench`: vif-agent, os-vif and the floor, side by side in one namespace."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cases import CASES, Case
from bench.check import Host
from bench.contender import Contender
from bench.floor_side import Floor
from bench.measure import Figures, Run, median
from bench.osvif import VERSION, OsVif, environment
from bench.place import Place, place
from bench.repair_table import Repairs, repair_table
from bench.table import FLOOR, NOTES, OURS, ROWS, THEIRS, better, noted, table

if TYPE_CHECKING:
    from bench.dropin import Times

ROOT = Path(__file__).resolve().parent.parent
BUSY = 0.5
NAMES = (OURS, THEIRS, FLOOR)
REPAIR = "repair"  # a case of vif-agent alone, over RabbitMQ
DROPIN = "os_vif.plug"  # os-vif's own plugin and ours in its place, over RabbitMQ


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    add = parser.add_argument
    add("-n", "--ports", type=int, default=200, help="ports in a burst (default 200)")
    add("--lone", type=int, default=50, help="ports plugged one by one (default 50)")
    add("--repeat", type=int, default=1, help="runs; each figure is the median of them")
    cases = [*CASES, REPAIR, DROPIN]
    add("--cases", nargs="+", choices=cases, default=cases, help="'repair' is vif-agent's alone")
    add("--repair-ports", type=int, default=500, help="ports while it is repaired (default 500)")
    add("--repair-times", type=int, default=40, help="deletions to repair (default 40)")
    add("--contenders", nargs="+", choices=NAMES, default=list(NAMES))
    add("--bus", choices=("rabbit", "memory"), default="rabbit", help="how vif-agent is asked")
    add("--privsep", action="store_true", help="os-vif through its privsep daemon, as nova has it")
    add("--os-vif-env", type=Path, default=ROOT / ".venv-bench", help="os-vif's own environment")
    add("--json", type=Path, metavar="FILE", help="write everything measured there too")
    return parser.parse_args(words)


class Bench:
    """All cases, all contenders, all repeats, in one place."""

    def __init__(self, args: argparse.Namespace, here: Place) -> None:
        self.args = args
        self.here = here
        self.host = Host(here.db)

    def run(self) -> dict[str, list[dict[str, Figures]]]:
        """Every repeat starts with another contender, so that none is always the first."""
        names = [name for name in self.args.cases if name in CASES]
        runs: dict[str, list[dict[str, Figures]]] = {name: [] for name in names}
        for turn in range(self.args.repeat):
            for name in names:
                order = _rotated(self.args.contenders, turn)
                runs[name].append({who: self.go(CASES[name], who) for who in order})
        return runs

    def go(self, case: Case, who: str) -> Figures:
        """Only the one whose turn it is runs, and it leaves the place as it was."""
        vifs = case.vifs(self.args.ports)
        runner = self.contender(case, who)
        try:
            figures = Run(runner, self.host, case).measure(vifs, self.args.lone)
        finally:
            runner.close()
        shared = {vif["network"]["bridge"] for vif in vifs} if case.name == "bridge" else set()
        left = self.host.sweep(shared)
        return replace(figures, left=len(left))

    def repairs(self) -> Repairs:
        """None measured unless vif-agent takes part, over RabbitMQ."""
        if REPAIR not in self.args.cases or OURS not in self.args.contenders:
            return {}
        if self.args.bus != "rabbit":
            return {}
        from bench import repair

        return repair.measure(self.here, self.args.repair_ports, self.args.repair_times)

    def dropin(self) -> Times:
        if DROPIN not in self.args.cases or self.args.bus != "rabbit":
            return {}
        if not {OURS, THEIRS} <= set(self.args.contenders):
            return {}
        from bench import dropin

        return dropin.measure(self.here, self.args.lone)

    def contender(self, case: Case, who: str) -> Contender:
        if who == FLOOR:
            return Floor(case, self.here.db)
        if who == THEIRS:
            python = environment(self.args.os_vif_env)
            return OsVif(python, self.here.db, self.here.scratch, self.args.privsep)
        from bench.agent_side import Agent, MemoryAgent

        return Agent(self.here) if self.args.bus == "rabbit" else MemoryAgent(self.here)


def _rotated(names: Sequence[str], by: int) -> list[str]:
    shift = by % len(names)
    return [*names[shift:], *names[:shift]]


def medians(runs: Iterable[dict[str, Figures]]) -> dict[str, Figures]:
    gathered: dict[str, list[Figures]] = {}
    for run in runs:
        for who, figures in run.items():
            gathered.setdefault(who, []).append(figures)
    return {who: median(several) for who, several in gathered.items()}


def ratios(figures: dict[str, Figures]) -> dict[str, dict[str, float | None]]:
    """vif-agent against each of the others, how many times better."""
    if OURS not in figures:
        return {}
    ours = asdict(figures[OURS])
    rivals = {who: asdict(theirs) for who, theirs in figures.items() if who != OURS}
    return {
        who: {field: better(ours[field], theirs[field], field) for _, field in ROWS}
        for who, theirs in rivals.items()
    }


def surroundings(args: argparse.Namespace) -> dict[str, Any]:
    """What the figures depend on."""
    ovs = subprocess.run(["ovs-vswitchd", "--version"], capture_output=True, text=True, check=True)
    return {
        "ports": args.ports,
        "lone": args.lone,
        "repeat": args.repeat,
        "bus": args.bus,
        "os_vif": VERSION,
        "os_vif_privsep": "daemon" if args.privsep else "in process",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "openvswitch": ovs.stdout.splitlines()[0].split()[-1] + ", userspace datapath",
        "cpus": os.cpu_count(),
    }


def report(
    args: argparse.Namespace,
    runs: dict[str, list[dict[str, Figures]]],
    repairs: Repairs,
    plugs: Times,
) -> None:
    about = surroundings(args)
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    for name, several in runs.items():
        print("\n" + table(CASES[name], medians(several)))
    if runs:
        print("", *map(noted, NOTES), sep="\n")
    if repairs:
        print("\n" + repair_table(repairs, args.repair_ports))
    if plugs:
        from bench.dropin import dropin_table

        print("\n" + dropin_table(plugs, args.lone))
    if args.json:
        cases = {name: as_json(several) for name, several in runs.items()}
        everything = {"about": about, "cases": cases, "repairs": repairs, "os_vif.plug": plugs}
        args.json.write_text(json.dumps(everything, indent=1, default=asdict) + "\n")


def as_json(runs: list[dict[str, Figures]]) -> dict[str, Any]:
    found = medians(runs)
    return {
        "median": {who: asdict(figures) for who, figures in found.items()},
        "ratios": ratios(found),
        "runs": [{who: asdict(figures) for who, figures in run.items()} for run in runs],
    }


def main() -> None:
    """Ends with 1 if vif-agent left anything wrong, however fast it was."""
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what we started is ended
    warnings.simplefilter("ignore")  # oslo's imports warn that eventlet is deprecated
    if (load := os.getloadavg()[0]) > BUSY:
        print(f"The machine is busy (load {load}): expect poorer figures.", file=sys.stderr)
    if THEIRS in args.contenders:
        environment(args.os_vif_env)
    with place(rabbit=OURS in args.contenders and args.bus == "rabbit") as here:
        bench = Bench(args, here)
        runs, repairs, plugs = bench.run(), bench.repairs(), bench.dropin()
    report(args, runs, repairs, plugs)
    ours = [run[OURS] for several in runs.values() for run in several if OURS in run]
    sys.exit(any(figures.wrong for figures in ours))


if __name__ == "__main__":
    main()
