"""The figures side by side, and the ratios that matter."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from bench.cases import Case
from bench.measure import Figures
from bench.tree import OURS

ROWS = (
    ("burst plug, ports/s", "plug_rate"),
    ("burst unplug, ports/s", "unplug_rate"),
    ("plug of a burst, CPU ms/port", "plug_cpu"),
    ("unplug of a burst, CPU ms/port", "unplug_cpu"),
    ("lone plug p50, ms", "lone_plug_p50"),
    ("lone plug p99, ms", "lone_plug_p99"),
    ("lone unplug p50, ms", "lone_unplug_p50"),
    ("lone unplug p99, ms", "lone_unplug_p99"),
    ("truly plugged later by, ms", "settle"),
    ("truly unplugged later by, ms", "drain"),
    ("still wrong after 10 s", "wrong"),
    ("bridges left behind", "left"),
)
COUNTED = ("settle", "drain", "wrong", "left")
THEIRS, FLOOR = LAST = "os-vif", "floor"
WIDTH = 32
NOTES = (
    "vif-agent: from the first cast to the notification of the last port. Each request goes over "
    "the bus and is on disk before it is acknowledged; the result goes back over the bus.",
    "os-vif: called in one process, one port after the other, as nova does. No bus, no record; its "
    "privileged part runs in the same process unless --privsep is given.",
    "floor: one `ip -batch` and one `ovs-vsctl` transaction for the whole burst; for a lone port, "
    "one of each. No bus, no record, no sysctl, no looking. It removes devices by link group.",
    "'vs' is how many times better vif-agent is.",
)


def table(case: Case, figures: Mapping[str, Figures]) -> str:
    """One case: a column for each contender, then how many times better we are (more is better)."""
    names = sorted(figures, key=lambda name: (name != OURS, name in LAST, name == FLOOR))
    rivals = [name for name in names if name != OURS and OURS in names]
    heads = [*names, *(f"vs {name}" for name in rivals)]
    lines = [case.title, "".ljust(WIDTH) + "".join(head.rjust(14) for head in heads)]
    for title, field in ROWS:
        values = {name: float(getattr(figures[name], field)) for name in names}
        cells = [_number(values[name]) for name in names]
        cells += [_times(values[OURS], values[name], field) for name in rivals]
        lines.append(title.ljust(WIDTH) + "".join(cell.rjust(14) for cell in cells))
    return "\n".join([*lines, *map(noted, case.notes)])


def noted(text: str) -> str:
    return textwrap.fill(text, 100, initial_indent="- ", subsequent_indent="  ")


def better(ours: float, theirs: float, field: str) -> float | None:
    """Times better: a rate is better when larger, a time when smaller."""
    if not (ours and theirs) or field in COUNTED:
        return None
    return ours / theirs if field.endswith("_rate") else theirs / ours


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _times(ours: float, theirs: float, field: str) -> str:
    ratio = better(ours, theirs, field)
    return "" if ratio is None else f"{ratio:.2f}x"
