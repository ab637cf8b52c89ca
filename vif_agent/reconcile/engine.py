"""One reconcile: merge what ports want, read the host, diff, apply, reconcile again, report.

Everything enters here as "these ports may differ, reconcile them": a cast, start-up, an OVSDB
event, a retry, an operator's repair. A port is finished when a reconcile finds nothing to do and
everything ready; so verifying, repairing and restarting are the same code.
"""

import dataclasses
import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from vif_agent.errors import NotYet, OvsdbUnavailable, Problem, StoreUnavailable
from vif_agent.host.interface import Guards, Host
from vif_agent.plan.diff import diff, keys_to_read
from vif_agent.plan.known_links import KnownLink
from vif_agent.plan.steps import RUN, Actual, Plan, Step, is_undoing
from vif_agent.ports.port import RETRYING, UNPLUGGED, Port
from vif_agent.ports.store import Store
from vif_agent.reconcile import chronicle, demand, known_commands, orphans, roll_back
from vif_agent.reconcile.desired import PluginSource
from vif_agent.reconcile.hindrances import Hindrances
from vif_agent.reconcile.observe import Evidence, observe, problem_of, unattended_of, unready_of
from vif_agent.reconcile.orphans import Orphan
from vif_agent.reconcile.outcome import (
    Outcome,
    mended_of,
    result_of,
    surely_made,
    undone_of,
)
from vif_agent.reconcile.record import NOTHING, PortRecord
from vif_agent.reconcile.records import PortRecords
from vif_agent.reconcile.survey import Survey, Surveyed
from vif_agent.reconcile.transitions import Requeue, after
from vif_agent.resources import OVS_SPACES, Key

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
        self.records = PortRecords(plugins, host.look_up)
        self._survey = Survey(host, store)
        self._ready_timeout = ready_timeout
        self._bridges = frozenset(bridges)
        self._hindrances = Hindrances()
        #: what the last reconcile of the whole host found; None if it could not see everything
        self.orphans: tuple[Orphan, ...] | None = None
        self.reconciles = 0  # that had something to do
        self.reconciled_at: float | None = None  # when the last reconcile ended (time.time)
        #: when the last look at the whole host ended (time.time), and the seconds it took
        self.full_look: tuple[float, float] | None = None
        self._reconciling_since: float | None = None

    def load(self) -> set[str]:
        """Take in every stored request; answers the ports to reconcile."""
        ports = self._store.live()
        for port in ports.values():
            self.records.enter(port, stored=True)
        self._host.commands.assume_done(known_commands.done(self.records))
        self._survey.known.load({n: KnownLink(*link) for n, link in self._store.links().items()})
        return set(ports)

    def force_recheck(self, port_id: str | None) -> None:
        """An operator wants it made sure that the commands of this port, or of all, are done."""
        self._host.commands.force_recheck(known_commands.wanted(self.records, port_id))

    def without_ovsdb(self, port_ids: Collection[str]) -> set[str]:
        """Those that need nothing of Open vSwitch, and so need not wait for it."""
        self._refresh(port_ids)
        chosen = {i: record for i in port_ids if (record := self.records.get(i))}
        return {port_id for port_id, record in chosen.items() if not record.needs_ovsdb}

    def reconcile(
        self, port_ids: Collection[str], *, everywhere: bool = False, anew: Collection[str] = ()
    ) -> Outcome:
        """Reconcile these ports. ``everywhere``: also find our things by their owner tags.

        ``anew``: those whose plugin is to be asked again though it has refused them.
        """
        began = self._reconciling_since = time.monotonic()
        try:
            outcome = self._reconcile(port_ids, everywhere, anew)
            if everywhere:
                self.full_look = time.time(), time.monotonic() - began
            return outcome
        finally:
            self._reconciling_since, self.reconciled_at = None, time.time()

    def _reconcile(
        self, port_ids: Collection[str], everywhere: bool, anew: Collection[str]
    ) -> Outcome:
        self.records.ask_again(port_ids, anew)
        self._refresh(port_ids)
        known = [port_id for port_id in port_ids if port_id in self.records]
        seen = self._survey.look(self.records, known, everywhere=everywhere)
        wanted = (self.records[port_id].wanted for port_id in seen.ids)
        self._hindrances.note(wanted, seen.actual)
        undone = undone_of(self.records, seen.plan)
        if everywhere:
            self.orphans = None if seen.actual.unknown else self._orphans(seen.actual)
        steps = seen.plan.by_port(seen.ids)
        failures = self.apply(seen.plan, steps)
        demand.keep_pending_deletes(self.records, seen.to_delete, seen.plan, seen.actual, failures)
        drift = Counter(step.key.space for step in undone)
        outcome = self._outcome(seen, steps, failures)
        return dataclasses.replace(outcome, mended=mended_of(undone), drift=drift)

    def apply(self, plan: Plan, steps: Mapping[str, Sequence[Step]]) -> dict[Key, Problem]:
        """Carry the plan out, and roll back what it made for ports that cannot be finished.

        ``steps``: those of ports in whose history they belong.
        """
        self.reconciles += bool(plan)
        self._withdraw(plan)
        began = time.monotonic()
        failures = self._host.apply(plan) if plan else {}
        seconds = time.monotonic() - began
        chronicle.worked(self._store.history, self.records, steps, failures, seconds)
        if rollback := roll_back.to_roll_back(self.records, plan, failures):
            failures = {**self._roll_back(rollback), **failures}
        return failures

    def _withdraw(self, plan: Plan) -> None:
        """Nobody must say of a command that it is done while that is being changed.

        If it then comes to nothing, or the process is killed meanwhile, nobody knows.
        """
        anew = [s.key for s in plan if s.verb == RUN and not is_undoing(s)]
        self._host.commands.force_recheck(anew)
        if changed := known_commands.with_less_made(self.records, plan):
            self._store.keep_made(changed)
            for port in changed:
                self.records.tell(port)

    def _roll_back(self, rollback: Mapping[Key, Collection[str]]) -> dict[Key, Problem]:
        """But what a guest has opened meanwhile: that goes with its port."""
        there = self._host.read(keys_to_read((), rollback), rollback)
        held = {key for key, found in there.found.items() if found.held}
        back = diff({}, {k: who for k, who in rollback.items() if k not in held}, there)
        failures = self._host.apply(back) if back else {}
        chronicle.rolled_back(self._store.history, self.records, back, failures)
        roll_back.rolled_back(self.records, rollback.keys() - failures.keys())
        return failures

    def dry_run(self, ports: Iterable[Port], *, everywhere: bool = False) -> Plan:
        """What a reconcile would do if these were the ports' requests, and what it would refuse."""
        return self._tried([*ports], everywhere)[1]

    def check(self, port: Port) -> tuple[Plan, dict[Key, str]]:
        """How the host differs from the port's request, and what others have yet to do."""
        (record,), plan, actual = self._tried([port], everywhere=False)
        self._hindrances.note([record.wanted], actual)
        return plan, {**unready_of(record, actual), **unattended_of(record, actual)}

    def warnings(self, port_id: str) -> list[str]:
        """What was wrong at the last reconcile, though the host is as desired: see Hindrances."""
        record = self.records.get(port_id)
        return self._hindrances.of(record.wanted) if record else []

    def _tried(
        self, ports: Collection[Port], everywhere: bool
    ) -> tuple[list[PortRecord], Plan, Actual]:
        tried = self.records.copy()
        for port in ports:
            tried.enter(port)
        ids = [port.port_id for port in ports]
        seen = self._survey.look(tried, ids, everywhere=everywhere, trial=True)
        chosen, plan, actual = [tried[port_id] for port_id in ids], seen.plan, seen.actual
        by_port = {e.port.port_id: problem_of(tried, e, plan, actual, {}) for e in chosen}
        problems = {port_id: problem for port_id, problem in by_port.items() if problem}
        return chosen, dataclasses.replace(plan, problems=problems), actual

    def find_orphans(self) -> tuple[Orphan, ...]:
        """Look at the host for what belongs to no request; NotYet if it cannot be seen."""
        actual = self._host.read_all([])
        for space, problem in actual.unknown.items():
            raise (OvsdbUnavailable if space in OVS_SPACES else NotYet)(problem.message)
        return self._orphans(actual)

    def give_up(self, port_id: str, problem: Problem) -> Port | None:
        """A reconcile of this port alone broke (a bug of ours): its result so far."""
        record = self.records.get(port_id)
        return self._finish(record, RETRYING, problem, Actual()) if record else None

    @property
    def link_events(self) -> Mapping[str, int]:
        """Those that did not come: see ``Host``."""
        return self._host.link_events

    @property
    def guards(self) -> Guards:
        """Those of the host."""
        return self._host.guards

    @property
    def reconciling_for(self) -> float | None:
        """Seconds since the reconcile that runs now began; None if none does."""
        since = self._reconciling_since
        return None if since is None else time.monotonic() - since

    def _refresh(self, port_ids: Collection[str]) -> None:
        """Take in the requests that are new since the last reconcile."""
        known = {i: e.port.seq for i in port_ids if (e := self.records.get(i))}
        for port in self._store.ports(port_ids, known).values():
            self.records.enter(port)

    def _orphans(self, actual: Actual) -> tuple[Orphan, ...]:
        owners = {found.owner for found in actual.found.values() if found.owner}
        entered = {owner for owner in owners if owner in self.records}
        known = entered | self._store.known(owners - entered)  # those unplugged lately
        bridges = self._bridges | demand.bridges(self.records)
        return orphans.find(actual, known, bridges, self.records.claims.claimed)

    def _outcome(
        self, seen: Surveyed, steps: Mapping[str, list[Step]], failures: Mapping[Key, Problem]
    ) -> Outcome:
        evidence = Evidence(seen.plan, steps, seen.actual, failures, self._ready_timeout, seen.at)
        finished: list[Port] = []
        queued: dict[Requeue, dict[str, frozenset[Key]]] = {when: {} for when in Requeue}
        freed_by_well: set[Key] = set()
        for record in [self.records[port_id] for port_id in seen.ids]:
            port_id, judged = record.port.port_id, observe(self.records, record, evidence)
            state, requeue = after(judged.observation, record.port.state, record.port.verb)
            for when in requeue:
                queued[when][port_id] = judged.awaits
            if not judged.observation.is_result:
                continue
            freed = self.records.freed(port_id)
            if port := self._finish(record, state, judged.problem, seen.actual):
                finished.append(port)
                freed_by_well |= freed if port.problem is None else set()
        again = self.records.claims.refused(freed_by_well)
        return Outcome(
            finished=tuple(finished),
            again=frozenset(again | queued[Requeue.AT_ONCE].keys()),
            waiting=queued[Requeue.ON_CHANGE],
            retry=frozenset(queued[Requeue.RATE_LIMITED]),
        )

    def _finish(
        self, record: PortRecord, state: str, problem: Problem | None, actual: Actual
    ) -> Port | None:
        """The port as it stands now; None when there is nothing new to tell of it."""
        before, record.progress.reconciles_in_a_row = record.port, 0
        if problem is None:
            unclaimed = (k for k in record.footprint if not self.records.claims.claimed(k))
            self._host.commands.forget(unclaimed)
            wanted = self.records.claims.of(before.port_id)
            missing = wanted - actual.found.keys()
            record.held = wanted - missing if missing else wanted
            record.created_since_ready, record.restores, record.uncertain = NOTHING, (), False
            record.progress.waiting_since = None
        made = surely_made(record, actual)
        same = (before.state, before.problem, before.made) == (state, problem, made)
        port = None
        if not same or (problem is None and record.progress.began is not None):
            self.records.tell(port := result_of(record, state, problem, made))
            chronicle.finished(self._store.history, record, actual)
        if problem is None:
            record.progress.settle()
        if state == UNPLUGGED:
            self.records.forget(before.port_id)
        return port

    @property
    def has_new_shared_links(self) -> bool:
        """Are there links that several ports share, and that the store does not know yet?"""
        return self._survey.known.unsaved

    def save(self, ports: Collection[Port] = ()) -> bool:
        """Write what became of these ports, and of those that were noted; False when the disk
        refuses, to be tried again."""
        links = self._survey.known.to_keep()
        if not (ports or links is not None or self._store.unsaved):
            return True
        try:
            self._store.save(ports, links)
        except StoreUnavailable as error:
            LOG.warning("Cannot store what became of ports, will try again: %s", error)
            return False
        self._survey.known.kept()
        return True
