"""Wanted against actual: what is to be done, as a Plan.

Pure. ``merge`` joins what the ports want, ``diff`` compares it with what is there.
"""

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping

from vif_agent.errors import Problem
from vif_agent.ownership import (
    Found,
    Verdict,
    verdict,
)
from vif_agent.plan import conflicts, duplicates
from vif_agent.plan.compare import device_of, differences_of, must_remake
from vif_agent.plan.refusals import keeps_off_ovs, problems_of
from vif_agent.plan.removals import held_open, removals, tagged_first
from vif_agent.plan.restore import is_in_effect
from vif_agent.plan.steps import (
    CHANGE,
    MAKE,
    OWNER_TAG,
    REMAKE,
    RUN,
    Actual,
    Difference,
    Plan,
    Step,
    Want,
    in_phases,
)
from vif_agent.resources import (
    LINK,
    OVS_PORT,
    Command,
    Key,
    Link,
    OvsPort,
    Resource,
    Vlan,
)


def diff(
    wanted: Mapping[Key, Want], to_delete: Mapping[Key, Collection[str]], actual: Actual
) -> Plan:
    """The least that makes the host as wanted.

    ``to_delete``: keys no port wants any longer, with the owners whose tag may be on them.

    A port one of whose resources is refused, or cannot be seen, gets no step for what it alone
    wants: half a port is worth nothing. What it wants no longer goes all the same: it may be that
    which is in the way.
    """
    problems = problems_of(wanted, actual)
    doubles = duplicates.find(wanted, actual)
    to_delete = {k: v for k, v in to_delete.items() if not any(k in t.keys for t in doubles)}
    problems = {**{t.port: t.problem for t in doubles if t.problem}, **problems}
    doubles = [t for t in doubles if t.port not in problems]
    steps = [*_steps(wanted, actual, problems), *(s for t in doubles for s in t.adoptions())]
    moving = {s.key.name: s for s in steps if any(d.field == "master" for d in s.differences)}
    wanting = {port for want in wanted.values() if not want.restore for port in want.ports}
    undone = _being_undone(wanted, actual)
    going = removals(to_delete, actual, moving, undone, wanting)
    going += tuple(step for t in doubles for step in t.removals())
    problems = {**held_open(to_delete, actual, wanting), **problems}
    return in_phases([*steps, *tagged_first(to_delete, actual)], going, problems)


def _being_undone(wanted: Mapping[Key, Want], actual: Actual) -> set[str]:
    """Ports whose commands run, and are to be undone before what they speak of goes."""
    return {
        port
        for key, want in wanted.items()
        if want.restore and (found := actual.found.get(key)) and not found.ready
        for port in want.ports
    }


def keys_to_read(wanted: Iterable[Want], to_delete: Iterable[Key]) -> set[Key]:
    """What ``diff`` must know of the host."""
    wanted = [*wanted]
    resources = [want.resource for want in wanted]
    devices = {key for r in resources if (key := device_of(r))}
    uplinks = {Key(OVS_PORT, want.resource.name) for want in wanted if keeps_off_ovs(want)}
    parents = {Key(LINK, r.parent) for r in resources if isinstance(r, Vlan)}
    rows = {
        key for r in resources for key in (*conflicts.keys_to_read(r), *duplicates.rows_to_read(r))
    }
    return {*(r.key for r in resources), *devices, *uplinks, *parents, *rows, *to_delete}


def _steps(
    wanted: Mapping[Key, Want], actual: Actual, problems: Mapping[str, Problem]
) -> Iterator[Step]:
    """Links first: an OVS port or a command must know whether its device is made anew."""
    made: set[Key | None] = set()
    for want in sorted(wanted.values(), key=lambda w: w.resource.space != LINK):
        refused = not want.restore and all(port in problems for port in want.ports)
        if refused or _waits(want, wanted, actual):
            continue
        device = device_of(want.resource)
        is_new = device in made or (device not in actual.found and _makes(want.resource))
        step = _step(want, actual.found.get(want.resource.key), new_device=is_new)
        if step and step.verb in (MAKE, REMAKE):
            made.add(step.key)
        if step:
            yield step


def _makes(resource: Resource) -> bool:
    return isinstance(resource, Command) and resource.makes


def _waits(want: Want, wanted: Mapping[Key, Want], actual: Actual) -> bool:
    """An OVS port is made only when the device is there that others make for it."""
    device = wanted.get(device_of(want.resource) or want.resource.key)
    if device is None or device is want or not isinstance(want.resource, OvsPort):
        return False
    return device.resource.external and device.resource.key not in actual.found


def _step(want: Want, found: Found | None, new_device: bool) -> Step | None:
    owner = want.owner
    if found is None:
        return None if want.resource.external else Step(MAKE, want.resource, owner, want.ports)
    if not is_in_effect(want, found):
        return None
    if isinstance(want.resource, Command):
        return _run(want, found, new_device)
    wanted = conflicts.as_it_stays(_out_of_former_bridge(want.resource, found))
    judgement = verdict(wanted, found, owner)
    if judgement is Verdict.FOREIGN:
        return None  # shared and there before us: used as it is
    differences = differences_of(wanted, found)
    if want.restore:  # what cannot be read cannot have been changed
        differences = tuple(d for d in differences if d.actual is not None)
    if found.called:
        differences = (Difference("name", found.called, wanted.name), *differences)
    if judgement is Verdict.ADOPTABLE or found.tag_lost:
        differences = (*differences, Difference(OWNER_TAG, None, owner))
    if new_device and isinstance(wanted, OvsPort):
        differences = (*differences, Difference("device", "gone", "made anew"))
    if not differences:
        return None
    verb = REMAKE if must_remake(wanted, found) else CHANGE
    return Step(verb, wanted, owner, want.ports, differences, found)


def _run(want: Want, found: Found, new_device: bool) -> Step | None:
    """None also while it runs: its end is an event."""
    actual, wanted = getattr(found.resource, "done", None), getattr(want.resource, "done", None)
    if actual is not wanted:  # None, nobody knows, is neither
        difference = Difference("done", actual, wanted)
    elif new_device and not want.restore:
        difference = Difference("device", "gone", "made anew")
    else:
        return None
    if not found.ready:
        return None
    return Step(RUN, want.resource, want.owner, want.ports, (difference,), found)


def _out_of_former_bridge(wanted: Resource, found: Found) -> Resource:
    """What says nothing of a bridge stays where others put it, but where we did: for an earlier
    request of the port, and the network that it was on then."""
    if isinstance(wanted, Link) and wanted.master is None and found.in_shared:
        return dataclasses.replace(wanted, master="")
    return wanted
