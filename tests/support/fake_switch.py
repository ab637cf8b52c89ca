"""Open vSwitch of a host in memory: what its database does with a plan's steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from tests.support.fake_things import Things
from tests.support.faults import Faults
from vif_agent.errors import HostRefused, NotYet, Problem
from vif_agent.ownership import MARK, Found
from vif_agent.plan.steps import CHANGE, MAKE, OWNER_TAG, REMAKE, REMOVE, Step
from vif_agent.resources import OVS_BRIDGE, Key, OvsBridge, OvsPort


def connect(things: Things, faults: Faults, steps: Sequence[Step]) -> dict[Key, Problem]:
    """One transaction; what it refuses is tried again group by group."""
    met = faults.of(steps)
    refused = {_group(s): met[s.key].problem for s in steps if s.key in met and not met[s.key].half}
    failures = {s.key: refused[_group(s)] for s in steps if _group(s) in refused}
    good = [step for step in steps if step.key not in failures]
    before, isolated = dict(things.things), set(things.isolated)
    try:
        _remove(things, good)
        for step in good:
            _write(things, step)
    except (NotYet, HostRefused) as error:
        things.things, things.isolated = before, isolated
        return failures | {step.key: error.problem for step in good}
    lost = [fault.problem for fault in met.values() if fault.half]
    return failures | {step.key: problem for problem in lost for step in good}


def _group(step: Step) -> tuple[str, ...]:
    return step.ports or (step.owner,)


def _remove(things: Things, steps: Sequence[Step]) -> None:
    """All of them must be there: a port may go with its bridge."""
    doomed = [s.key for s in steps if s.verb in (REMOVE, REMAKE)]
    for key in doomed:
        _living(things, key)
    for key in doomed:
        things.remove(key)


def _write(things: Things, step: Step) -> None:
    resource = step.resource
    if step.verb == CHANGE:
        _change(things, step)
    elif step.verb != REMOVE:
        assert isinstance(resource, OvsBridge | OvsPort)
        if isinstance(resource, OvsPort):
            _living(things, Key(OVS_BRIDGE, resource.bridge))
        if step.verb == MAKE and step.key in things.things:
            raise HostRefused(f"ovsdb: constraint violation: {step.key.name} exists")
        things.add_ovs(resource, step.owner)
        if isinstance(resource, OvsPort) and resource.isolate:
            things.isolated.add(resource.name)


def _change(things: Things, step: Step) -> None:
    found, wanted = _living(things, step.key), step.resource
    fields: dict[str, Any] = {}
    for difference in step.differences:
        if difference.field in (OWNER_TAG, "device"):
            continue
        value = getattr(wanted, difference.field)
        if difference.field in wanted.maps:
            have = getattr(found.resource, difference.field) or ()
            value = tuple(sorted({**dict(have), **dict(value)}.items()))
        fields[difference.field] = value
    things.change(step.key, **fields)
    row = things.things[step.key].resource
    if isinstance(row, OvsPort):
        ids = tuple(sorted({**dict(row.external_ids), MARK: step.owner}.items()))
        row = dataclasses.replace(row, external_ids=ids)
        things.things[step.key] = dataclasses.replace(found, resource=row, owner=step.owner)


def _living(things: Things, key: Key) -> Found:
    if key not in things.things:
        raise NotYet(f"OVSDB: {key.space} {key.name} has gone meanwhile")
    return things.things[key]
