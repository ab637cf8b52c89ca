"""Figures that only some contenders have: a row each, a column for each contender."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from bench.table import noted

WIDTH = 58
#: by what was measured, its unit in it, then by who; less is better
Rows = dict[str, dict[str, float]]


def merged(runs: Iterable[Rows]) -> Rows:
    """Of several runs the medians, figure by figure."""
    gathered: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        for title, values in run.items():
            for who, value in values.items():
                gathered.setdefault(title, {}).setdefault(who, []).append(value)
    return {
        title: {who: statistics.median(several) for who, several in values.items()}
        for title, values in gathered.items()
    }


def joined(rows: Rows, who: str, values: Mapping[str, float]) -> None:
    """One contender's figures into those of all."""
    for title, value in values.items():
        rows.setdefault(title, {})[who] = value


def side_table(title: str, rows: Rows, names: Sequence[str], notes: Sequence[str] = ()) -> str:
    """The last columns: how many times less the first needs than each of the others."""
    shown = [name for name in names if any(name in values for values in rows.values())]
    first, rivals = shown[0], shown[1:]
    heads = [*shown, *(f"vs {name}" for name in rivals)]
    lines = [title, "".ljust(WIDTH) + "".join(head.rjust(14) for head in heads)]
    for what, values in rows.items():
        cells = [_number(values.get(name)) for name in shown]
        cells += [_times(values.get(first), values.get(name)) for name in rivals]
        lines.append(what.ljust(WIDTH) + "".join(cell.rjust(14) for cell in cells))
    return "\n".join([*lines, *map(noted, notes)])


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"


def _times(ours: float | None, theirs: float | None) -> str:
    return f"{theirs / ours:.2f}x" if ours and theirs else ""
