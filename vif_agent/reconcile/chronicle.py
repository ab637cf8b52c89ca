"""Writes down what a reconcile does to ports, and what becomes of them, for their history."""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from vif_agent.plan.steps import OWNER_TAG, Actual, Plan, Step
from vif_agent.ports import event
from vif_agent.ports.history import History
from vif_agent.ports.port import UNPLUGGED
from vif_agent.reconcile.record import PortRecord
from vif_agent.reconcile.records import PortRecords
from vif_agent.resources import Key, OvsPort


def worked(
    history: History,
    records: PortRecords,
    steps: Mapping[str, Sequence[Step]],
    failed: Collection[Key],
    seconds: float,
) -> None:
    """These were to be done for each port; those of all together took so long."""
    found_at = time.time() - seconds
    for port_id, mine in steps.items():
        record = records[port_id]
        if record.port.ready_at is None:
            _adopted(history, port_id, mine, found_at)
        elif record.progress.began is None and record.was_well:
            wrong = "; ".join(step.wrong for step in mine)
            history.add(port_id, event.DRIFT, wrong, found_at)
        if done := [step for step in mine if step.key not in failed]:
            _tell(history, record, event.DID, _words(done), f" ({seconds * 1000:.1f} ms)")


def rolled_back(
    history: History, records: PortRecords, back: Plan, failed: Collection[Key]
) -> None:
    """What was made for ports that cannot be finished has gone again; what several share is no
    port's."""
    by_port: dict[str, list[Step]] = {}
    for step in back:
        if step.key not in failed and step.owner in records:
            by_port.setdefault(step.owner, []).append(step)
    for port_id, steps in by_port.items():
        _tell(history, records[port_id], event.UNDID, _words(steps))


def finished(history: History, record: PortRecord, actual: Actual) -> None:
    """There is news of it."""
    port, problem = record.port, record.port.problem
    lasted = f"{port.elapsed_ms or 0:.1f} ms"
    if problem:
        history.add(port.port_id, event.FAILED, f"{problem.code}: {problem.message}")
    elif port.state == UNPLUGGED:
        history.add(port.port_id, event.UNPLUGGED, f"{lasted} after it was asked")
    elif port.repaired:
        history.add(port.port_id, event.REPAIRED, f"{lasted} after it was found")
    else:
        words = [f"{lasted} after it was asked", *_ofports(record, actual)]
        history.add(port.port_id, event.READY, "; ".join(words))


def _tell(history: History, record: PortRecord, what: str, words: str, more: str = "") -> None:
    """Once, of a port that is tried again and again: else its history would soon tell nothing
    else."""
    if (what, words) not in record.progress.told:
        record.progress.told.add((what, words))
        history.add(record.port.port_id, what, words + more)


def _adopted(history: History, port_id: str, steps: Iterable[Step], found_at: float) -> None:
    if taken := [str(step.resource) for step in steps if _adopts(step)]:
        words = f"{'; '.join(taken)}: made by others"
        history.add(port_id, event.ADOPTED, words, found_at)


def _adopts(step: Step) -> bool:
    """It is there, and nobody's."""
    return any(d.field == OWNER_TAG and d.actual is None for d in step.differences)


def _ofports(record: PortRecord, actual: Actual) -> Iterator[str]:
    for key in (r.key for r in record.wanted if isinstance(r, OvsPort)):
        if (found := actual.found.get(key)) and found.ofport:
            yield f"{key.name} has ofport {found.ofport}"


def _words(steps: Iterable[Step]) -> str:
    return "; ".join(map(str, steps))
