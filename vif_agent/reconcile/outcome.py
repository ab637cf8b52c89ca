"""What a round comes to for each port, in words and states. Nothing is done here."""

import dataclasses
import logging
import time
from collections.abc import Iterable, Mapping

from vif_agent.errors import NotYet, Problem
from vif_agent.ownership import SHARED, Found, is_theirs
from vif_agent.plan.steps import Actual, Plan, Step
from vif_agent.ports.port import ERROR, READY, RETRYING, UNPLUG, UNPLUGGED, Port
from vif_agent.reconcile.record import PortRecord
from vif_agent.reconcile.records import PortRecords
from vif_agent.resources import COMMAND, OVS_BRIDGE, Key, OvsPort, Resource

LOG = logging.getLogger(__name__)

#: a plug takes one round to do and one to see it done; more may be needed when others interfere
_RECONCILES_IN_A_ROW = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """``finished``: ports whose story changed, to be told; the others are to be looked at again.

    ``again``: at once, something was done for them; ``waiting``: when Open vSwitch or the kernel
    speaks of the given things (none: when the plugin has answered); ``retry``: after a pause.
    ``mended``: ports, and things that several share, that others had changed.
    """

    finished: tuple[Port, ...] = ()
    again: frozenset[str] = frozenset()
    waiting: Mapping[str, frozenset[Key]] = dataclasses.field(default_factory=dict)
    retry: frozenset[str] = frozenset()
    mended: frozenset[str | Key] = frozenset()


def problem_of(
    records: PortRecords,
    record: PortRecord,
    plan: Plan,
    actual: Actual,
    failures: Mapping[Key, Problem],
) -> Problem | None:
    if record.refused:
        return record.refused
    if problem := plan.problems.get(record.port.port_id):
        return problem
    if not (failures or actual.unknown):
        return None
    mine = {r.key for r in (*record.wanted, *record.restores)}
    mine |= {key for key in record.held if not records.claimed(key)}  # else it is another's
    failed = [failures[key] for key in sorted(mine) if key in failures]
    unseen = [actual.unknown[key.space] for key in sorted(mine) if key.space in actual.unknown]
    return next(iter((*failed, *unseen)), None)


def mended_of(records: PortRecords, plan: Plan) -> frozenset[str | Key]:
    """What was as its ports wish it, and is not: ports, and things that several share."""
    wanted = {port_id for step in plan for port_id in step.ports}
    chosen = (record for port_id in wanted if (record := records.get(port_id)))
    ready = {record.port.port_id for record in chosen if record.port.ready_at is not None}
    steps = [s for s in plan if s.ports and ready.issuperset(s.ports)]
    return frozenset(s.key if s.owner == SHARED else s.owner for s in steps)


def unready_of(record: PortRecord, actual: Actual) -> dict[Key, str]:
    """What others have yet to do for this port, and what is known of it."""
    unready: dict[Key, str] = {}
    for resource in record.wanted:
        key, found = resource.key, actual.found.get(resource.key)
        if found is None and resource.external:
            unready[key] = resource.absent
        elif found and is_theirs(resource, found) and _is_down(resource, found):
            unready[key] = "it is not the agent's, and is down"
        elif isinstance(resource, OvsPort) and resource.wait_ofport and found and not found.ready:
            said = f": {found.error}" if found.error else ""
            unready[key] = found.unready or f"Open vSwitch has given it no ofport{said}"
    return unready | _running(record, actual)


def _is_down(resource: Resource, found: Found) -> bool:
    return bool(getattr(resource, "up", None)) and getattr(found.resource, "up", None) is False


def unattended_of(record: PortRecord, actual: Actual) -> dict[Key, str]:
    """Bridges whose owner has not come to give them flows. No port waits for that: its flows are
    given when it is there."""
    bridges = [r.key for r in record.wanted if r.space == OVS_BRIDGE]
    found = {key: actual.found[key] for key in bridges if key in actual.found}
    return {key: bridge.error for key, bridge in found.items() if bridge.error}


def _running(record: PortRecord, actual: Actual) -> dict[Key, str]:
    keys = [r.key for r in (*record.wanted, *record.restores) if r.space == COMMAND]
    return {k: found.error for k in keys if (found := actual.found.get(k)) and not found.ready}


def awaited_of(record: PortRecord, actual: Actual) -> dict[Key, str]:
    """The same without what Open vSwitch has refused, and may. It is warned of, but once."""
    error_is_final = [r.key for r in record.wanted if isinstance(r, OvsPort) and r.error_is_final]
    if not error_is_final:
        record.refusals = {}
        return unready_of(record, actual)
    found = {key: actual.found[key] for key in error_is_final if key in actual.found}
    refused = {key: thing.error for key, thing in found.items() if thing.error}
    for key, error in refused.items() - record.refusals.items():
        LOG.warning("Open vSwitch refuses %s of port %s: %s", key.name, record.port.port_id, error)
    record.refusals = refused
    return {key: why for key, why in unready_of(record, actual).items() if key not in refused}


def not_converging(record: PortRecord, steps: Iterable[Step]) -> Problem | None:
    """Something was done for the port, round after round: the host does not keep it."""
    record.reconciles_in_a_row += 1
    if record.reconciles_in_a_row < _RECONCILES_IN_A_ROW:
        return None
    return NotYet(f"the host does not keep what is done: {undone_of(steps)}").problem


def steps_by_port(plan: Plan) -> dict[str, list[Step]]:
    """What is done for each port, for all those that share it, or with what was its own."""
    steps: dict[str, list[Step]] = {}
    for step in plan:
        for port_id in {*step.ports, step.owner}:
            steps.setdefault(port_id, []).append(step)
    return steps


def undone_of(steps: Iterable[Step]) -> str:
    """What is not as a port wishes it, by what is done about it."""
    return "; ".join(map(str, steps))


def surely_made(record: PortRecord, actual: Actual) -> frozenset[Key]:
    """What may be on the host is looked at; of a command there is nothing to see.

    Of one that nobody has asked about, for its port is refused, it stands what was stored.
    """
    done = {key for key, found in actual.found.items() if getattr(found.resource, "done", False)}
    done |= record.port.made - actual.found.keys()
    return frozenset(key for key in record.held if key.space != COMMAND or key in done)


def result_of(
    record: PortRecord, state: str, problem: Problem | None, made: frozenset[Key]
) -> Port:
    """A port that was ready before, under this same wish, was repaired: timed from the finding."""
    before, now, clock = record.port, time.time(), time.monotonic()
    repaired = before.ready_at is not None
    start = (record.began or clock) if repaired else record.received
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
        repaired=record.undone or "it had to wait for others" if repaired else "",
    )


def _devices(record: PortRecord) -> tuple[str, ...]:
    return tuple(dict.fromkeys(r.name for r in record.wanted if r.space != COMMAND))


def state_of(verb: str, problem: Problem | None) -> str:
    if problem is None:
        return UNPLUGGED if verb == UNPLUG else READY
    return RETRYING if problem.transient else ERROR
