"""What is known of vendors' commands by the records: there is nothing to see on the host."""

import dataclasses
from collections.abc import Iterable

from vif_agent.plan.steps import RUN, Plan
from vif_agent.ports.port import Port
from vif_agent.reconcile.records import PortRecords
from vif_agent.resources import COMMAND, Key


def done(records: PortRecords) -> set[Key]:
    """As far as the store knows. A reboot may have undone any of them."""
    made = {key for record in records if not record.port.rebooted for key in record.port.made}
    return {key for key in made if key.space == COMMAND}


def uncertain(records: PortRecords, ids: Iterable[str]) -> set[Key]:
    """A process before this one may have died amid these."""
    chosen = [record for i in ids if (record := records[i]).uncertain]
    return {r.key for e in chosen for r in (*e.wanted, *e.restores) if r.space == COMMAND}


def wanted(records: PortRecords, port_id: str | None) -> set[Key]:
    """By this port, or by all."""
    chosen = records if port_id is None else filter(None, [records.get(port_id)])
    return {r.key for record in chosen for r in record.wanted if r.space == COMMAND}


def with_less_made(records: PortRecords, plan: Plan) -> list[Port]:
    """The ports whose commands the plan runs anew or undoes, with these no longer as made."""
    runs = [step for step in plan if step.verb == RUN]
    keys = {step.key for step in runs}
    ports = {port_id for step in runs for port_id in step.ports}
    known = [record.port for i in ports if (record := records.get(i))]
    return [dataclasses.replace(p, made=p.made - keys) for p in known if p.made & keys]
