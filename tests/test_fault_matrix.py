"""Every step of whatever a port goes through meets every fault once: the wish is kept all the same.

An interruption is put between any two indivisible pieces, so before and after every step.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.faults import Crash
from tests.rig import Rig
from tests.scenarios import SCENARIOS, Payload, Scenario
from vif_agent.errors import HostRefused, NotYet, Problem
from vif_agent.ownership import Found
from vif_agent.plan import MAKE, Step
from vif_agent.resources import OVS_SPACES, Key, Link
from vif_agent.store import PLUG, READY, UNPLUG, UNPLUGGED

Essence = dict[Key, Found]

TRANSIENT, FOR_GOOD = NotYet("busy").problem, HostRefused("not supported").problem


class Course(NamedTuple):
    """A scenario undisturbed: what was done, in how many pieces, and what it came to."""

    steps: tuple[Step, ...]
    pieces: int
    end: Essence
    isolated: frozenset[str]


class Trials:
    """A scenario, as often as is wanted, each time with everything anew."""

    def __init__(self, scenario: Scenario, payload: Payload, path: Path) -> None:
        self._scenario, self._payload, self._path = scenario, payload, path
        self._numbers = itertools.count()
        self._rigs: list[Rig] = []
        self.course = self._undisturbed()

    def begin(self) -> tuple[Rig, tuple[str, ...]]:
        """Up to where the first round would begin, and the ports to look at in it."""
        directory = self._path / str(next(self._numbers))
        directory.mkdir()
        rig = Rig(directory)
        self._rigs.append(rig)
        self._scenario.before(rig, self._payload)
        rig.host.plans.clear()
        return rig, tuple(self._scenario.act(rig, self._payload))

    def look(self, rig: Rig, ports: tuple[str, ...]) -> None:
        """One round."""
        outcome = rig.engine.look(ports, everywhere=self._scenario.everywhere)
        assert rig.engine.save(outcome.finished)

    def settle(self, rig: Rig, ports: tuple[str, ...]) -> frozenset[str]:
        return rig.settle(*ports, everywhere=self._scenario.everywhere)

    def interrupted(self, pieces: int) -> Rig:
        rig, ports = self.begin()
        rig.host.crash_after(pieces)
        with pytest.raises(Crash):
            self.settle(rig, ports)
        return rig

    def verify(self, rig: Rig) -> None:
        """The host is as after the undisturbed course; and without its ports it is clean."""
        assert _essence(rig) == self.course.end
        assert rig.host.isolated == self.course.isolated
        _verify_clean_without_ports(rig)

    def close(self) -> None:
        for rig in self._rigs:
            rig.store.close()

    def _undisturbed(self) -> Course:
        rig, ports = self.begin()
        before = rig.host.pieces
        assert self.settle(rig, ports) == set()
        steps = tuple(step for plan in rig.host.plans for step in plan)
        pieces, isolated = rig.host.pieces - before, frozenset(rig.host.isolated)
        course = Course(steps, pieces, _essence(rig), isolated)
        assert steps
        _verify_clean_without_ports(rig)
        return course


@pytest.fixture(scope="module")
def totals(figures: Callable[[str], None]) -> Iterator[Counter[str]]:
    totals: Counter[str] = Counter()
    yield totals
    figures("fault matrix, hits: " + ", ".join(f"{n} {kind}" for kind, n in totals.items()))


@pytest.fixture(params=SCENARIOS)
def trials(request: pytest.FixtureRequest, payload: Payload, tmp_path: Path) -> Iterator[Trials]:
    trials = Trials(SCENARIOS[request.param], payload, tmp_path)
    yield trials
    trials.close()


def test_step_that_fails_once_is_done_by_the_retry(trials: Trials, totals: Counter[str]) -> None:
    for step in trials.course.steps:
        rig, ports = trials.begin()
        rig.host.fail_next(_same(step), TRANSIENT)
        retry = trials.settle(rig, ports)
        totals["failed"] += _hits(rig, step)
        assert retry
        assert rig.settle(*retry) == set()
        trials.verify(rig)


def test_step_refused_for_good_is_taken_back_and_done_by_a_repair(
    trials: Trials, totals: Counter[str]
) -> None:
    for step in trials.course.steps:
        rig, ports = trials.begin()
        rig.host.fail_next(_same(step), FOR_GOOD)
        trials.look(rig, ports)
        totals["refused for good"] += _hits(rig, step)
        _verify_taken_back(rig, trials.course, step)
        assert rig.settle(*ports) == set()
        trials.verify(rig)


@pytest.mark.parametrize("problem", [TRANSIENT, FOR_GOOD], ids=["failed", "refused"])
def test_step_done_by_half_is_completed(
    trials: Trials, totals: Counter[str], problem: Problem
) -> None:
    for step in _halved(trials.course, problem):
        rig, ports = trials.begin()
        rig.host.half_next(_same(step), problem)
        trials.look(rig, ports)
        totals["half done"] += _hits(rig, step)
        if not problem.transient:
            _verify_taken_back(rig, trials.course, step)
        rig.settle(*ports)
        assert rig.settle(*ports) == set()
        trials.verify(rig)


def test_interrupted_round_is_completed_after_the_restart(
    trials: Trials, totals: Counter[str]
) -> None:
    for pieces in range(trials.course.pieces):
        rig = trials.interrupted(pieces)
        totals["interrupted"] += rig.host.hits
        assert rig.settle(*rig.restart(), everywhere=True) == set()
        trials.verify(rig)


def test_interrupted_round_whose_ports_are_unplugged_before_the_restart_leaves_nothing(
    trials: Trials, totals: Counter[str]
) -> None:
    for pieces in range(trials.course.pieces):
        rig = trials.interrupted(pieces)
        totals["interrupted, then unplugged"] += rig.host.hits
        _unplug_all(rig)
        assert rig.settle(*rig.restart(), everywhere=True) == set()
        assert rig.host.snapshot() == rig.clean, f"after {pieces} pieces"


@pytest.mark.parametrize("problem", [TRANSIENT, FOR_GOOD], ids=["failed", "refused"])
def test_step_done_by_half_and_then_unplugged_leaves_nothing(
    trials: Trials, totals: Counter[str], problem: Problem
) -> None:
    for step in _halved(trials.course, problem):
        rig, ports = trials.begin()
        rig.host.half_next(_same(step), problem)
        trials.look(rig, ports)
        totals["half done, then unplugged"] += _hits(rig, step)
        rig.settle(*_unplug_all(rig))
        assert rig.host.snapshot() == rig.clean, f"{step} was done by half"


def _halved(course: Course, problem: Problem) -> list[Step]:
    """What a transaction has done was not refused; only its answer can be lost."""
    return [s for s in course.steps if problem.transient or s.key.space not in OVS_SPACES]


def _unplug_all(rig: Rig) -> list[str]:
    return [rig.wish(UNPLUG, vif) for vif in _vifs(rig)]


def _same(step: Step) -> Callable[[Step], bool]:
    return lambda other: (other.verb, other.key) == (step.verb, step.key)


def _hits(rig: Rig, step: Step) -> int:
    assert rig.host.hits == 1, f"{step} was not met"
    return rig.host.hits


def _verify_taken_back(rig: Rig, course: Course, refused: Step) -> None:
    """What the round made for the ports of this step alone is not there at its end.

    But for a bridge that something older has been put into.
    """
    made = {s.key for s in course.steps if s.verb == MAKE and set(s.ports) <= set(refused.ports)}
    left = {key for key, found in rig.host.snapshot().items() if key in made and not found.members}
    assert left == set(), f"{refused} was refused"


def _verify_clean_without_ports(rig: Rig) -> None:
    states = {(port.verb, port.state) for port in rig.store.ports().values()}
    assert states <= {(PLUG, READY), (UNPLUG, UNPLUGGED)}
    rig.settle(*_unplug_all(rig))
    assert rig.host.snapshot() == rig.clean


def _vifs(rig: Rig) -> list[dict[str, Any]]:
    return [{"type": "", "id": port_id} for port_id in rig.store.ports()]


def _essence(rig: Rig) -> Essence:
    """Without what differs from run to run: indexes, and addresses made of them."""
    return {key: _timeless(found) for key, found in rig.host.snapshot().items()}


def _timeless(found: Found) -> Found:
    link = found.resource
    if isinstance(link, Link) and (link.mac or "").startswith("02:00:00:00:"):
        link = dataclasses.replace(link, mac=None)
    return dataclasses.replace(found, resource=link, index=0)
