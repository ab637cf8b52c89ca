"""All cases, all contenders, all repeats, in one place."""

from __future__ import annotations

import argparse
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from bench import drain, growth, memory, options, seen, status, waiters
from bench.agent_side import Agent, MemoryAgent
from bench.cases import CASES, Case
from bench.check import Host
from bench.contender import Contender
from bench.floor_side import Floor
from bench.guards_table import Cost
from bench.measure import Figures, Run
from bench.osvif import OsVif, environment
from bench.place import Place
from bench.repair_table import Repairs
from bench.sender import purge
from bench.side import Rows, merged
from bench.table import FLOOR, THEIRS
from bench.tree import HERE, OURS, Tree, beside

T = TypeVar("T")
#: seconds of one os_vif.plug, by case, then by who
Times = dict[str, dict[str, list[float]]]


@dataclass
class Results:
    """``runs``: by case, of each repeat, by who. ``alone``: by case of vif-agent alone."""

    runs: dict[str, list[dict[str, Figures]]] = field(default_factory=dict)
    alone: dict[str, Rows] = field(default_factory=dict)
    guards: list[Cost] = field(default_factory=list)
    neutron: Rows = field(default_factory=dict)
    repairs: Repairs = field(default_factory=dict)
    plugs: Times = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


def trees(args: argparse.Namespace) -> dict[str, Tree]:
    """Those whose agents take part, by what they are called in the table."""
    both = {OURS: HERE, options.BESIDE: beside(args.beside) if args.beside else HERE}
    return {(tree := both[who]).label: tree for who in both if who in args.contenders}


class Bench:
    def __init__(self, args: argparse.Namespace, here: Place) -> None:
        self.args = args
        self.here = here
        self.host = Host(here.db)
        self.trees = trees(args)
        self.names = [*self.trees, *(who for who in (THEIRS, FLOOR) if who in args.contenders)]

        self.failed: list[str] = []

    def run(self) -> Results:
        results = Results(self.bursts(), failed=self.failed)
        if self.args.bus == "rabbit" and self.trees:
            results.alone = self.alone()
            with self._going_on(options.GUARDS):
                results.guards = self.guards()
            with self._going_on(options.NEUTRON):
                results.neutron = self.neutron()
            with self._going_on(options.REPAIR):
                results.repairs = self.repairs()
            with self._going_on(options.DROPIN):
                results.plugs = self.dropin()
        return results

    @contextmanager
    def _going_on(self, what: str) -> Iterator[None]:
        """One case that fails must not lose what an hour has measured; the next finds no trace."""
        try:
            yield
        except Exception:
            traceback.print_exc()
            self.failed.append(what)
            self.host.wipe()
            if self.args.bus == "rabbit":
                purge(self.here.transport_url)

    def bursts(self) -> dict[str, list[dict[str, Figures]]]:
        """Every repeat starts with another contender, so that none is always the first."""
        names = [name for name in self.args.cases if name in CASES]
        runs: dict[str, list[dict[str, Figures]]] = {name: [] for name in names}
        for turn in range(self.args.repeat):
            for name in names:
                runs[name].append({})
                for who in _rotated(self.names, turn):
                    with self._going_on(f"{name}, {who}"):
                        runs[name][-1][who] = self.go(CASES[name], who)
        return runs

    def go(self, case: Case, who: str) -> Figures:
        """Only the one whose turn it is runs, and it leaves the place as it was."""
        vifs = case.vifs(self.args.ports)
        runner = self.contender(case, who)
        try:
            figures = Run(runner, self.host, case).measure(vifs, self.args.lone)
        finally:
            runner.close()
        left = self.host.sweep(case.shared(vifs))
        return replace(figures, left=len(left))

    def alone(self) -> dict[str, Rows]:
        """The cases of vif-agent alone, each tree's agent after the other's."""
        here, args, floor = self.here, self.args, FLOOR in self.args.contenders
        queued = {"tap": args.drain_tap, "hybrid": args.drain_hybrid}
        of: dict[str, Callable[[Sequence[Tree]], Rows]] = {
            options.DRAIN: lambda who: drain.measure(here, who, floor, queued),
            options.GROWTH: lambda who: growth.measure(here, who, args.ports, args.crowd),
            options.MEMORY: lambda who: memory.measure(here, who, args.full_set),
            options.STATUS: lambda who: status.measure(here, who, args.unplugged),
            options.SEEN: lambda who: seen.measure(
                here, who, args.ports, args.seen_turns, args.crowd
            ),
            options.WAITERS: lambda who: waiters.measure(here, who, args.waiters, args.lone),
        }
        turns = [_rotated(list(self.trees.values()), n) for n in range(args.repeat_alone)]
        found: dict[str, list[Rows]] = {name: [] for name in of if name in args.cases}
        for name, several in found.items():
            for turn in turns:
                with self._going_on(name):
                    several.append(of[name](turn))
        return {name: merged(several) for name, several in found.items() if several}

    def guards(self) -> list[Cost]:
        if options.GUARDS not in self.args.cases or OURS not in self.trees:
            return []
        from bench import flushed, guarded_burst, guards

        burst = guarded_burst.measure(self.here, self.args.ports, self.args.guard_turns)
        flushes = flushed.measure(self.here, flushed.PORTS, self.args.guard_flushes)
        return [*burst, *guards.measure(), *flushes]

    def neutron(self) -> Rows:
        if options.NEUTRON not in self.args.cases:
            return {}
        from bench.neutron import measure

        return measure.measure(self.args.neutron_ports, self.args.neutron_turns)

    def repairs(self) -> Repairs:
        if options.REPAIR not in self.args.cases or OURS not in self.trees:
            return {}
        from bench import repair

        return repair.measure(self.here, self.args.repair_ports, self.args.repair_times)

    def dropin(self) -> Times:
        if options.DROPIN not in self.args.cases or THEIRS not in self.args.contenders:
            return {}
        from bench import dropin

        return dropin.measure(self.here, list(self.trees.values()), self.args.lone)

    def contender(self, case: Case, who: str) -> Contender:
        if who == FLOOR:
            return Floor(case, self.here.db)
        if who == THEIRS:
            python = environment(self.args.os_vif_env)
            return OsVif(python, self.here.db, self.here.scratch, self.args.privsep)
        if self.args.bus == "memory" and who == OURS:
            return MemoryAgent(self.here)
        return Agent(self.here, self.trees[who])


def _rotated(names: Sequence[T], by: int) -> list[T]:
    shift = by % len(names)
    return [*names[shift:], *names[:shift]]
