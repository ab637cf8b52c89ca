"""What guards cost, beside no guards, and beside what issue 12 set out to reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.table import noted

BURST_MORE, FRAMES_LESS, BATCH_MS, ONE_MORE_MS, FLUSHED_MS = 0.05, 0.10, 50.0, 1.0, 100.0
WIDTH = 76
NOTES = (
    "A burst: by the agent over the bus, with driver noop and with nftables in turn, each in an "
    "agent of its own; medians. Ports have one fixed address, and unknown_pairs is strict: each "
    "has two pairs.",
    "Batches and single ports: in the helper, from what came by its channel to the kernel's "
    "answer, without the channel.",
    "Frames: one process sends a frame by a tap and waits for it at the other; its CPU and the "
    "kernel's for it are what is counted, of the best round.",
)


@dataclass(frozen=True)
class Goal:
    """``words``: what the row is to be; ``reached``: is it, without and with guards?"""

    words: str
    reached: Callable[[float | None, float], bool]


@dataclass(frozen=True)
class Cost:
    """``without``: the same with driver noop, where there is that."""

    title: str
    without: float | None
    guarded: float
    goal: Goal | None = None

    @property
    def missed(self) -> bool:
        return self.goal is not None and not self.goal.reached(self.without, self.guarded)


def at_most(limit: float) -> Goal:
    return Goal(f"<= {limit:g}", lambda _, guarded: guarded <= limit)


def more_at_most(share: float) -> Goal:
    """Than without."""
    return Goal(
        f"<= +{share:.0%}", lambda without, guarded: guarded <= (without or 0) * (1 + share)
    )


def at_least(share: float) -> Goal:
    """Of what it is without."""
    return Goal(f">= -{1 - share:.0%}", lambda without, guarded: guarded >= (without or 0) * share)


def guards_table(costs: Sequence[Cost]) -> str:
    heads = ("noop", "nftables", "differs", "to reach")
    lines = ["what guards cost".ljust(WIDTH) + "".join(head.rjust(11) for head in heads)]
    for cost in costs:
        cells = [_number(cost.without), _number(cost.guarded), _differs(cost)]
        cells.append(cost.goal.words if cost.goal else "")
        line = cost.title.ljust(WIDTH) + "".join(cell.rjust(11) for cell in cells)
        lines.append(line + ("  missed" if cost.missed else ""))
    return "\n".join([*lines, *map(noted, NOTES)])


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _differs(cost: Cost) -> str:
    return f"{cost.guarded / cost.without - 1:+.1%}" if cost.without else ""
