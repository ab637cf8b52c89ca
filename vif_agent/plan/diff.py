"""Desired against actual: what is to be done, as a Plan. Pure.

It only loops: how a resource conflicts, waits and differs, its kind says (``plan.kinds``).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from vif_agent.errors import Problem
from vif_agent.plan import duplicates
from vif_agent.plan.kinds import Case, Kind, kind_of
from vif_agent.plan.removals import held_open, removals, tagged_first
from vif_agent.plan.steps import MAKE, REMAKE, Actual, Plan, Step, Want, in_phases
from vif_agent.resources import GUARD, LINK, Key

Cases: TypeAlias = Sequence[tuple[Kind, Case]]


def diff(
    wanted: Mapping[Key, Want], to_delete: Mapping[Key, Collection[str]], actual: Actual
) -> Plan:
    """The least that makes the host as wanted.

    ``to_delete``: keys no port wants any longer, with the owners whose tag may be on them.

    A port one of whose resources is refused, or cannot be seen, gets no step for what it alone
    wants: half a port is worth nothing. What it wants no longer goes all the same: it may be that
    which is in the way.
    """
    cases = [_case(want, wanted, actual) for want in wanted.values()]
    problems = _problems(cases, actual)
    doubles = duplicates.find(wanted, actual)
    to_delete = {k: v for k, v in to_delete.items() if not any(k in t.keys for t in doubles)}
    problems = {**{t.port: t.problem for t in doubles if t.problem}, **problems}
    doubles = [t for t in doubles if t.port not in problems]
    steps = [*_steps(cases, actual, problems), *(s for t in doubles for s in t.adoptions())]
    moving = {s.key.name: s for s in steps if any(d.field == "master" for d in s.differences)}
    wanting = _wanting(wanted) if to_delete else {}
    undone = _being_undone(cases)
    going = removals(to_delete, actual, moving, undone, wanting)
    going += tuple(step for t in doubles for step in t.removals())
    problems = {**held_open(to_delete, actual, wanting), **problems}
    return in_phases([*steps, *tagged_first(to_delete, actual)], going, problems)


def keys_to_read(wanted: Iterable[Want], to_delete: Iterable[Key]) -> set[Key]:
    """What ``diff`` must know of the host."""
    keys = {*to_delete}
    keys.update(Key(LINK, key.name) for key in to_delete if key.space == GUARD)
    for want in wanted:
        kind = kind_of(want.resource)
        keys.add(want.resource.key)
        keys.update(kind.reads(want))
        if device := kind.device(want.resource):
            keys.add(device)
    return keys


def _case(want: Want, wanted: Mapping[Key, Want], actual: Actual) -> tuple[Kind, Case]:
    kind = kind_of(want.resource)
    found, device = actual.found.get(want.resource.key), kind.device(want.resource)
    return kind, Case(want, found, device, wanted, actual)


def _wanting(wanted: Mapping[Key, Want]) -> dict[str, set[Key]]:
    """By port, what is to be there for it."""
    wanting: dict[str, set[Key]] = {}
    for key, want in wanted.items():
        for port in () if want.restore else want.ports:
            wanting.setdefault(port, set()).add(key)
    return wanting


def _being_undone(cases: Cases) -> set[str]:
    """Ports whose commands run, and are to be undone before what they speak of goes."""
    return {
        port
        for _, case in cases
        if case.want.restore and case.found and not case.found.ready
        for port in case.want.ports
    }


def _problems(cases: Cases, actual: Actual) -> dict[str, Problem]:
    problems: dict[str, Problem] = {}
    for kind, case in cases:
        problem = actual.unknown.get(case.want.resource.space)
        if not (problem or case.want.restore):
            problem = kind.conflict(case)
        for port in case.want.ports if problem else ():
            problems.setdefault(port, problem)  # type: ignore[arg-type]
    return problems


def _steps(cases: Cases, actual: Actual, problems: Mapping[str, Problem]) -> Iterator[Step]:
    """Links first: an OVS port or a command must know whether its device is made anew."""
    made: set[Key | None] = set()
    for kind, case in sorted(cases, key=lambda c: c[1].want.resource.space != LINK):
        want = case.want
        refused = not want.restore and all(port in problems for port in want.ports)
        if refused or kind.waits(case):
            continue
        missing = kind.makes_its_device(want.resource) and case.device not in actual.found
        step = kind.step(case, new_device=case.device in made or missing)
        if step and step.verb in (MAKE, REMAKE):
            made.add(step.key)
        if step:
            yield step
