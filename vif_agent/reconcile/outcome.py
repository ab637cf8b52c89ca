"""What a reconcile comes to for each port, in words. Nothing is done here."""

import dataclasses
import time
from collections.abc import Iterable, Mapping

from vif_agent.errors import Problem
from vif_agent.ownership import SHARED
from vif_agent.plan.steps import Actual, Plan, Step
from vif_agent.ports.port import READY, Port
from vif_agent.reconcile.record import PortRecord
from vif_agent.reconcile.records import PortRecords
from vif_agent.resources import COMMAND, GUARD, Key


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """``finished``: ports whose result changed, to be reported; the others are to be reconciled
    again.

    ``again``: at once, something was done for them; ``waiting``: when Open vSwitch or the kernel
    speaks of the given things (none: when the plugin has answered); ``retry``: after a pause.
    ``mended``: ports, and things that several share, that others had changed; ``drift``: how many
    things these were, by their kind.
    """

    finished: tuple[Port, ...] = ()
    again: frozenset[str] = frozenset()
    waiting: Mapping[str, frozenset[Key]] = dataclasses.field(default_factory=dict)
    retry: frozenset[str] = frozenset()
    mended: frozenset[str | Key] = frozenset()
    drift: Mapping[str, int] = dataclasses.field(default_factory=dict)


def undone_of(records: PortRecords, plan: Plan) -> list[Step]:
    """What puts right things that were as their ports want them, and are not."""
    wanted = {port_id for step in plan for port_id in step.ports}
    chosen = (record for port_id in wanted if (record := records.get(port_id)))
    ready = {record.port.port_id for record in chosen if record.was_well}
    return [s for s in plan if s.ports and ready.issuperset(s.ports)]


def mended_of(undone: Iterable[Step]) -> frozenset[str | Key]:
    """Whose that is: ports, and things that several share."""
    return frozenset(s.key if s.owner == SHARED else s.owner for s in undone)


def surely_made(record: PortRecord, actual: Actual) -> frozenset[Key]:
    """What may be on the host is read; of a command there is nothing to see.

    Of one that nobody has asked about, for its port is refused, it stands what was stored.
    """
    kept = [k for k in record.held if k.space != COMMAND or _is_done(k, record, actual)]
    return record.held if len(kept) == len(record.held) else frozenset(kept)


def _is_done(command: Key, record: PortRecord, actual: Actual) -> bool:
    if found := actual.found.get(command):
        return bool(getattr(found.resource, "done", False))
    return command in record.port.made


def result_of(
    record: PortRecord, state: str, problem: Problem | None, made: frozenset[Key]
) -> Port:
    """A port that was ready before, under this same request, was repaired: timed from the
    finding."""
    before, now, clock = record.port, time.time(), time.monotonic()
    repaired = before.ready_at is not None
    start = (record.progress.began or clock) if repaired else record.progress.received
    return dataclasses.replace(
        before,
        previous_specs=before.previous_specs if problem else (),
        parsed=None,
        state=state,
        problem=problem,
        made=made,
        devices=_devices(record) or before.devices,
        done_at=now,
        ready_at=before.ready_at or (now if state == READY else None),
        elapsed_ms=(clock - start) * 1000,
        repaired=record.progress.undone or "it had to wait for others" if repaired else "",
    )


def _devices(record: PortRecord) -> tuple[str, ...]:
    """A guard is called as its device, which may be another's to make."""
    named = (r.name for r in record.wanted if r.space not in (COMMAND, GUARD))
    return tuple(dict.fromkeys(named))
