"""One scenario, again and again, each time with a host, a store and an engine of its own."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.faults import Crash
from tests.support.rig import Rig
from tests.support.scenarios import Payload, Scenario
from vif_agent.ownership import Found
from vif_agent.plan.steps import Step
from vif_agent.ports.port import PLUG, READY, UNPLUG, UNPLUGGED
from vif_agent.resources import GUARD, LINK, Key, Link

Essence = dict[Key, Found]


class Course(NamedTuple):
    """A scenario undisturbed: what was done, in how many pieces, and what it came to. ``held``:
    devices that must never be there without their guard."""

    steps: tuple[Step, ...]
    pieces: int
    end: Essence
    isolated: frozenset[str]
    held: frozenset[str]


class Trials:
    """A scenario, as often as is wanted, each time with everything anew."""

    def __init__(self, scenario: Scenario, payload: Payload, path: Path) -> None:
        self._scenario, self._payload, self._path = scenario, payload, path
        self._numbers = itertools.count()
        self._rigs: list[Rig] = []
        self._opened: set[str] = set()
        self.course = self._undisturbed()

    def begin(self) -> tuple[Rig, tuple[str, ...]]:
        """Up to where the first reconcile would begin, and the ports to look at in it."""
        directory = self._path / str(next(self._numbers))
        directory.mkdir()
        rig = Rig(directory)
        self._rigs.append(rig)
        self._scenario.before(rig, self._payload)
        rig.host.plans.clear()
        ports = tuple(self._scenario.act(rig, self._payload))
        self._opened.clear()
        rig.host.between_pieces = lambda: self._opened.update(_open(rig.host.snapshot()))
        return rig, ports

    def reconcile(self, rig: Rig, ports: tuple[str, ...]) -> None:
        """Reconciles, to the end of the one that meets the fault: most do in the first."""
        again, everywhere = frozenset(ports), self._scenario.everywhere
        while again and not rig.host.hits:
            outcome = rig.engine.reconcile(again, everywhere=everywhere)
            assert rig.engine.save(outcome.finished)
            again, everywhere = outcome.again, False
        self._verify_held(rig)

    def settle(self, rig: Rig, ports: tuple[str, ...]) -> frozenset[str]:
        return rig.settle(*ports, everywhere=self._scenario.everywhere)

    def interrupted(self, pieces: int) -> Rig:
        rig, ports = self.begin()
        rig.host.crash_after(pieces)
        with pytest.raises(Crash):
            self.settle(rig, ports)
        self._verify_held(rig)
        return rig

    def verify(self, rig: Rig) -> None:
        """The host is as after the undisturbed course; and without its ports it is clean."""
        assert _essence(rig) == self.course.end
        assert rig.host.isolated == self.course.isolated
        _verify_clean_without_ports(rig)
        self._verify_held(rig)

    def close(self) -> None:
        for rig in self._rigs:
            rig.store.close()

    def _verify_held(self, rig: Rig) -> None:
        """Whatever has gone wrong, no guest that is to be held has been let go meanwhile."""
        assert self.course.held & {*self._opened, *_open(rig.host.snapshot())} == set()

    def _undisturbed(self) -> Course:
        rig, ports = self.begin()
        before, there = rig.host.pieces, rig.host.snapshot()
        assert self.settle(rig, ports) == set()
        steps = tuple(step for plan in rig.host.plans for step in plan)
        pieces, isolated = rig.host.pieces - before, frozenset(rig.host.isolated)
        end = _essence(rig)
        guarded = {key.name for key in there.keys() | end.keys() if key.space == GUARD}
        held = frozenset(guarded - _open(there) - _open(end))
        course = Course(steps, pieces, end, isolated, held)
        assert steps
        _verify_clean_without_ports(rig)
        return course


def unplug_all(rig: Rig) -> list[str]:
    return [rig.request(UNPLUG, {"type": "", "id": port_id}) for port_id in rig.store.ports()]


def _open(things: Mapping[Key, Found]) -> set[str]:
    """Devices without a guard."""
    return {k.name for k in things if k.space == LINK and Key(GUARD, k.name) not in things}


def _verify_clean_without_ports(rig: Rig) -> None:
    states = {(port.verb, port.state) for port in rig.store.ports().values()}
    assert states <= {(PLUG, READY), (UNPLUG, UNPLUGGED)}
    rig.settle(*unplug_all(rig))
    assert rig.host.snapshot() == rig.clean


def _essence(rig: Rig) -> Essence:
    """Without what differs from run to run: indexes, and addresses made of them."""
    return {key: _timeless(found) for key, found in rig.host.snapshot().items()}


def _timeless(found: Found) -> Found:
    link = found.resource
    if isinstance(link, Link) and (link.mac or "").startswith("02:00:00:00:"):
        link = dataclasses.replace(link, mac=None)
    return dataclasses.replace(found, resource=link, index=0)
