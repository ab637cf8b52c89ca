"""Wanted against actual: what is to be done, as a Plan.

Pure. ``merge`` joins what the ports want, ``diff`` compares it with what is there.
"""

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping

from vif_agent.errors import Conflict, Problem
from vif_agent.ownership import (
    Found,
    Verdict,
    is_abandoned,
    is_named_after,
    is_of_another_kind,
    may_connect,
    not_lendable,
    taken,
    verdict,
)
from vif_agent.plan import conflicts, duplicates
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
    Device,
    Key,
    Link,
    Nic,
    OvsBridge,
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
    problems = _problems(wanted, actual)
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


def _problems(wanted: Mapping[Key, Want], actual: Actual) -> dict[str, Problem]:
    problems: dict[str, Problem] = {}
    for want in wanted.values():
        key = want.resource.key
        problem = (
            actual.unknown.get(key.space)
            or _refusal(want, actual.found.get(key))
            or conflicts.refusal(want, wanted, actual)
            or _nic_refusal(want, actual)
            or _parent_refusal(want, actual)
            or _device_refusal(want, wanted, actual)
        )
        if problem:
            for port in want.ports:
                problems.setdefault(port, problem)
    return problems


def _refusal(want: Want, found: Found | None) -> Problem | None:
    """What stands in the way of making ``found`` into what is wanted."""
    if found is None or want.restore:
        return None
    wanted, actual = want.resource, found.resource
    judgement = verdict(wanted, found, want.owner)
    if judgement is Verdict.FOREIGN and not (wanted.shared and wanted.kind == actual.kind):
        theirs = found.owner is None or is_of_another_kind(found)
        whose = "is not ours" if theirs else f"belongs to {found.owner}"
        described = getattr(actual, "described", "") or actual.kind
        return Conflict(f"{wanted.name} exists, is a {described} and {whose}").problem
    if judgement is Verdict.FOREIGN and (other := _another(wanted, found)):
        return Conflict(f"{wanted.name} exists, is not ours and differs: {other}").problem
    if found.held and _must_remake(wanted, found):
        reasons = ", ".join(str(d) for d in _differences(wanted, found))
        return Conflict(f"{wanted.name} is held open by a guest and differs: {reasons}").problem
    return None


def _another(wanted: Resource, found: Found) -> str:
    """How it is not the thing of this name that was meant; "" if it is."""
    return ", ".join(str(d) for d in _differences(wanted, found) if d.field in wanted.identity)


def _nic_refusal(want: Want, actual: Actual) -> Problem | None:
    """What others have put somewhere is not taken from them, nor a NIC from its network."""
    nic, found = want.resource, actual.found.get(want.resource.key)
    if want.restore or found is None or not isinstance(nic, Device):
        return None
    port = actual.found.get(Key(OVS_PORT, nic.name)) if _keeps_off_ovs(want) else None
    where = "a port of Open vSwitch" if port else taken(nic, found)
    what = f"{where} already" if where else not_lendable(nic, found, want.owner)
    return Conflict(f"{nic.name} is {what}").problem if what else None


def _keeps_off_ovs(want: Want) -> bool:
    """What Open vSwitch has is not ours to put anywhere: a NIC, or what is not named after its
    port."""
    device = want.resource
    named = isinstance(device, Device) and device.by_sender
    return isinstance(device, Nic) or (named and not is_named_after(device.name, want.owner))


def _parent_refusal(want: Want, actual: Actual) -> Problem | None:
    """The kernel takes a device's alternative name too, but tells of it by the other: the VLAN
    device would seem to lead elsewhere, and be made anew at each look."""
    parent = want.resource.parent if isinstance(want.resource, Vlan) else ""
    found = actual.found.get(Key(LINK, parent))
    if want.restore or found is None or found.resource.name == parent:
        return None
    name = found.resource.name
    return Conflict(f"{parent} is another name of {name}, by which it is to be called").problem


def _device_refusal(want: Want, wanted: Mapping[Key, Want], actual: Actual) -> Problem | None:
    """An OVS port or bridge takes the device of its name: its own or an external one, never any
    NIC."""
    key = _device(want.resource)
    device = actual.found.get(key) if key else None
    if key is None or device is None or isinstance(want.resource, Command):
        return None
    if _may_take(want, device, actual) or _uses_external(want, wanted.get(key)):
        return None
    described = getattr(device.resource, "described", "") or device.resource.kind
    return Conflict(f"{want.resource.name} exists, is a {described} and is not ours").problem


def _may_take(want: Want, device: Found, actual: Actual) -> bool:
    """A bridge that is there has its device; one just removed may leave it for a moment, and one
    whose database was lost for good."""
    if not isinstance(want.resource, OvsBridge):
        return may_connect(device, want.owner)
    of_ovs = getattr(device.resource, "described", "") == "openvswitch"
    return want.resource.key in actual.found or device.held or of_ovs or is_abandoned(device)


def _uses_external(want: Want, device: Want | None) -> bool:
    return device is not None and device.resource.external and device.ports == want.ports


def _device(resource: Resource) -> Key | None:
    """The kernel device that becomes this OVS port or bridge, or that this command is about.

    None for a port OVS makes.
    """
    if isinstance(resource, Command):
        return Key(LINK, resource.about) if resource.about else None
    if isinstance(resource, OvsBridge) or (
        isinstance(resource, OvsPort) and not resource.interface_type
    ):
        return Key(LINK, resource.name)
    return None


def keys_to_read(wanted: Iterable[Want], to_delete: Iterable[Key]) -> set[Key]:
    """What ``diff`` must know of the host."""
    wanted = [*wanted]
    resources = [want.resource for want in wanted]
    devices = {key for r in resources if (key := _device(r))}
    uplinks = {Key(OVS_PORT, want.resource.name) for want in wanted if _keeps_off_ovs(want)}
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
        device = _device(want.resource)
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
    device = wanted.get(_device(want.resource) or want.resource.key)
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
    differences = _differences(wanted, found)
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
    verb = REMAKE if _must_remake(wanted, found) else CHANGE
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


def _must_remake(wanted: Resource, found: Found) -> bool:
    if wanted.external:
        return False
    if wanted.kind != found.resource.kind:
        return True
    return any(d.field in wanted.immutable for d in _differences(wanted, found))


def _differences(wanted: Resource, found: Found) -> tuple[Difference, ...]:
    actual = found.resource
    if wanted.kind != actual.kind and not wanted.external:
        return (Difference("kind", actual.kind, wanted.kind),)
    return tuple(
        Difference(field, have, want)
        for field, want in wanted.specified().items()
        if field not in found.others
        and not _same(field in wanted.maps, want, have := getattr(actual, field))
    )


def _same(is_map: bool, want: object, have: object) -> bool:
    if not is_map:
        return want == have or (want is False and have is None)  # what is not shown is off
    return set(want or ()) <= set(have or ())  # type: ignore[call-overload, no-any-return]
