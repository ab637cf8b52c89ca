"""Guards of a host in memory: what the kernel's table does with a plan's steps."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from tests.support.fake_things import Things
from tests.support.faults import Faults
from vif_agent.errors import NotYet, Problem
from vif_agent.ownership import Found
from vif_agent.plan.steps import REMOVE, Step
from vif_agent.resources import GUARD, Key


class FakeGuards:
    """As operators see them; ``dropped``: frames by device and reason, if not ``unreadable``."""

    def __init__(self, things: Things) -> None:
        self._things = things
        self.dropped: dict[str, dict[str, int]] = {}
        self.unreadable: NotYet | None = None
        self.missing = ""

    def read(self) -> dict[Key, Found]:
        return {key: found for key, found in self._things.things.items() if key.space == GUARD}

    def drops(self) -> dict[str, int]:
        reasons: Counter[str] = Counter()
        for drops in self.dropped.values():
            reasons.update(drops)
        return reasons

    def port_drops(self) -> dict[str, dict[str, int]]:
        if self.unreadable:
            raise self.unreadable
        return self.dropped


def write(things: Things, faults: Faults, steps: Sequence[Step]) -> dict[Key, Problem]:
    """One batch, without those that the kernel refuses; its answer may be lost."""
    if not steps:
        return {}
    faults.piece()
    met = faults.of(steps)
    failures = {key: fault.problem for key, fault in met.items() if not fault.half}
    for step in (step for step in steps if step.key not in failures):
        if step.verb == REMOVE:
            things.remove(step.key)
        else:
            guard = dataclasses.replace(step.resource, shared=False)
            things.things[step.key] = Found(guard, owner=step.owner)
    lost = [fault.problem for fault in met.values() if fault.half]
    return failures | {step.key: problem for problem in lost for step in steps}
