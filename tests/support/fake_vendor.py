"""A vendor's programs, of a host in memory: at once, unless they are held."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from tests.support.fake_things import Things
from tests.support.faults import Fault, Faults
from vif_agent.errors import CommandNotAllowed, Problem
from vif_agent.host.commands import Commands
from vif_agent.host.programs import Ended
from vif_agent.ownership import Found
from vif_agent.plan.steps import Step
from vif_agent.resources import LINK, Command, Key, OtherLink


class Vendor:
    """What is done is a thing of the host's; ``ran``: the argument vectors, in order."""

    def __init__(self, things: Things, faults: Faults) -> None:
        self.held = False
        self.ran: list[tuple[str, ...]] = []
        self._things, self._faults = things, faults
        self._known: dict[tuple[str, ...], Command] = {}
        self._met: dict[Key, Fault] = {}
        self._jobs: list[Callable[[], None]] = []

    def apply(self, commands: Commands, steps: Sequence[Step]) -> dict[Key, Problem]:
        """What has ended before it returns is told by it."""
        for step in steps:
            assert isinstance(step.resource, Command)
            self._known[step.resource.vector] = step.resource
        self._met = self._faults.of(steps)
        failures = commands.apply(steps)
        if not self.held:
            failures |= commands.failures(steps)
        return failures

    def spawn(self, work: Callable[[], None]) -> None:
        if self.held:
            self._jobs.append(work)
        else:
            work()

    def end(self) -> None:
        self.held, jobs, self._jobs = False, self._jobs, []
        for work in jobs:
            work()

    def run(self, vector: Sequence[str], _until: object) -> Ended:
        self._faults.piece()
        self.ran.append(tuple(vector))
        command = self._known.get(tuple(vector))
        if command is None:  # a check
            there = (found.resource for found in self._things.things.values())
            known = any(getattr(r, "check", None) == tuple(vector) for r in there)
            return Ended(int(not known), "")
        fault = self._met.pop(command.key, None)
        if fault is None or fault.half:
            self._do(command)
        if fault and not fault.problem.transient:
            raise CommandNotAllowed(fault.problem.message)
        return Ended(1, fault.problem.message) if fault else Ended(0, "")

    def _do(self, command: Command) -> None:
        key, device = command.key, Key(LINK, command.about)
        if command.done and command.makes and device not in self._things.things:
            self._things.add_link(OtherLink(name=command.about))
        if not command.done and command.makes:
            self._things.remove(device)
        if command.done:
            self._things.things[key] = Found(dataclasses.replace(command))
        else:
            self._things.things.pop(key, None)
