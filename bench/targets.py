"""What issue 11 set out to reach, as one table: what was measured in this run against it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from bench import drain, growth, memory, options, status
from bench.measure import Figures, percentile
from bench.side import Rows
from bench.table import FLOOR, THEIRS
from bench.tree import OURS

OWN = "own plugin"  # of os-vif
LESS, MORE = "<=", ">="
TITLES = {"tap": "direct with tap", "hybrid": "hybrid", "bridge": "linux bridge"}


@dataclass(frozen=True)
class Measured:
    """The medians of one run: by case, then by who or by row."""

    cases: Mapping[str, Mapping[str, Figures]]
    alone: Mapping[str, Rows]
    plugs: Mapping[str, Mapping[str, list[float]]]
    agents: tuple[str, ...]  # ours first, then the one before it, if any

    @property
    def before(self) -> str:
        return next((who for who in self.agents if who != OURS), "")


@dataclass(frozen=True)
class Target:
    """``value``: of the agent of this name; KeyError where it was not measured."""

    title: str
    bound: str
    limit: float
    value: Callable[[Measured, str], float]

    def reached(self, value: float) -> bool:
        return value <= self.limit if self.bound == LESS else value >= self.limit


def targets(args: argparse.Namespace) -> Iterator[Target]:
    """In the order of the issue's table."""
    what = f"CPU against tools, burst of {args.ports}"
    yield from _of_cases(what, LESS, {"tap": 4, "hybrid": 2.2, "bridge": 4}, "plug_cpu", FLOOR)
    what = f"burst of {args.ports} plugs"
    limits = {"hybrid": 20, "tap": 8, "bridge": 1.5}
    yield from _of_cases(f"{what} against os-vif", MORE, limits, "plug_rate", THEIRS)
    limits = {"hybrid": 0.6, "tap": 0.4, "bridge": 0.25}
    yield from _of_cases(f"{what} against tools", MORE, limits, "plug_rate", FLOOR)
    for case, count in (("tap", args.drain_tap), ("hybrid", args.drain_hybrid)):
        what = f"drain of {count} against tools, since {drain.TAKEN_IN}: {TITLES[case]}"
        yield Target(what, MORE, 0.8, _tools_over(drain.title(case, count, drain.TAKEN_IN)))
    for case, limit in (("hybrid", 0.5), ("tap", 1.0)):
        title = f"os_vif.plug against os-vif's own, p50: {TITLES[case]}"
        yield Target(title, LESS, limit, _dropin(case))
    limits = {"hybrid": 1.1, "tap": 1.1, "bridge": 2.5}
    yield from _of_cases("lone plug p50 against tools", LESS, limits, "lone_plug_p50", FLOOR)
    yield from _of_growth(args)


def _of_growth(args: argparse.Namespace) -> Iterator[Target]:
    crowd, peak = growth.on_crowd(args.crowd), memory.title(args.full_set)
    yield Target(
        f"growth: CPU of a port, {args.crowd} there against none", LESS, 1.15,
        lambda m, who: _alone(options.GROWTH, crowd)(m, who)
        / _alone(options.GROWTH, growth.ON_NONE)(m, who),
    )  # fmt: skip
    ready = f"memory, {args.crowd} ready ports"
    yield Target(f"{ready}, MB", LESS, 80, _alone(options.GROWTH, growth.READY))
    yield Target(f"{ready}, to before", LESS, 0.75, _to_before(options.GROWTH, growth.READY))
    yield Target(f"memory, peak of {args.full_set}, MB", LESS, 200, _alone(options.MEMORY, peak))
    title = f"memory, peak of {args.full_set}, to before"
    yield Target(title, LESS, 0.6, _to_before(options.MEMORY, peak))
    title = f"start with {args.crowd} ready ports, to before"
    yield Target(title, LESS, 0.4, _to_before(options.GROWTH, growth.START))
    yield Target(growth.EVENT, LESS, 20, _alone(options.GROWTH, growth.EVENT))
    title = status.title(args.unplugged)
    yield Target(title, LESS, 50, _alone(options.STATUS, title))


def _of_cases(
    what: str, bound: str, limits: Mapping[str, float], field: str, to: str
) -> Iterator[Target]:
    for case, limit in limits.items():
        yield Target(f"{what}: {TITLES[case]}", bound, limit, _ratio(case, field, to))


def _ratio(case: str, field: str, to: str) -> Callable[[Measured, str], float]:
    def value(measured: Measured, who: str) -> float:
        ours, theirs = (getattr(measured.cases[case][each], field) for each in (who, to))
        return float(ours / theirs)

    return value


def _alone(case: str, title: str) -> Callable[[Measured, str], float]:
    return lambda measured, who: measured.alone[case][title][who]


def _tools_over(title: str) -> Callable[[Measured, str], float]:
    def value(measured: Measured, who: str) -> float:
        row = measured.alone[options.DRAIN][title]
        return row[FLOOR] / row[who]

    return value


def _to_before(case: str, title: str) -> Callable[[Measured, str], float]:
    def value(measured: Measured, who: str) -> float:
        row = measured.alone[case][title]
        return row[who] / row[measured.before]

    return value


def _dropin(case: str) -> Callable[[Measured, str], float]:
    def value(measured: Measured, who: str) -> float:
        ours, own = (percentile(measured.plugs[case][each], 50) for each in (who, OWN))
        return ours / own

    return value


def targets_table(measured: Measured, args: argparse.Namespace) -> str:
    """A row for each target of which anything was measured; the agent before stands first."""
    names = measured.agents[::-1]
    rows = [(target, _values(target, measured)) for target in targets(args)]
    shown = [(target, values) for target, values in rows if values]
    if not shown:
        return ""
    heads = "".join(name.rjust(14) for name in names)
    lines = ["what issue 11 set out to reach".ljust(76) + heads + "to reach".rjust(12)]
    for target, values in shown:
        cells = "".join(_cell(values.get(name)).rjust(14) for name in names)
        goal = f"{target.bound} {target.limit:g}".rjust(12)
        missed = OURS in values and not target.reached(values[OURS])
        lines.append(target.title.ljust(76) + cells + goal + ("  missed" if missed else ""))
    return "\n".join(lines)


def _values(target: Target, measured: Measured) -> dict[str, float]:
    values: dict[str, float] = {}
    for who in measured.agents:
        with suppress(KeyError, ZeroDivisionError):
            values[who] = target.value(measured, who)
    return values


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.2f}"
