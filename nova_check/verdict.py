"""What the two turns of a case come to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nova_check.allowed import Allowed, allowing
from nova_check.cases import Case
from nova_check.compare import Difference, differences
from nova_check.turns import AGAIN, PLUGGED, STEPS, UNPLUGGED, Turn

EQUAL, LISTED, ALIKE, WRONG = (
    "equal",
    "equal, but for what docs/nova.md lists",
    "refused alike, as far as this host goes",
    "NOT EQUAL",
)


@dataclass(frozen=True)
class Verdict:
    """``found``: each difference, and what allows it. ``wrong``: what must not be."""

    case: Case
    word: str
    found: list[tuple[Difference, Allowed | None]]
    wrong: list[str]
    said: str


def judge(case: Case, osvif: Turn, agent: Turn) -> Verdict:
    wrong = [*_left("os-vif", osvif), *_left("the agent", agent), *_heard(case, osvif, agent)]
    found = [(d, allowing(case.title, d)) for step in STEPS for d in _of(step, osvif, agent)]
    wrong += [_told(difference) for difference, allowed in found if allowed is None]
    if osvif.raised != agent.raised or not case.legacy:
        wrong += [*_wrongly_raised("os-vif", osvif), *_wrongly_raised("the agent", agent)]
    alike = next((text for text in osvif.raised.values() if text), "")
    word = WRONG if wrong else ALIKE if alike else LISTED if found else EQUAL
    return Verdict(case, word, found, wrong, alike)


def _of(step: str, osvif: Turn, agent: Turn) -> Iterator[Difference]:
    return differences(step, osvif.states[step], agent.states[step])


def _left(who: str, turn: Turn) -> Iterator[str]:
    """After the unplug the host must be as before the plug."""
    for found in differences(UNPLUGGED, turn.before, turn.states[UNPLUGGED]):
        yield f"left by {who}: {found.thing}, {found.field}: was {found.osvif}, is {found.agent}"


def _heard(case: Case, osvif: Turn, agent: Turn) -> Iterator[str]:
    """The agent is asked by our drop-in, and only for what goes through os-vif."""
    if osvif.asked:
        yield "the agent was asked though os-vif's own plugin was to act"
    if agent.asked == case.legacy:
        yield f"the agent was {'' if agent.asked else 'not '}asked"


def _wrongly_raised(who: str, turn: Turn) -> Iterator[str]:
    for step in (PLUGGED, AGAIN, UNPLUGGED):
        if turn.raised[step]:
            yield f"{step} with {who}: {turn.raised[step]}"


def _told(found: Difference) -> str:
    return f"{found.step}: {found.thing}, {found.field}: {found.osvif!r}, {found.agent!r}"
