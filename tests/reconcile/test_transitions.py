"""The state machine of a port: each observation in each state."""

from __future__ import annotations

import itertools

import pytest

from vif_agent.errors import Conflict, NotYet
from vif_agent.ports.port import ERROR, PENDING, PLUG, READY, RETRYING, UNPLUG, UNPLUGGED
from vif_agent.reconcile.observe import of_problem
from vif_agent.reconcile.transitions import Observation, Requeue, after

STATES = (PENDING, READY, RETRYING, ERROR)
#: what follows in the states above, for a plug; what follows for an unplug; when it comes again
TABLE = {
    Observation.UNANSWERED: (STATES, STATES, {Requeue.ON_CHANGE}),
    Observation.CHANGED: (STATES, STATES, {Requeue.AT_ONCE}),
    Observation.WAITS: (STATES, STATES, {Requeue.ON_CHANGE}),
    Observation.DONE: ((READY,) * 4, (UNPLUGGED,) * 4, set()),
    Observation.OVERDUE: ((RETRYING,) * 4,) * 2 + ({Requeue.ON_CHANGE, Requeue.RATE_LIMITED},),
    Observation.FAILED: ((RETRYING,) * 4,) * 2 + ({Requeue.RATE_LIMITED},),
    Observation.REFUSED: ((ERROR,) * 4,) * 2 + (set(),),
}


@pytest.mark.parametrize("observation", Observation)
@pytest.mark.parametrize(("place", "state"), [*enumerate(STATES)])
@pytest.mark.parametrize("verb", [PLUG, UNPLUG])
def test_each_observation_in_each_state(
    observation: Observation, place: int, state: str, verb: str
) -> None:
    plugged, unplugged, requeue = TABLE[observation]
    reached = after(observation, state, verb)
    assert reached.state == (plugged if verb == PLUG else unplugged)[place]
    assert {*reached.requeue} == requeue


def test_every_pair_is_in_the_table_and_nothing_is_forgotten() -> None:
    """What is neither told nor comes again by itself would be forgotten for ever."""
    for observation, state, verb in itertools.product(Observation, STATES, (PLUG, UNPLUG)):
        assert observation.is_result or after(observation, state, verb).requeue
    assert TABLE.keys() == {*Observation}


def test_who_must_act_says_what_follows() -> None:
    assert of_problem(None) is Observation.DONE
    assert of_problem(NotYet("later").problem) is Observation.FAILED
    assert of_problem(Conflict("taken").problem) is Observation.REFUSED
