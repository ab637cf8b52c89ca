"""A port's state machine, as a table: what a reconcile has seen of it, and what follows. Pure."""

import enum
from collections.abc import Mapping
from typing import NamedTuple

from vif_agent.ports.port import ERROR, READY, RETRYING, UNPLUG, UNPLUGGED


class Observation(enum.Enum):
    """What a reconcile has seen of one port. ``is_result``: it is reported if it is new."""

    UNANSWERED = "its plugin has not answered yet"
    CHANGED = "something was done for it"
    WAITS = "nothing to do, but others have not done their part"
    DONE = "nothing to do, and all is ready"
    OVERDUE = "others have not done their part for too long"
    FAILED = "something failed that may go well the next time"
    REFUSED = "something failed for good"

    @property
    def is_result(self) -> bool:
        """Is it an end, which whoever waits is to hear of?"""
        return self not in (Observation.UNANSWERED, Observation.CHANGED, Observation.WAITS)


class Requeue(enum.Enum):
    """When the port is reconciled again, without a request, an operator's word or its own change:
    whichever comes first."""

    AT_ONCE = "to see it done"
    ON_CHANGE = "when what it waits for has changed, or its plugin has answered"
    RATE_LIMITED = "after a pause that grows each time"


class Transition(NamedTuple):
    """``state`` is empty where it stays what it was."""

    state: str
    requeue: tuple[Requeue, ...]


_STAYS = ""
_AS_ASKED = "ready, or unplugged"

_O, _R = Observation, Requeue
_AFTER: Mapping[Observation, Transition] = {
    _O.UNANSWERED: Transition(_STAYS, (_R.ON_CHANGE,)),
    _O.CHANGED: Transition(_STAYS, (_R.AT_ONCE,)),
    _O.WAITS: Transition(_STAYS, (_R.ON_CHANGE,)),
    _O.DONE: Transition(_AS_ASKED, ()),
    _O.OVERDUE: Transition(RETRYING, (_R.ON_CHANGE, _R.RATE_LIMITED)),
    _O.FAILED: Transition(RETRYING, (_R.RATE_LIMITED,)),
    _O.REFUSED: Transition(ERROR, ()),
}


def after(observation: Observation, state: str, verb: str) -> Transition:
    """``state``: the port's so far; ``verb``: what was asked for it."""
    to, requeue = _AFTER[observation]
    if to is _AS_ASKED:
        to = UNPLUGGED if verb == UNPLUG else READY
    return Transition(to or state, requeue)
