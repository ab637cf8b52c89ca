"""All that was measured, as tables and as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import drain, growth, options, seen, waiters
from bench.cases import CASES
from bench.everything import Results, trees
from bench.guards_table import guards_table
from bench.measure import Figures, median
from bench.osvif import VERSION
from bench.repair_table import repair_table
from bench.side import side_table
from bench.table import FLOOR, NOTES, ROWS, better, noted, table
from bench.targets import Measured, targets_table
from bench.tree import OURS

NOTES_ALONE = {
    options.DRAIN: drain.NOTES,
    options.GROWTH: growth.NOTES,
    options.SEEN: seen.NOTES,
    options.WAITERS: waiters.NOTES,
}


def report(args: argparse.Namespace, results: Results) -> None:
    about = surroundings(args)
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    for name, several in results.runs.items():
        print("\n" + table(CASES[name], medians(several)))
    if results.runs:
        print("", *map(noted, NOTES), sep="\n")
    names = [*trees(args), FLOOR]
    for name, rows in results.alone.items():
        print("\n" + side_table(options.ALONE[name], rows, names, NOTES_ALONE.get(name, ())))
    if results.neutron:
        from bench.neutron import measure

        print("\n" + side_table(measure.TITLE, results.neutron, measure.NAMES, measure.NOTES))
    if results.guards:
        print("\n" + guards_table(results.guards))
    if results.repairs:
        print("\n" + repair_table(results.repairs, args.repair_ports))
    if results.plugs:
        from bench.dropin import dropin_table

        print("\n" + dropin_table(results.plugs, args.lone))
    print("\n" + targets_table(measured(args, results), args))
    if results.failed:
        print("\nFAILED, see above: " + "; ".join(results.failed))
    if args.json:
        write(args.json, about, results)


def measured(args: argparse.Namespace, results: Results) -> Measured:
    cases = {name: medians(several) for name, several in results.runs.items()}
    return Measured(cases, results.alone, results.plugs, tuple(trees(args)))


def write(file: Path, about: dict[str, Any], results: Results) -> None:
    everything = {
        "about": about,
        "cases": {name: as_json(several) for name, several in results.runs.items()},
        "alone": results.alone,
        "guards": {cost.title: (cost.without, cost.guarded) for cost in results.guards},
        "neutron": results.neutron,
        "repairs": results.repairs,
        "os_vif.plug": results.plugs,
        "failed": results.failed,
    }
    file.write_text(json.dumps(everything, indent=1, default=asdict) + "\n")


def medians(runs: Iterable[dict[str, Figures]]) -> dict[str, Figures]:
    gathered: dict[str, list[Figures]] = {}
    for run in runs:
        for who, figures in run.items():
            gathered.setdefault(who, []).append(figures)
    return {who: median(several) for who, several in gathered.items()}


def as_json(runs: Sequence[dict[str, Figures]]) -> dict[str, Any]:
    found = medians(runs)
    return {
        "median": {who: asdict(figures) for who, figures in found.items()},
        "ratios": ratios(found),
        "runs": [{who: asdict(figures) for who, figures in run.items()} for run in runs],
    }


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
        "repeat_alone": args.repeat_alone,
        "bus": args.bus,
        "os_vif": VERSION,
        "os_vif_privsep": "daemon" if args.privsep else "in process",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "openvswitch": ovs.stdout.splitlines()[0].split()[-1] + ", userspace datapath",
        "cpus": os.cpu_count(),
    }
