"""Wanted against actual: the plan as a value, which a dry run prints and the host carries out.

Pure. ``merge`` joins what the ports want, ``diff`` compares it with what is there.
"""

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from vif_agent.errors import Conflict, Problem
from vif_agent.ownership import SHARED, Found, Verdict, may_wire, verdict
from vif_agent.resources import LINK, OVS_SPACES, Key, Link, OvsBridge, OvsPort, Resource

MAKE, CHANGE, REMAKE, REMOVE = "make", "change", "remake", "remove"


@dataclasses.dataclass(frozen=True, slots=True)
class Want:
    """A resource with the ports that want it, oldest first, and the owner to stamp it with.

    ``back``: it is borrowed, those ports want it no longer, and it is to be given back so.
    """

    resource: Resource
    ports: tuple[str, ...]
    back: bool = False

    @property
    def owner(self) -> str:
        return SHARED if self.resource.shared else self.ports[0]


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    field: str
    actual: object
    wanted: object

    def __str__(self) -> str:
        return f"{self.field} {self.actual} -> {self.wanted}"


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. ``resource`` is the wanted one (for a removal: the one found)."""

    verb: str
    resource: Resource
    owner: str
    ports: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    found: Found | None = None

    @property
    def key(self) -> Key:
        return self.resource.key

    def __str__(self) -> str:
        details = ", ".join(str(d) for d in self.differences)
        text = f"{self.verb} {self.resource.kind} {self.resource.name}"
        return f"{text}: {details}" if details else text


@dataclasses.dataclass(frozen=True, slots=True)
class Actual:
    """What was seen on the host. ``unknown``: spaces that could not be read, and why."""

    found: Mapping[Key, Found] = dataclasses.field(default_factory=dict)
    unknown: Mapping[str, Problem] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Steps in the order of their phases; ``problems`` of ports that get no step at all."""

    grow: tuple[Step, ...] = ()
    wire: tuple[Step, ...] = ()
    shrink: tuple[Step, ...] = ()
    problems: Mapping[str, Problem] = dataclasses.field(default_factory=dict)

    def __iter__(self) -> Iterator[Step]:
        yield from (*self.grow, *self.wire, *self.shrink)

    def __bool__(self) -> bool:
        return bool(self.grow or self.wire or self.shrink)

    def render(self) -> str:
        """Readable text, a line per step; says so when there is nothing to do."""
        lines = [
            f"{phase}: {step}"
            for phase in ("grow", "wire", "shrink")
            for step in getattr(self, phase)
        ]
        lines += [f"refused: {port}: {p.message}" for port, p in self.problems.items()]
        return "\n".join(lines or ["nothing to do"])

    def as_dict(self) -> dict[str, list[dict[str, object]]]:
        phases: dict[str, list[dict[str, object]]] = {
            phase: [_step_dict(step) for step in getattr(self, phase)]
            for phase in ("grow", "wire", "shrink")
        }
        phases["refused"] = [
            {"port_id": port, "code": p.code, "message": p.message}
            for port, p in self.problems.items()
        ]
        return phases


def merge(
    wishes: Mapping[str, Sequence[Resource]], said: Mapping[str, int] | None = None
) -> tuple[dict[Key, Want], dict[str, Problem]]:
    """One want per key. ``wishes`` maps port to resources, the oldest port first.

    Shared resources are joined, the last wish (``said``: when, by port) saying how they are; any
    other resource belongs to the first port that wants it, and a later port is refused (two UUIDs
    with the same first 11 characters give the same device names).
    """
    said = said or {}
    wanted: dict[Key, Want] = {}
    problems: dict[str, Problem] = {}
    for port, resources in wishes.items():
        taken = [r for r in resources if _clashes(wanted.get(r.key), r)]
        if taken:
            other = wanted[taken[0].key].ports[0]
            problems[port] = Conflict(f"{taken[0].name} belongs to port {other}").problem
            continue
        for resource in resources:
            before = wanted.get(resource.key)
            wanted[resource.key] = _joined(before, resource, port, said)
    return wanted, problems


def _joined(before: Want | None, resource: Resource, port: str, said: Mapping[str, int]) -> Want:
    if before is None:
        return Want(resource, (port,))
    last = max(said.get(other, 0) for other in before.ports)
    newer = resource if said.get(port, 0) >= last else before.resource
    return Want(newer, (*before.ports, port))


def _clashes(before: Want | None, resource: Resource) -> bool:
    if before is None:
        return False
    same_kind = before.resource.kind == resource.kind
    return not (same_kind and before.resource.shared and resource.shared)


def diff(
    wanted: Mapping[Key, Want], surplus: Mapping[Key, Collection[str]], actual: Actual
) -> Plan:
    """The least that makes the host as wanted.

    ``surplus``: keys no port wants any longer, with the owners whose stamp may be on them.

    A port one of whose resources is refused, or cannot be seen, gets no step for what it alone
    wants: half a port is worth nothing.
    """
    problems = _problems(wanted, actual)
    steps = list(_steps(wanted, actual, problems))
    moving = {s.key.name for s in steps if any(d.field == "master" for d in s.differences)}
    removals = _removals(surplus, actual, moving)
    return Plan(
        grow=tuple(s for s in steps if s.resource.space not in OVS_SPACES),
        wire=(*(s for s in removals if s.resource.space != LINK), *_wire_order(steps)),
        shrink=tuple(s for s in removals if s.resource.space == LINK),
        problems=problems,
    )


def _wire_order(steps: Iterable[Step]) -> Iterator[Step]:
    """Bridges before the ports that go into them."""
    wiring = [s for s in steps if s.resource.space in OVS_SPACES]
    return iter(sorted(wiring, key=lambda s: isinstance(s.resource, OvsPort)))


def _problems(wanted: Mapping[Key, Want], actual: Actual) -> dict[str, Problem]:
    problems: dict[str, Problem] = {}
    for want in wanted.values():
        key = want.resource.key
        problem = (
            actual.unknown.get(key.space)
            or _refusal(want, actual.found.get(key))
            or _device_refusal(want, wanted, actual)
        )
        if problem:
            for port in want.ports:
                problems.setdefault(port, problem)
    return problems


def _refusal(want: Want, found: Found | None) -> Problem | None:
    """What stands in the way of making ``found`` into what is wanted."""
    if found is None or want.back:
        return None
    wanted, actual = want.resource, found.resource
    judgement = verdict(wanted, found, want.owner)
    if judgement is Verdict.FOREIGN and not (wanted.shared and wanted.kind == actual.kind):
        whose = f"belongs to {found.stamp}" if found.stamp else "is not ours"
        described = getattr(actual, "described", "") or actual.kind
        return Conflict(f"{wanted.name} exists, is a {described} and {whose}").problem
    if found.held and _must_remake(wanted, found):
        reasons = ", ".join(str(d) for d in _differences(wanted, found))
        return Conflict(f"{wanted.name} is held open by a guest and differs: {reasons}").problem
    return None


def _device_refusal(want: Want, wanted: Mapping[Key, Want], actual: Actual) -> Problem | None:
    """An OVS port or bridge takes the device of its name: its own or a borrowed one, never any
    NIC."""
    key = _device(want.resource)
    device = actual.found.get(key) if key else None
    if key is None or device is None:
        return None
    if _may_take(want, device, actual) or _borrows(want, wanted.get(key)):
        return None
    described = getattr(device.resource, "described", "") or device.resource.kind
    return Conflict(f"{want.resource.name} exists, is a {described} and is not ours").problem


def _may_take(want: Want, device: Found, actual: Actual) -> bool:
    """A bridge that is there has its device; one just removed may leave it for a moment."""
    if not isinstance(want.resource, OvsBridge):
        return may_wire(device, want.owner)
    of_ovs = getattr(device.resource, "described", "") == "openvswitch"
    return want.resource.key in actual.found or device.held or of_ovs


def _borrows(want: Want, device: Want | None) -> bool:
    return device is not None and device.resource.borrowed and device.ports == want.ports


def _device(resource: Resource) -> Key | None:
    """The kernel device that becomes this OVS port or bridge; None for a port OVS makes."""
    if isinstance(resource, OvsBridge) or (
        isinstance(resource, OvsPort) and not resource.interface_type
    ):
        return Key(LINK, resource.name)
    return None


def keys_to_read(wanted: Iterable[Want], surplus: Iterable[Key]) -> set[Key]:
    """What ``diff`` must know of the host."""
    resources = [want.resource for want in wanted]
    devices = {key for r in resources if (key := _device(r))}
    return {*(r.key for r in resources), *devices, *surplus}


def _steps(
    wanted: Mapping[Key, Want], actual: Actual, problems: Mapping[str, Problem]
) -> Iterator[Step]:
    """Links first: an OVS port must know whether its device is made anew."""
    made: set[Key | None] = set()
    for want in sorted(wanted.values(), key=lambda w: w.resource.space != LINK):
        if all(port in problems for port in want.ports):
            continue
        found = actual.found.get(want.resource.key)
        step = _step(want, found, new_device=_device(want.resource) in made)
        if step and step.verb in (MAKE, REMAKE):
            made.add(step.key)
        if step:
            yield step


def _step(want: Want, found: Found | None, new_device: bool) -> Step | None:
    owner = want.owner
    if found is None:
        return None if want.resource.borrowed else Step(MAKE, want.resource, owner, want.ports)
    if not _is_ours_to_change(want, found):
        return None
    wanted = _out_of_former_bridge(want.resource, found)
    judgement = verdict(wanted, found, owner)
    if judgement is Verdict.FOREIGN:
        return None  # shared and there before us: used as it is
    differences = _differences(wanted, found)
    if want.back:  # what cannot be read cannot have been changed
        differences = tuple(d for d in differences if d.actual is not None)
    if judgement is Verdict.ADOPTABLE:
        differences = (*differences, Difference("stamp", None, owner))
    if new_device and isinstance(wanted, OvsPort):
        differences = (*differences, Difference("device", "gone", "made anew"))
    if not differences:
        return None
    verb = REMAKE if _must_remake(wanted, found) else CHANGE
    return Step(verb, wanted, owner, want.ports, differences, found)


def _is_ours_to_change(want: Want, found: Found) -> bool:
    if want.back and found.stamp is not None:
        return False
    return all(getattr(found.resource, field) == value for field, value in want.resource.only_if)


def _out_of_former_bridge(wanted: Resource, found: Found) -> Resource:
    """What says nothing of a bridge stays where others put it, but where we did: for an earlier
    wish of the port, and the network that it was on then."""
    if isinstance(wanted, Link) and wanted.master is None and found.in_shared:
        return dataclasses.replace(wanted, master="")
    return wanted


def _must_remake(wanted: Resource, found: Found) -> bool:
    if wanted.borrowed:
        return False
    if wanted.kind != found.resource.kind:
        return True
    return any(d.field in wanted.fixed for d in _differences(wanted, found))


def _differences(wanted: Resource, found: Found) -> tuple[Difference, ...]:
    actual = found.resource
    if wanted.kind != actual.kind and not wanted.borrowed:
        return (Difference("kind", actual.kind, wanted.kind),)
    return tuple(
        Difference(field, have, want)
        for field, want in wanted.judged().items()
        if field not in found.others
        and not _same(field in wanted.maps, want, have := getattr(actual, field))
    )


def _same(is_map: bool, want: object, have: object) -> bool:
    if not is_map:
        return want == have or (want is False and have is None)  # what is not told is off
    return set(want or ()) <= set(have or ())  # type: ignore[call-overload, no-any-return]


def _removals(
    surplus: Mapping[Key, Collection[str]], actual: Actual, moving: Collection[str]
) -> tuple[Step, ...]:
    """Steps for what is there, is stamped with one of its owners, and no port wants.

    A shared thing stays while anything is in it that neither goes nor moves in this same plan; and
    nothing of a port goes while part of it cannot be seen: its OVS row must go before its devices.
    """
    blind = {
        who for key, owners in surplus.items() if key.space in actual.unknown for who in owners
    }
    going = {
        key: found
        for key, owners in sorted(surplus.items())
        if (found := actual.found.get(key)) and found.stamp in {*owners} - (blind - {SHARED})
    }
    leaving = {*moving, *(key.name for key in going)}
    return tuple(
        Step(REMOVE, found.resource, str(found.stamp), found=found)
        for found in going.values()
        if found.stamp != SHARED or found.members <= leaving
    )


def _step_dict(step: Step) -> dict[str, object]:
    return {
        "verb": step.verb,
        "kind": step.resource.kind,
        "name": step.resource.name,
        "owner": step.owner,
        "ports": list(step.ports),
        "fields": {k: v for k, v in step.resource.judged().items() if step.verb == MAKE},
        "differences": {d.field: [d.actual, d.wanted] for d in step.differences},
    }
