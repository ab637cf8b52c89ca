"""How long repairs took: the figures, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.measure import percentile
from bench.table import noted

RANKS = (50, 90, 99, 100)
NOTES = (
    "From the return of the deletion. 'there': the device or row is there again, up, with its MTU "
    "and in its bridge. 'wired': and ovs-vswitchd says that it carries the new device.",
    "Each deletion is of another port: repairs of one port, again and again, are damped.",
)


@dataclass(frozen=True)
class Took:
    """Seconds."""

    there: float
    wired: float


#: by sort of deletion
Repairs = dict[str, list[Took]]


def repair_table(taken: Repairs, count: int) -> str:
    """A row for each sort of deletion, and one for all."""
    heads = [f"{what} {_rank(rank)}" for what in ("there", "wired") for rank in RANKS]
    lines = [f"repair after a deletion by hand, ms; {count} ports"]
    lines.append("".ljust(20) + "times".rjust(6) + "".join(head.rjust(11) for head in heads))
    everything = [took for some in taken.values() for took in some]
    for title, some in [*taken.items(), ("all", everything)]:
        figures = [*_figures([t.there for t in some]), *_figures([t.wired for t in some])]
        cells = "".join(f"{figure:.0f}".rjust(11) for figure in figures)
        lines.append(title.ljust(20) + str(len(some)).rjust(6) + cells)
    return "\n".join([*lines, *map(noted, NOTES)])


def _figures(seconds: Sequence[float]) -> list[float]:
    return [percentile(seconds, rank) for rank in RANKS] if seconds else []


def _rank(rank: int) -> str:
    return "max" if rank == 100 else f"p{rank}"
