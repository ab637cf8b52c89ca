"""`scripts/bench --profile`: which rooms of the agent use its CPU in a burst of plugs."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bench.agent_side import Agent
from bench.cases import CASES, Case
from bench.check import Host
from bench.place import Place
from bench.table import noted
from bench.tree import Tree

SAMPLER = Path(__file__).with_name("sampler.py")
FLUSHED = 1.0  # seconds until what was sampled is written
LEAST = 0.01  # share of what has a row of its own
NOTE = (
    "Room: the folder of the innermost frame of ours, whatever library it calls; the helper's are "
    "marked. Package: of the innermost frame of all. Shares are sampled, the sums are those of the "
    "kernel; the sampler's own time is left out, but not what its haste costs the others."
)


class Sample(NamedTuple):
    process: str
    thread: str
    room: str
    function: str
    package: str


@dataclass(frozen=True)
class Process:
    """As the sampler writes it."""

    process: str
    spent: float
    seen: list[Any]


def _room(sample: Sample) -> str:
    """What has no frame of ours is a thread of a library."""
    room = sample.room or f"({sample.package})"
    return f"{room}, helper" if sample.process == "helper" else room


Sums = dict[Sample, float]
View = Callable[[Sample], str]
VIEWS: dict[str, View] = {
    "room": _room,
    "thread": lambda sample: f"{sample.process}: {sample.thread}",
    "package": lambda sample: sample.package,
    "function of ours": lambda sample: sample.function or f"({sample.package})",
}


def profiles(here: Place, trees: Sequence[Tree], args: argparse.Namespace) -> str:
    """For each case of ports what every tree's agent spends, in one table each way of counting."""
    cases = [case for name, case in CASES.items() if name in args.cases]
    return "\n\n".join(_case(here, trees, case, args) for case in cases)


def _case(here: Place, trees: Sequence[Tree], case: Case, args: argparse.Namespace) -> str:
    count, repeat, crowd = args.ports, args.repeat, args.profile_on
    sums: dict[str, Sums] = {tree.label: defaultdict(float) for tree in trees}
    for tree in [*trees] * repeat:
        print(f"  profile, {case.name}: {tree.label}", file=sys.stderr, flush=True)
        for sample, spent in _burst(here, tree, case, count, crowd).items():
            sums[tree.label][sample] += spent
    head = f"{case.title}: {repeat} bursts of {count} on {crowd} ports, ms of CPU a port and share"
    tables = [_table(title, sums, view, count * repeat) for title, view in VIEWS.items()]
    return "\n\n".join([head, *tables, noted(NOTE)])


def _burst(here: Place, tree: Tree, case: Case, count: int, crowd: int) -> Sums:
    out = here.scratch / f"profile-{time.monotonic_ns()}"
    vifs, host = case.vifs(crowd + 1 + count), Host(here.db)
    ours = Agent(here, tree, command=[str(tree.python), str(SAMPLER), str(out)])
    try:
        ours.plug(vifs[: crowd + 1])
        time.sleep(FLUSHED)
        before = _read(out)
        ours.plug(vifs[crowd + 1 :])
        host.settle(case, vifs)
        time.sleep(FLUSHED)
        used = _read(out)
        ours.unplug(vifs)
        host.drain(case, vifs)
    finally:
        ours.close()
    host.sweep(case.shared(vifs))
    return _scaled(before, used)


def _read(out: Path) -> list[Process]:
    files = out.parent.glob(f"{out.name}.*[0-9]")
    return [Process(**json.loads(file.read_text())) for file in sorted(files)]


def _scaled(before: Sequence[Process], after: Sequence[Process]) -> Sums:
    """What was seen stands for all that was spent."""
    sums: Sums = {}
    for then, now in zip(before, after, strict=True):
        known = {tuple(key): seconds for *key, seconds in then.seen}
        seen = {tuple(key): seconds - known.get(tuple(key), 0.0) for *key, seconds in now.seen}
        scale = (now.spent - then.spent) / sum(seen.values())
        sums |= {Sample(now.process, *key): seen[key] * scale for key in seen}
    return sums


def _table(title: str, sums: dict[str, Sums], view: View, count: int) -> str:
    """The largest of the first agent's come first."""
    by_name = {who: _summed(some, view) for who, some in sums.items()}
    whole = {who: sum(some.values()) for who, some in by_name.items()}
    lines = [title.ljust(52) + "".join(who.rjust(20) for who in by_name)]
    for row in _rows(by_name.values(), whole.values()):
        cells = (_cell(by_name[who].get(row, 0.0), whole[who], count) for who in by_name)
        lines.append(row.ljust(52) + "".join(cells))
    cells = (_cell(whole[who], whole[who], count) for who in by_name)
    return "\n".join([*lines, "all".ljust(52) + "".join(cells)])


def _summed(sums: Sums, view: View) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for sample, spent in sums.items():
        found[view(sample)] += spent
    return found


def _rows(several: Iterable[dict[str, float]], whole: Iterable[float]) -> list[str]:
    shares: dict[str, float] = defaultdict(float)
    for some, all_of_it in zip(several, whole, strict=True):
        for row, spent in some.items():
            shares[row] = max(shares[row], spent / all_of_it)
    order = sorted(shares, key=lambda row: -shares[row])
    return [row for row in order if shares[row] >= LEAST]


def _cell(spent: float, whole: float, count: int) -> str:
    return f"{spent * 1000 / count:.3f} {spent / whole:>8.1%}".rjust(20)
