"""Two states of the host, thing by thing and field by field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from nova_check.look import State

ABSENT = "-"
WHOLE = "(all of it)"


class Difference(NamedTuple):
    """``osvif`` and ``agent``: the value after each had its turn."""

    step: str
    thing: str
    field: str
    osvif: str
    agent: str


def differences(step: str, osvif: State, agent: State) -> Iterator[Difference]:
    for thing in sorted(osvif.keys() | agent.keys()):
        if thing not in osvif or thing not in agent:
            there = ("there" if thing in side else ABSENT for side in (osvif, agent))
            yield Difference(step, thing, WHOLE, *there)
            continue
        ones, others = osvif[thing], agent[thing]
        for name in sorted(ones.keys() | others.keys()):
            one, other = ones.get(name, ABSENT), others.get(name, ABSENT)
            if one != other:
                yield Difference(step, thing, name, one, other)
