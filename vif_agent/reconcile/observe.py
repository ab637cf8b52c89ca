"""What a reconcile has seen of each port. Nothing is done here."""

import logging
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from vif_agent.errors import NotYet, OvsdbUnavailable, Problem
from vif_agent.log_fields import about
from vif_agent.ownership import Found, in_bridge, is_theirs
from vif_agent.plan.steps import Actual, Plan, Step
from vif_agent.reconcile.record import PortRecord
from vif_agent.reconcile.records import PortRecords
from vif_agent.reconcile.transitions import Observation
from vif_agent.resources import (
    COMMAND,
    GUARD,
    LINK,
    OVS_BRIDGE,
    OVS_SPACES,
    Key,
    OvsPort,
    Resource,
)

LOG = logging.getLogger(__name__)

#: a plug takes one to do and one to see it done; more may be needed when others interfere
_RECONCILES_IN_A_ROW = 5


class Seen(NamedTuple):
    """``problem``: what to tell; ``awaits``: what others have yet to do."""

    observation: Observation
    problem: Problem | None = None
    awaits: frozenset[Key] = frozenset()


class Evidence(NamedTuple):
    """What there is to judge a port by. ``steps``: those of the plan, by port; ``timeout``: seconds
    in which others have to do their part; ``seen_at``: when the host was so (time.monotonic)."""

    plan: Plan
    steps: Mapping[str, list[Step]]
    actual: Actual
    failures: Mapping[Key, Problem]
    timeout: float
    seen_at: float


def observe(records: PortRecords, record: PortRecord, evidence: Evidence) -> Seen:
    """Of one port; what is under way is noted in its record."""
    if record.unanswered:
        return Seen(Observation.UNANSWERED)
    problem = problem_of(records, record, evidence.plan, evidence.actual, evidence.failures)
    unready = awaited_of(record, evidence.actual)
    if steps := evidence.steps.get(record.port.port_id):
        _note_work(record, steps, evidence.seen_at)
    if problem is None and steps:
        return _changed(record, steps)
    if problem is None and unready:
        return _waits(record, unready, evidence.timeout)
    return Seen(of_problem(problem), problem)


def of_problem(problem: Problem | None) -> Observation:
    """Of a port for which nothing more is to be done now."""
    if problem is None:
        return Observation.DONE
    return Observation.FAILED if problem.transient else Observation.REFUSED


def _note_work(record: PortRecord, steps: Iterable[Step], seen_at: float) -> None:
    if not record.progress.renewed:
        record.progress.began = record.progress.began or seen_at
    if record.was_well:
        record.progress.undone = record.progress.undone or "; ".join(step.wrong for step in steps)
    record.held |= frozenset(r.key for r in record.wanted)


def _changed(record: PortRecord, steps: Iterable[Step]) -> Seen:
    """Something was done for it. Time after time: the host does not keep it."""
    record.progress.reconciles_in_a_row += 1
    if record.progress.reconciles_in_a_row < _RECONCILES_IN_A_ROW:
        return Seen(Observation.CHANGED)
    undone = "; ".join(map(str, steps))
    return Seen(
        Observation.FAILED, NotYet(f"the host does not keep what is done: {undone}").problem
    )


def _waits(record: PortRecord, unready: Mapping[Key, str], timeout: float) -> Seen:
    """A command has a time limit of its own."""
    awaits, now = frozenset(unready), time.monotonic()
    late = [(key, why) for key, why in unready.items() if key.space != COMMAND]
    if late:
        record.progress.waiting_since = record.progress.waiting_since or now
    if not late or now - (record.progress.waiting_since or now) < timeout:
        return Seen(Observation.WAITS, awaits=awaits)
    key, why = late[0]
    kind = OvsdbUnavailable if key.space in OVS_SPACES else NotYet
    return Seen(Observation.OVERDUE, kind(f"{key.name}: {why}").problem, awaits)


def problem_of(
    records: PortRecords,
    record: PortRecord,
    plan: Plan,
    actual: Actual,
    failures: Mapping[Key, Problem],
) -> Problem | None:
    """The first that stands in the port's way; None where all is as wanted, or can be."""
    if record.refused:
        return record.refused
    if problem := plan.problems.get(record.port.port_id):
        return problem
    if not (failures or actual.unknown):
        return None
    mine = {r.key for r in (*record.wanted, *record.restores)}
    mine |= {key for key in record.held if not records.claims.claimed(key)}  # else it is another's
    failed = [failures[key] for key in sorted(mine) if key in failures]
    unseen = [actual.unknown[key.space] for key in sorted(mine) if key.space in actual.unknown]
    return next(iter((*failed, *unseen)), None)


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
            reason = f": {found.error}" if found.error else ""
            unready[key] = found.unready or f"Open vSwitch has given it no ofport{reason}"
    return unready | _still_guarded(record, actual) | _running(record, actual)


def _still_guarded(record: PortRecord, actual: Actual) -> dict[Key, str]:
    """Devices that others are yet to take out of a bridge that the port wants no longer."""
    guards = [key for key in record.held if key.space == GUARD and key in actual.found]
    wanted = {resource.key for resource in record.wanted} if guards else set()
    devices = [Key(LINK, k.name) for k in guards if not (k in wanted or record.refused)]
    bridges = {key: in_bridge(actual.found.get(key)) for key in devices}
    left = {key: b for key, b in bridges.items() if b and Key(LINK, b) not in wanted}
    return {key: f"its guard stays while it is in {b}" for key, b in left.items()}


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
        port_id = record.port.port_id
        extra = about(port_id, request_id=record.port.request_id)
        LOG.warning("Open vSwitch refuses %s of port %s: %s", key.name, port_id, error, extra=extra)
    record.refusals = refused
    return {key: why for key, why in unready_of(record, actual).items() if key not in refused}
