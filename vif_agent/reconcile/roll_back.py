"""Half a port is worth nothing: what was made for one that cannot be finished goes again."""

from collections.abc import Collection, Mapping

from vif_agent.errors import Problem
from vif_agent.ownership import SHARED
from vif_agent.plan.steps import MAKE, Plan
from vif_agent.reconcile.records import PortRecords
from vif_agent.resources import Key


def to_roll_back(
    records: PortRecords, plan: Plan, failures: Mapping[Key, Problem]
) -> dict[Key, frozenset[str]]:
    """What was made for ports alone that cannot be finished now, with whom its tag may name.

    Of earlier reconciles too, if they came to nothing. What was there before is not in it.
    """
    _note_created(records, plan)
    lost = _cannot_be_finished(plan, failures)
    created = {key for i in lost if i in records for key in records[i].created_since_ready}
    holders = {key: {*records.claims.claimants(key)} for key in created}
    return {key: frozenset({SHARED, *who}) for key, who in holders.items() if who <= lost}


def rolled_back(records: PortRecords, keys: Collection[Key]) -> None:
    """Note that these have gone."""
    for record in records:
        if record.created_since_ready:
            record.created_since_ready -= frozenset(keys)


def _note_created(records: PortRecords, plan: Plan) -> None:
    for step in (*plan.create, *plan.connect):
        for port_id in step.ports if step.verb == MAKE else ():
            if record := records.get(port_id):
                record.created_since_ready |= {step.key}


def _cannot_be_finished(plan: Plan, failures: Mapping[Key, Problem]) -> set[str]:
    refused = {key for key, problem in failures.items() if not problem.transient}
    ports = {port for step in plan if step.key in refused for port in step.ports}
    return ports | {port for port, problem in plan.problems.items() if not problem.transient}
