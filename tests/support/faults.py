"""Faults to order, for a host in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import TypeAlias

from vif_agent.errors import Problem
from vif_agent.plan.steps import Step
from vif_agent.resources import Key

Match: TypeAlias = Key | Callable[[Step], bool]


class Crash(BaseException):
    """The process was killed here."""


@dataclasses.dataclass
class Fault:
    """``half``: part of the step is done, and then it is told as failed."""

    match: Match
    problem: Problem
    times: int = 1
    half: bool = False

    def hits(self, step: Step) -> bool:
        hit = self.match(step) if callable(self.match) else self.match == step.key
        self.times -= hit
        return hit


class Faults:
    """``hits``: how many faults and crashes there were; ``pieces``: how many pieces were done."""

    def __init__(self) -> None:
        self.hits = 0
        self.pieces = 0
        self.between_pieces: Callable[[], object] = lambda: None
        self._faults: list[Fault] = []
        self._fuse: int | None = None

    def fail_next(self, match: Match, problem: Problem, times: int = 1) -> None:
        """The next ``times`` steps that match (by key, or by a predicate) fail."""
        self._faults.append(Fault(match, problem, times))

    def half_next(self, match: Match, problem: Problem) -> None:
        """The next step that matches is done by half, and told as failed.

        As the real host can: a device that is made and tagged, and refuses its settings; one that
        is removed, and not made anew; some of the settings that differ; a removal of which
        nobody hears. A transaction is done whole or not at all, but its answer may be lost.
        """
        self._faults.append(Fault(match, problem, half=True))

    def crash_after(self, pieces: int) -> None:
        """Die in ``apply`` when so many indivisible pieces of it are done."""
        self._fuse = pieces

    def piece(self) -> None:
        """Between two pieces."""
        self.between_pieces()
        if self._fuse == 0:
            self._fuse = None
            self.hits += 1
            raise Crash
        if self._fuse is not None:
            self._fuse -= 1
        self.pieces += 1

    def of(self, steps: Iterable[Step]) -> dict[Key, Fault]:
        """What these steps are to meet."""
        found = {}
        for step in steps:
            fault = next((f for f in self._faults if f.times > 0 and f.hits(step)), None)
            if fault:
                found[step.key] = fault
        self.hits += len(found)
        return found
