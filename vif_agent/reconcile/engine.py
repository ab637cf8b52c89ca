"""One round: merge wishes, read the host, diff, apply, look again, tell.

Everything enters here as "these ports may differ, look": a cast, start-up, an OVSDB event, a
retry, an operator's repair. A port is finished when a look finds nothing to do and everything
ready; so verifying, repairing and restarting are the same code.
"""

import dataclasses
import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from vif_agent.errors import NotYet, OvsdbUnavailable, Problem, StoreUnavailable
from vif_agent.host.interface import Host
from vif_agent.ownership import Found
from vif_agent.plan import duplicates
from vif_agent.plan.diff import diff, keys_to_read
from vif_agent.plan.known_links import KnownLink, KnownLinks
from vif_agent.plan.merge import merge
from vif_agent.plan.removals import ToDelete
from vif_agent.plan.restore import with_restores
from vif_agent.plan.steps import RUN, Actual, Plan, Want, is_undoing
from vif_agent.ports.port import UNPLUGGED, Port
from vif_agent.ports.store import Store
from vif_agent.reconcile import orphans
from vif_agent.reconcile.desired import PluginSource
from vif_agent.reconcile.hindrances import Hindrances
from vif_agent.reconcile.orphans import Orphan
from vif_agent.reconcile.outcome import (
    Outcome,
    awaited_of,
    mended_of,
    not_converging,
    problem_of,
    result_of,
    state_of,
    steps_by_port,
    surely_made,
    unattended_of,
    undone_of,
    unready_of,
)
from vif_agent.reconcile.record import PortRecord
from vif_agent.reconcile.records import PortRecords
from vif_agent.resources import COMMAND, OVS_SPACES, Command, Key

LOG = logging.getLogger(__name__)


class Engine:
    """Not for use by two threads at once.

    ``bridges``: OVS bridges that are ours to look after even when no port wants them now.
    """

    def __init__(
        self,
        store: Store,
        host: Host,
        plugins: PluginSource,
        ready_timeout: float,
        bridges: Collection[str] = (),
    ) -> None:
        self._store = store
        self._host = host
        self._records = PortRecords(plugins, host.look_up)
        self._ready_timeout = ready_timeout
        self._bridges = frozenset(bridges)
        self._known = KnownLinks()
        self._hindrances = Hindrances()
        self._waiting_since: dict[str, float] = {}
        #: what the last look at everything found; None if it could not see everything
        self.orphans: tuple[Orphan, ...] | None = None
        self.reconciles = 0  # that had something to do
        self.reconciled_at: float | None = None  # when the last look ended (time.time)
        self._reconciling_since: float | None = None

    def load(self) -> set[str]:
        """Take in every stored wish; answers the ports to look at."""
        ports = self._store.live()
        for port in ports.values():
            self._records.enter(port, stored=True)
        self._host.commands.assume_done(self._records.commands_done())
        self._known.load({name: KnownLink(*mark) for name, mark in self._store.links().items()})
        return set(ports)

    def force_recheck(self, port_id: str | None) -> None:
        """An operator wants it made sure that the commands of this port, or of all, are done."""
        self._host.commands.force_recheck(self._records.commands_of(port_id))

    def without_ovsdb(self, port_ids: Collection[str]) -> set[str]:
        """Those that need nothing of Open vSwitch, and so need not wait for it."""
        self._refresh(port_ids)
        chosen = {i: record for i in port_ids if (record := self._records.get(i))}
        return {port_id for port_id, record in chosen.items() if not record.needs_ovsdb}

    def reconcile(
        self, port_ids: Collection[str], *, everywhere: bool = False, anew: Collection[str] = ()
    ) -> Outcome:
        """One round for these ports. ``everywhere``: also find our things by their stamps.

        ``anew``: those whose plugin is to be asked again though it has refused them.
        """
        self._reconciling_since = time.monotonic()
        try:
            return self._reconcile(port_ids, everywhere, anew)
        finally:
            self._reconciling_since, self.reconciled_at = None, time.time()

    def _reconcile(
        self, port_ids: Collection[str], everywhere: bool, anew: Collection[str]
    ) -> Outcome:
        self._records.ask_again(port_ids, anew)
        self._refresh(port_ids)
        ids = [i for i in port_ids if i in self._records]
        plan, actual, to_delete = self._plan(self._records, ids, everywhere)
        self._hindrances.note((r for i in ids for r in self._records[i].wanted), actual)
        mended = mended_of(self._records, plan)
        if everywhere:
            self.orphans = None if actual.unknown else self._orphans(actual)
        failures = self.apply(plan)
        self._records.keep_pending_deletes(to_delete, plan, actual, failures)
        outcome = self._outcome([self._records[i] for i in ids], plan, actual, failures)
        return dataclasses.replace(outcome, mended=mended)

    def apply(self, plan: Plan) -> dict[Key, Problem]:
        """Carry the plan out, and take back what it made for ports that cannot be finished."""
        self.reconciles += bool(plan)
        self._withdraw(plan)
        failures = self._host.apply(plan) if plan else {}
        if rollback := self._records.to_roll_back(plan, failures):
            failures = {**self._roll_back(rollback), **failures}
        return failures

    def _withdraw(self, plan: Plan) -> None:
        """Nobody must say of a command that it is done while that is being changed.

        If it then comes to nothing, or the process is killed meanwhile, nobody knows.
        """
        anew = [s.key for s in plan if s.verb == RUN and not is_undoing(s)]
        self._host.commands.force_recheck(anew)
        if changed := self._records.with_less_made(plan):
            self._store.keep_made(changed)
            for port in changed:
                self._records.tell(port)

    def _roll_back(self, rollback: Mapping[Key, Collection[str]]) -> dict[Key, Problem]:
        """But what a guest has opened meanwhile: that goes with its port."""
        there = self._host.read(rollback, rollback)
        held = {key for key, found in there.found.items() if found.held}
        back = diff({}, {k: who for k, who in rollback.items() if k not in held}, there)
        failures = self._host.apply(back) if back else {}
        self._records.rolled_back(rollback.keys() - failures.keys())
        return failures

    def dry_run(self, ports: Iterable[Port], *, everywhere: bool = False) -> Plan:
        """What a round would do if these were the ports' wishes, and of which it would complain."""
        return self._tried([*ports], everywhere)[1]

    def check(self, port: Port) -> tuple[Plan, dict[Key, str]]:
        """How the host differs from the port's wish, and what others have yet to do."""
        (record,), plan, actual = self._tried([port], everywhere=False)
        self._hindrances.note(record.wanted, actual)
        return plan, {**unready_of(record, actual), **unattended_of(record, actual)}

    def warnings(self, port_id: str) -> list[str]:
        """What stopped the port's frames at the last look, though the host is as wished."""
        record = self._records.get(port_id)
        return self._hindrances.of(record.wanted) if record else []

    def _tried(
        self, ports: Collection[Port], everywhere: bool
    ) -> tuple[list[PortRecord], Plan, Actual]:
        tried = self._records.copy()
        for port in ports:
            tried.enter(port)
        chosen = [tried[port.port_id] for port in ports]
        plan, actual, _ = self._plan(tried, [port.port_id for port in ports], everywhere)
        told = {e.port.port_id: problem_of(tried, e, plan, actual, {}) for e in chosen}
        problems = {port_id: problem for port_id, problem in told.items() if problem}
        return chosen, dataclasses.replace(plan, problems=problems), actual

    def find_orphans(self) -> tuple[Orphan, ...]:
        """Look at the host for what belongs to no wish; OvsdbUnavailable if it cannot be seen."""
        actual = self._host.read_all([])
        for problem in actual.unknown.values():
            raise OvsdbUnavailable(problem.message)
        return self._orphans(actual)

    def give_up(self, port_id: str, problem: Problem) -> Port | None:
        """A round for this port alone broke (a bug of ours): its story so far."""
        record = self._records.get(port_id)
        return self._finish(record, problem, Actual()) if record else None

    def ports_of(self, keys: Collection[Key], busy: Collection[object] = ()) -> set[str]:
        """The ports to look at when these links or OVS ports have changed."""
        return self._records.ports_of(keys, busy)

    @property
    def pending_deletes(self) -> bool:
        """Is there a shared thing that no port wants, but something was still in it?"""
        return bool(self._records.pending_deletes)

    @property
    def reconciling_for(self) -> float | None:
        """Seconds since the look that runs now began; None if none does."""
        since = self._reconciling_since
        return None if since is None else time.monotonic() - since

    @property
    def waiting(self) -> int:
        """How many ports wait for Open vSwitch to take them in."""
        return len(self._waiting_since)

    def states(self) -> Counter[str]:
        """How many ports are in which state."""
        return self._records.states()

    def _refresh(self, port_ids: Collection[str]) -> None:
        """Take in the wishes that are new since the last round."""
        known = {i: e.port.seq for i in port_ids if (e := self._records.get(i))}
        for port in self._store.ports(port_ids, known).values():
            self._records.enter(port)
            self._waiting_since.pop(port.port_id, None)

    def _plan(
        self, records: PortRecords, ids: list[str], everywhere: bool
    ) -> tuple[Plan, Actual, ToDelete]:
        """``ids`` grows by the ports that were unplugged, and of which something is there."""
        wants = records.of(ids)
        said = {port_id: records[port_id].port.seq for port_id in wants}
        wanted, problems = merge(wants, said)
        restores = records.restores(ids, wanted)
        concerned = (*wanted.values(), *(way for ways in restores.values() for way in ways))
        keys = keys_to_read(concerned, to_delete := records.to_delete(ids))
        if everywhere:
            actual = self._host.read_all({*keys, *self._known.keys})
            actual = self._known.recognized(actual, wanted, keys)
            ids.extend(self._unplugged_but_there(records, actual))
            records.adopt_by_owner_tag(actual)
            to_delete = records.to_delete(ids)
        else:
            going = to_delete.keys() - wanted.keys()
            actual = self._host.read(keys, to_delete, self._known.indexes(keys), going)
            actual = self._known.recognized(actual, wanted, keys)
        actual = self._with_twins(records, wanted, actual)
        if records is self._records:
            self._known.note(keys, actual)
        wanted = with_restores(wanted, restores, actual)
        if commands := [w.resource for w in wanted.values() if isinstance(w.resource, Command)]:
            actual = dataclasses.replace(
                actual, found={**actual.found, **self._asked(commands, records, ids)}
            )
        plan = diff(wanted, to_delete, actual)
        return dataclasses.replace(plan, problems={**plan.problems, **problems}), actual, to_delete

    def _unplugged_but_there(self, records: PortRecords, actual: Actual) -> Collection[str]:
        owners = {found.owner for found in actual.found.values() if found.owner}
        ports = self._store.ports([owner for owner in owners if owner not in records])
        for port in ports.values():
            records.enter(port)
        return ports

    def _with_twins(
        self, records: PortRecords, wanted: Mapping[Key, Want], actual: Actual
    ) -> Actual:
        """They are rare, so their devices are read only then."""
        if keys := duplicates.beside(wanted, actual):
            more = self._host.read(keys, keys)
            actual = Actual({**actual.found, **more.found}, {**actual.unknown, **more.unknown})
            for found in duplicates.find(wanted, actual):
                records.hold(found.port, found.keys)
        return actual

    def _asked(
        self, commands: Collection[Command], records: PortRecords, ids: Iterable[str]
    ) -> dict[Key, Found]:
        """To try something out runs no program, not even a check."""
        if records is not self._records:
            return self._host.commands.known(commands)
        return self._host.commands.ask(commands, records.uncertain_commands(ids))

    def _orphans(self, actual: Actual) -> tuple[Orphan, ...]:
        owners = {found.owner for found in actual.found.values() if found.owner}
        entered = {owner for owner in owners if owner in self._records}
        known = entered | self._store.known(owners - entered)  # those unplugged lately
        bridges = self._bridges | self._records.bridges()
        return orphans.find(actual, known, bridges, self._records.claimed)

    # -- what became of it -----------------------------------------------------------------

    def _outcome(
        self,
        chosen: Sequence[PortRecord],
        plan: Plan,
        actual: Actual,
        failures: Mapping[Key, Problem],
    ) -> Outcome:
        steps = steps_by_port(plan)
        finished: list[Port] = []
        freed_by_well: set[Key] = set()
        again: set[str] = set()
        retry: set[str] = set()
        waiting: dict[str, frozenset[Key]] = {}
        for record in chosen:
            port_id = record.port.port_id
            if record.unanswered:
                waiting[port_id] = frozenset()
                continue
            problem = problem_of(self._records, record, plan, actual, failures)
            unready = awaited_of(record, actual)
            if port_id in steps:
                record.began = record.began or time.monotonic()
                record.undone = record.undone or undone_of(steps[port_id])
                record.held |= frozenset(r.key for r in record.wanted)
            if problem is None and port_id in steps:
                problem = not_converging(record, steps[port_id])
                if problem is None:
                    again.add(port_id)
                    continue
            elif problem is None and unready:
                waiting[port_id] = frozenset(unready)
                problem = self._overdue(port_id, unready)
                if problem is None:
                    continue
            record.reconciles_in_a_row = 0
            if problem and problem.transient:
                retry.add(port_id)
            freed = self._records.freed(port_id)
            if port := self._finish(record, problem, actual):
                finished.append(port)
                freed_by_well |= freed if problem is None else set()
        again |= self._records.refused(freed_by_well)
        return Outcome(tuple(finished), frozenset(again), waiting, frozenset(retry))

    def _overdue(self, port_id: str, unready: Mapping[Key, str]) -> Problem | None:
        unready = {key: why for key, why in unready.items() if key.space != COMMAND}
        if not unready:  # a command has a time limit of its own
            return None
        since = self._waiting_since.setdefault(port_id, time.monotonic())
        if time.monotonic() - since < self._ready_timeout:
            return None
        key, why = next(iter(unready.items()))
        kind = OvsdbUnavailable if key.space in OVS_SPACES else NotYet
        return kind(f"{key.name}: {why}").problem

    def _finish(self, record: PortRecord, problem: Problem | None, actual: Actual) -> Port | None:
        """The port as it stands now; None when there is nothing new to tell of it."""
        before, state = record.port, state_of(record.port.verb, problem)
        if problem is None:
            self._waiting_since.pop(before.port_id, None)
            self._host.commands.forget(
                key for key in record.footprint if not self._records.claimed(key)
            )
            record.held = frozenset(r.key for r in record.wanted) & actual.found.keys()
            record.created_since_ready, record.restores, record.uncertain = frozenset(), (), False
        made = surely_made(record, actual)
        same = (before.state, before.problem, before.made) == (state, problem, made)
        port = None
        if not same or (problem is None and record.began is not None):
            self._records.tell(port := result_of(record, state, problem, made))
        if problem is None:
            record.began, record.undone = None, ""
        if state == UNPLUGGED:
            self._records.forget(before.port_id)
        return port

    def save(self, ports: Iterable[Port]) -> bool:
        """Write what became of the ports; False when the disk refuses, to be tried again."""
        try:
            self._store.save(ports, links := self._known.to_keep())
        except StoreUnavailable as error:
            LOG.warning("Cannot store what became of ports, will try again: %s", error)
            return False
        self._known.kept(links)
        return True
