"""What the host has of some ports, and the plan that follows."""

import dataclasses
import time
from collections.abc import Collection, Iterable, Mapping, Set
from typing import NamedTuple

from vif_agent.host.interface import Host
from vif_agent.ownership import Found
from vif_agent.plan import duplicates
from vif_agent.plan.diff import diff, keys_to_read
from vif_agent.plan.known_links import KnownLinks
from vif_agent.plan.merge import merge
from vif_agent.plan.removals import ToDelete
from vif_agent.plan.restore import with_restores
from vif_agent.plan.steps import Actual, Plan, Want
from vif_agent.ports.store import Store
from vif_agent.reconcile import demand, known_commands
from vif_agent.reconcile.records import PortRecords
from vif_agent.resources import Command, Key


class Surveyed(NamedTuple):
    """``ids``: the ports, with those that are unplugged and of which something is there. ``at``: of
    the look (time.monotonic)."""

    ids: list[str]
    plan: Plan
    actual: Actual
    to_delete: ToDelete
    at: float


class Survey:
    """``known``: links that carried our tag when they were last seen."""

    def __init__(self, host: Host, store: Store) -> None:
        self._host = host
        self._store = store
        self.known = KnownLinks()

    def look(
        self,
        records: PortRecords,
        ids: Iterable[str],
        *,
        everywhere: bool = False,
        trial: bool = False,
    ) -> Surveyed:
        """Read once, merge once, compare once. ``trial``: no program is run, not even to check."""
        ids = [*ids]
        wants = demand.wanted(records, ids)
        asked = {port_id: records[port_id].port.seq for port_id in wants}
        wanted, problems = merge(wants, asked)
        restores = demand.restored(records, ids, wanted)
        concerned = (*wanted.values(), *(way for ways in restores.values() for way in ways))
        to_delete = demand.to_delete(records, ids)
        keys = keys_to_read(concerned, to_delete)
        if everywhere:
            actual = self._all(keys, wanted)
            ids += self._unplugged_but_there(records, actual)
            demand.adopt_by_owner_tag(records, actual)
            to_delete = demand.to_delete(records, ids)
        else:
            actual = self._some(keys, wanted, to_delete, demand.unfinished(records, ids))
        actual = demand.with_former_owners(records, to_delete, actual)
        actual = self._with_duplicates(records, wanted, actual)
        if not trial:
            self.known.note(keys, actual)
        wanted = with_restores(wanted, restores, actual)
        actual = self._with_commands(records, ids, wanted, actual, trial)
        plan = diff(wanted, to_delete, actual)
        plan = dataclasses.replace(plan, problems={**plan.problems, **problems})
        return Surveyed(ids, plan, actual, to_delete, time.monotonic())

    def _all(self, keys: Collection[Key], wanted: Mapping[Key, Want]) -> Actual:
        actual = self._host.read_all({*keys, *self.known.keys})
        return self.known.recognized(actual, wanted, keys)

    def _some(
        self,
        keys: Collection[Key],
        wanted: Mapping[Key, Want],
        to_delete: ToDelete,
        made: Set[Key],
    ) -> Actual:
        going = to_delete.keys() - wanted.keys()
        made = made & wanted.keys() - to_delete.keys()
        actual = self._host.read(keys, to_delete, self.known.indexes(keys), going, made)
        return self.known.recognized(actual, wanted, keys)

    def _unplugged_but_there(self, records: PortRecords, actual: Actual) -> Collection[str]:
        owners = {found.owner for found in actual.found.values() if found.owner}
        ports = self._store.ports([owner for owner in owners if owner not in records])
        for port in ports.values():
            records.enter(port)
        return ports

    def _with_duplicates(
        self, records: PortRecords, wanted: Mapping[Key, Want], actual: Actual
    ) -> Actual:
        """They are rare, so their devices are read only then."""
        if keys := duplicates.beside(wanted, actual):
            more = self._host.read(keys, keys)
            actual = Actual({**actual.found, **more.found}, {**actual.unknown, **more.unknown})
            for found in duplicates.find(wanted, actual):
                records.hold(found.port, found.keys)
        return actual

    def _with_commands(
        self,
        records: PortRecords,
        ids: Iterable[str],
        wanted: Mapping[Key, Want],
        actual: Actual,
        trial: bool,
    ) -> Actual:
        commands = [w.resource for w in wanted.values() if isinstance(w.resource, Command)]
        if not commands:
            return actual
        known: Mapping[Key, Found]
        if trial:
            known = self._host.commands.known(commands)
        else:
            known = self._host.commands.ask(commands, known_commands.uncertain(records, ids))
        return dataclasses.replace(actual, found={**actual.found, **known})
