"""Every step of whatever a port goes through meets every fault once: the request is kept all the
same.

An interruption is put between any two indivisible pieces, so before and after every step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.rig import Rig
from tests.support.scenarios import SCENARIOS, TAKEN_OVER, Payload
from tests.support.trials import Course, Trials, unplug_all
from vif_agent.errors import HostRefused, NotYet, Problem
from vif_agent.plan.steps import MAKE, REMOVE, Step
from vif_agent.resources import COMMAND, GUARD, LINK, OVS_SPACES, Key

TRANSIENT, FOR_GOOD = NotYet("busy").problem, HostRefused("not supported").problem


@pytest.fixture(scope="module")
def totals(figures: Callable[[str], None]) -> Iterator[Counter[str]]:
    totals: Counter[str] = Counter()
    yield totals
    figures("fault matrix, hits: " + ", ".join(f"{n} {kind}" for kind, n in totals.items()))


@pytest.fixture(params=SCENARIOS | TAKEN_OVER)
def trials(request: pytest.FixtureRequest, payload: Payload, tmp_path: Path) -> Iterator[Trials]:
    trials = Trials((SCENARIOS | TAKEN_OVER)[request.param], payload, tmp_path)
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


def test_step_refused_for_good_is_rolled_back_and_done_by_a_repair(
    trials: Trials, totals: Counter[str]
) -> None:
    for step in trials.course.steps:
        rig, ports = trials.begin()
        rig.host.fail_next(_same(step), FOR_GOOD)
        trials.reconcile(rig, ports)
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
        trials.reconcile(rig, ports)
        totals["half done"] += _hits(rig, step)
        if not problem.transient:
            _verify_taken_back(rig, trials.course, step)
        rig.settle(*ports)
        assert rig.settle(*ports) == set()
        trials.verify(rig)


def test_interrupted_reconcile_is_completed_after_the_restart(
    trials: Trials, totals: Counter[str]
) -> None:
    for pieces in range(trials.course.pieces):
        rig = trials.interrupted(pieces)
        totals["interrupted"] += rig.host.hits
        assert rig.settle(*rig.restart(), everywhere=True) == set()
        trials.verify(rig)


@pytest.mark.parametrize("trials", SCENARIOS, indirect=True)
def test_interrupted_reconcile_whose_ports_are_unplugged_before_the_restart_leaves_nothing(
    trials: Trials, totals: Counter[str]
) -> None:
    for pieces in range(trials.course.pieces):
        rig = trials.interrupted(pieces)
        totals["interrupted, then unplugged"] += rig.host.hits
        unplug_all(rig)
        assert rig.settle(*rig.restart(), everywhere=True) == set()
        assert rig.host.snapshot() == rig.clean, f"after {pieces} pieces"


@pytest.mark.parametrize("trials", SCENARIOS, indirect=True)
@pytest.mark.parametrize("problem", [TRANSIENT, FOR_GOOD], ids=["failed", "refused"])
def test_step_done_by_half_and_then_unplugged_leaves_nothing(
    trials: Trials, totals: Counter[str], problem: Problem
) -> None:
    for step in _halved(trials.course, problem):
        rig, ports = trials.begin()
        rig.host.half_next(_same(step), problem)
        trials.reconcile(rig, ports)
        totals["half done, then unplugged"] += _hits(rig, step)
        rig.settle(*unplug_all(rig))
        assert rig.host.snapshot() == rig.clean, f"{step} was done by half"


def test_device_that_does_not_go_keeps_no_other(trials: Trials, totals: Counter[str]) -> None:
    going = {s.key: s for s in trials.course.steps if s.verb == REMOVE and s.key.space == LINK}
    for key, step in going.items():
        rig, ports = trials.begin()
        rig.host.fail_next(_same(step), FOR_GOOD)
        trials.reconcile(rig, ports)
        totals["not removed"] += _hits(rig, step)
        assert going.keys() & rig.host.snapshot().keys() <= {key}
        rig.settle(*ports)
        assert rig.settle(*ports) == set()
        trials.verify(rig)


def test_transaction_that_is_done_after_it_was_given_up_is_taken_in(
    trials: Trials, totals: Counter[str]
) -> None:
    """OVSDB hangs: what it was sent is done when it goes on, and nobody waits for that."""
    rig, ports = trials.begin()
    rig.host.hang_ovsdb()
    trials.reconcile(rig, ports)
    assert rig.host.hits == _wires(trials.course)
    retry = rig.engine.reconcile(ports).retry
    rig.host.resume_ovsdb()
    totals["done late"] += rig.host.hits
    rig.settle(*ports)
    assert retry or not rig.host.hits
    assert rig.settle(*ports) == set()
    trials.verify(rig)


def test_ports_that_are_unplugged_while_ovsdb_hangs_leave_nothing(
    trials: Trials, totals: Counter[str]
) -> None:
    rig, ports = trials.begin()
    rig.host.hang_ovsdb()
    trials.reconcile(rig, ports)
    totals["done late, then unplugged"] += rig.host.hits
    unplugged = unplug_all(rig)
    rig.engine.reconcile(unplugged)
    rig.host.resume_ovsdb()
    rig.settle(*unplugged)
    assert rig.settle(*unplugged) == set()
    assert rig.host.snapshot() == rig.clean


def _wires(course: Course) -> bool:
    return any(step.key.space in OVS_SPACES for step in course.steps)


def _halved(course: Course, problem: Problem) -> list[Step]:
    """What a transaction or a command has done was not refused; only its answer can be lost."""
    whole = (*OVS_SPACES, COMMAND)
    return [s for s in course.steps if problem.transient or s.key.space not in whole]


def _same(step: Step) -> Callable[[Step], bool]:
    return lambda other: (other.verb, other.key) == (step.verb, step.key)


def _hits(rig: Rig, step: Step) -> int:
    assert rig.host.hits == 1, f"{step} was not met"
    return rig.host.hits


def _verify_taken_back(rig: Rig, course: Course, refused: Step) -> None:
    """What the reconcile made for the ports of this step alone is not there at its end.

    But for a bridge that something older has been put into, and a guard whose device stays.
    """
    there = rig.host.snapshot()
    made = {s.key for s in course.steps if s.verb == MAKE and set(s.ports) <= set(refused.ports)}
    made -= {key for key in made if key.space == GUARD and Key(LINK, key.name) in there}
    left = {key for key, found in there.items() if key in made and not found.members}
    assert left == set(), f"{refused} was refused"
