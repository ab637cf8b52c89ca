"""Measuring one contender in one case, and the figures that come of it."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields

from bench.cases import Case, Vif
from bench.check import Host, Wait
from bench.contender import Contender

REST = 0.5  # seconds


@dataclass(frozen=True)
class Figures:
    """Rates in ports a second, the rest in milliseconds.

    `settle` and `drain` are how long after "done" the burst was in truth plugged, unplugged;
    `wrong` is how many things were not so even ten seconds after the last that came right, and
    `left` is how many devices were left when the contender had ended. `plug_cpu` and `unplug_cpu`
    are a port's share of the CPU, user and system, of the contender's processes in the burst.
    """

    plug_rate: float
    unplug_rate: float
    settle: float
    drain: float
    lone_plug_p50: float
    lone_plug_p99: float
    lone_unplug_p50: float
    lone_unplug_p99: float
    plug_cpu: float
    unplug_cpu: float
    wrong: float = 0.0
    left: float = 0.0


@dataclass(frozen=True)
class Timed:
    """Seconds of each request, and what the host said afterwards."""

    plugs: list[float]
    settle: Wait
    unplugs: list[float]
    drain: Wait
    plug_cpu: float
    unplug_cpu: float

    @property
    def wrong(self) -> tuple[str, ...]:
        return self.settle.wrong + self.drain.wrong


@dataclass(frozen=True)
class Run:
    """One contender's go at one case: what it needs and what it is asked to do."""

    runner: Contender
    host: Host
    case: Case

    def measure(self, vifs: list[Vif], lone: int) -> Figures:
        """A burst of all, then some one by one, after one port that warms everything up."""
        self.both(vifs[:1], one_by_one=False)
        self._say(f"burst of {len(vifs)}")
        burst = self.both(vifs, one_by_one=False)
        self._say(f"{lone} one by one")
        few = self.both(vifs[:lone], one_by_one=True)
        return Figures(
            plug_rate=len(vifs) / burst.plugs[0],
            unplug_rate=len(vifs) / burst.unplugs[0],
            settle=burst.settle.seconds * 1000,
            drain=burst.drain.seconds * 1000,
            lone_plug_p50=percentile(few.plugs, 50),
            lone_plug_p99=percentile(few.plugs, 99),
            lone_unplug_p50=percentile(few.unplugs, 50),
            lone_unplug_p99=percentile(few.unplugs, 99),
            plug_cpu=burst.plug_cpu * 1000 / len(vifs),
            unplug_cpu=burst.unplug_cpu * 1000 / len(vifs),
            wrong=float(len(burst.wrong) + len(few.wrong)),
        )

    def both(self, vifs: list[Vif], one_by_one: bool) -> Timed:
        """Plug, wait until it is so, unplug, wait until it is so."""
        batches = [[vif] for vif in vifs] if one_by_one else [vifs]
        begin = self.runner.cpu()
        plugs = [self.runner.plug(batch) for batch in batches]
        settle = self.host.settle(self.case, vifs)
        plugged = self._cpu_at_rest()
        unplugs = [self.runner.unplug(batch) for batch in batches]
        drain = self.host.drain(self.case, vifs)
        unplugged = self._cpu_at_rest()
        timed = Timed(plugs, settle, unplugs, drain, plugged - begin, unplugged - plugged)
        if timed.wrong:
            self._say(f"{len(timed.wrong)} things stay wrong: {', '.join(timed.wrong[:3])} ...")
        return timed

    def _cpu_at_rest(self) -> float:
        """What is done after "done" counts too: echoes, what is written late."""
        time.sleep(REST)
        return self.runner.cpu()

    def _say(self, what: str) -> None:
        print(f"  {self.case.name}, {self.runner.name}: {what}", file=sys.stderr, flush=True)


def median(runs: Sequence[Figures]) -> Figures:
    """Figure by figure."""
    names = [field.name for field in fields(Figures)]
    return Figures(*(statistics.median(getattr(run, name) for run in runs) for name in names))


def percentile(seconds: Sequence[float], rank: int) -> float:
    """By nearest rank, in milliseconds."""
    ordered = sorted(seconds)
    return ordered[math.ceil(len(ordered) * rank / 100) - 1] * 1000
