"""The plan as a value: steps in phases, which a dry run prints and the host carries out. Pure."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

from vif_agent.errors import Problem
from vif_agent.ownership import SHARED, Found
from vif_agent.resources import (
    COMMAND,
    GUARD,
    LINK,
    OVS_SPACES,
    VF,
    Command,
    Key,
    OvsPort,
    Resource,
)

MAKE, CHANGE, REMAKE, REMOVE, RUN = "make", "change", "remake", "remove", "run"
#: what is wrong where this is to be done
_WRONG = {MAKE: "was gone", REMOVE: "was still there", RUN: "was not done"}

_CONNECTED = (*OVS_SPACES, COMMAND)
#: what the bus contract 1.0 calls each phase, and what it is called here
_PHASES = {"grow": "create", "wire": "connect", "shrink": "delete"}


@dataclasses.dataclass(frozen=True, slots=True)
class Want:
    """A resource with the ports that want it, in the order of their precedence, and the owner for
    its tag.

    ``restore``: it is external, those ports want it no longer, and it is to be left so.
    ``datapath``: what the request for an OVS port says of its bridge; "" for nothing.
    """

    resource: Resource
    ports: tuple[str, ...]
    restore: bool = False
    datapath: str = ""

    @property
    def owner(self) -> str:
        """A port's id, or SHARED."""
        return SHARED if self.resource.shared else self.ports[0]


#: as a field that differs: the name that the bus contract 1.0 gives it
OWNER_TAG = "stamp"


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """A field that is not as it is wanted; prints as in ``plan``'s text."""

    field: str
    actual: object
    wanted: object

    def __str__(self) -> str:
        name = "owner tag" if self.field == OWNER_TAG else self.field
        return f"{name} {self.actual} -> {self.wanted}"


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
        """Of what it is about."""
        return self.resource.key

    @property
    def wrong(self) -> str:
        """What is not as it is wanted, in words."""
        if self.verb in _WRONG:
            return f"{self.resource} {_WRONG[self.verb]}"
        who = f", by {self.found.undone_by}" if self.found and self.found.undone_by else ""
        return f"{self.resource}: {self._details}{who}"

    @property
    def _details(self) -> str:
        return ", ".join(str(d) for d in self.differences if d.field != "done")

    def __str__(self) -> str:
        details, text = self._details, f"{self.verb} {self.resource}"
        return f"{text}: {details}" if details else text


@dataclasses.dataclass(frozen=True, slots=True)
class Actual:
    """What was seen on the host. ``unknown``: spaces that could not be read, and why."""

    found: Mapping[Key, Found] = dataclasses.field(default_factory=dict)
    unknown: Mapping[str, Problem] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Steps in the order of their phases; ``problems`` of ports that get no step at all."""

    create: tuple[Step, ...] = ()
    connect: tuple[Step, ...] = ()
    delete: tuple[Step, ...] = ()
    problems: Mapping[str, Problem] = dataclasses.field(default_factory=dict)

    def __iter__(self) -> Iterator[Step]:
        yield from (*self.create, *self.connect, *self.delete)

    def __bool__(self) -> bool:
        return bool(self.create or self.connect or self.delete)

    def by_port(self, port_ids: Iterable[str]) -> dict[str, list[Step]]:
        """What is done for each of these, for all those that share it, or with what was its own."""
        steps: dict[str, list[Step]] = {}
        for step in self:
            for port_id in {*step.ports, step.owner}:
                steps.setdefault(port_id, []).append(step)
        return {port_id: steps[port_id] for port_id in port_ids if port_id in steps}

    def render(self) -> str:
        """Readable text, a line per step; says so when there is nothing to do."""
        phases = _PHASES.values()
        lines = [f"{phase}: {step}" for phase in phases for step in getattr(self, phase)]
        lines += [f"refused: {port}: {p.message}" for port, p in self.problems.items()]
        return "\n".join(lines or ["nothing to do"])

    def as_dict(self) -> dict[str, list[dict[str, object]]]:
        """``{phase: [step, ...]}`` and ``refused``, as the bus contract 1.0 has it."""
        phases: dict[str, list[dict[str, object]]] = {
            phase: [_step_dict(step) for step in getattr(self, _PHASES[phase])] for phase in _PHASES
        }
        phases["refused"] = [
            {"port_id": port, "code": p.code, "message": p.message}
            for port, p in self.problems.items()
        ]
        return phases


def in_phases(
    steps: Sequence[Step], removals: Sequence[Step], problems: Mapping[str, Problem]
) -> Plan:
    """Commands come when what they speak of is there, and are undone before it goes. A guard stands
    before its device, and goes after it."""
    commands = [s for s in steps if s.verb == RUN]
    done = [s for s in commands if not is_undoing(s)]
    undone = [s for s in reversed(commands) if is_undoing(s)]
    made = [s for s in steps if s.key.space not in _CONNECTED]
    return Plan(
        create=(*filter(_makes, done), *sorted(made, key=lambda s: s.key.space != GUARD)),
        connect=(
            *(s for s in undone if not _makes(s)),
            *(s for s in removals if s.key.space not in (LINK, GUARD)),
            *_connect_order(steps),
            *(s for s in done if not _makes(s)),
        ),
        delete=(
            *(s for s in removals if s.key.space == LINK),
            *filter(_makes, undone),
            *(s for s in removals if s.key.space == GUARD),
        ),
        problems=problems,
    )


def _connect_order(steps: Iterable[Step]) -> Iterator[Step]:
    """Bridges before the ports that go into them."""
    wiring = [s for s in steps if s.key.space in OVS_SPACES]
    return iter(sorted(wiring, key=lambda s: isinstance(s.resource, OvsPort)))


def is_undoing(step: Step) -> bool:
    """Does it run a vendor's program that undoes?"""
    return isinstance(step.resource, Command) and not step.resource.done


def _makes(step: Step) -> bool:
    return isinstance(step.resource, Command) and step.resource.makes


def guard_steps(plan: Plan) -> list[Step]:
    """What is to stand before any device comes up."""
    return [s for s in plan.create if s.key.space == GUARD]


def device_steps(plan: Plan, failures: Iterable[Key]) -> list[Step]:
    """A port whose guard failed gets no device: it would be up without."""
    failed = _failed_ports(plan, failures)
    return [
        s
        for s in plan.create
        if s.key.space in (LINK, VF) and not (s.ports and failed.issuperset(s.ports))
    ]


def connect_steps(plan: Plan, failures: Iterable[Key]) -> list[Step]:
    """A port whose device failed is not connected; and nothing goes before its commands are
    undone."""
    failed, first = _failed_ports(plan, failures), _undone_first(plan)
    return [
        s
        for s in plan.connect
        if s.key.space in OVS_SPACES
        and not (s.ports and failed.issuperset(s.ports))
        and not (s.verb == REMOVE and s.owner in first)
    ]


def run_steps(plan: Plan, failures: Iterable[Key]) -> list[Step]:
    """Only when all else of the port is there; what makes a device is undone when all else went."""
    failed = _failed_ports(plan, failures)
    leaving = {s.owner for s in plan if s.verb == REMOVE}
    return [s for s in plan if s.verb == RUN and _may_run(s, failed, leaving)]


def _may_run(step: Step, failed: set[str], leaving: set[str]) -> bool:
    if is_undoing(step):
        return not (_makes(step) and leaving.intersection(step.ports))
    return not failed.issuperset(step.ports)


def delete_steps(plan: Plan, failures: Iterable[Key]) -> list[Step]:
    """Devices go after their OVS ports, and after what tells somebody so.

    A bridge whose NIC could not leave stays: it still has the host's addresses.
    """
    stuck = {key.name for key in {*failures} if key.space == LINK}
    failed = _failed_ports(plan, failures)
    kept = _undone_first(plan) | {s.owner for s in plan.connect if s.key in {*failures}}
    return [
        s
        for s in plan.delete
        if s.key.space == LINK
        and s.owner not in kept
        and not (s.ports and failed.issuperset(s.ports))
        and not (s.found and s.found.members & stuck)
    ]


def unguard_steps(plan: Plan, failures: Iterable[Key], deleted: Iterable[Step]) -> list[Step]:
    """``deleted``: the links that were to go by now. A guard stays with a device that does."""
    gone = {s.key for s in deleted}
    stays = {s.key for s in plan.delete if s.key.space == LINK and s.key not in gone}
    names = {key.name for key in (*stays, *failures) if key.space == LINK}
    return [s for s in plan.delete if s.key.space == GUARD and s.key.name not in names]


def _failed_ports(plan: Plan, failures: Iterable[Key]) -> set[str]:
    failed = {*failures}
    return {port for step in plan if step.key in failed for port in step.ports}


def _undone_first(plan: Plan) -> set[str]:
    return {port for s in plan if is_undoing(s) and not _makes(s) for port in s.ports}


def _step_dict(step: Step) -> dict[str, object]:
    fields = step.resource.specified() if step.verb == MAKE else {}
    if isinstance(step.resource, Command):
        fields = {"command": list(step.resource.vector)}
    return {
        "verb": step.verb,
        "kind": step.resource.kind,
        "name": step.resource.name,
        "owner": step.owner,
        "ports": list(step.ports),
        "fields": fields,
        "differences": {d.field: [d.actual, d.wanted] for d in step.differences},
    }
