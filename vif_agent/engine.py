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

from vif_agent import orphans, twins
from vif_agent import plan as planning
from vif_agent.errors import NotYet, OvsdbUnavailable, Problem, StoreUnavailable
from vif_agent.hindrances import Hindrances
from vif_agent.host import Host
from vif_agent.known import Known, Mark
from vif_agent.orphans import Orphan
from vif_agent.outcome import (
    Outcome,
    awaited_of,
    mended_of,
    problem_of,
    restless,
    state_of,
    steps_by_port,
    story_of,
    surely_made,
    unattended_of,
    undone_of,
    unready_of,
)
from vif_agent.ownership import Found
from vif_agent.plan import RUN, Actual, Plan, Want
from vif_agent.removals import Surplus
from vif_agent.resources import COMMAND, OVS_SPACES, Command, Key
from vif_agent.steps import is_undoing
from vif_agent.store import UNPLUGGED, Port, Store
from vif_agent.wishes import Asked, Entry, Wishes

LOG = logging.getLogger(__name__)


class Engine:
    """Not for use by two threads at once.

    ``bridges``: OVS bridges that are ours to look after even when no port wants them now.
    """

    def __init__(
        self,
        store: Store,
        host: Host,
        plugins: Asked,
        ready_timeout: float,
        bridges: Collection[str] = (),
    ) -> None:
        self._store = store
        self._host = host
        self._wishes = Wishes(plugins, host.find)
        self._ready_timeout = ready_timeout
        self._bridges = frozenset(bridges)
        self._known = Known()
        self._hindrances = Hindrances()
        self._waiting_since: dict[str, float] = {}
        #: what the last look at everything found; None if it could not see everything
        self.orphans: tuple[Orphan, ...] | None = None
        self.rounds = 0  # that had something to do
        self.looked_at: float | None = None  # when the last look ended (time.time)
        self._looking_since: float | None = None

    def load(self) -> set[str]:
        """Take in every stored wish; answers the ports to look at."""
        ports = self._store.live()
        for port in ports.values():
            self._wishes.enter(port, stored=True)
        self._host.commands.recall(self._wishes.commands_done())
        self._known.recall({name: Mark(*mark) for name, mark in self._store.links().items()})
        return set(ports)

    def doubt(self, port_id: str | None) -> None:
        """An operator wants it made sure that the commands of this port, or of all, are done."""
        self._host.commands.doubt(self._wishes.commands_of(port_id))

    def without_ovsdb(self, port_ids: Collection[str]) -> set[str]:
        """Those that need nothing of Open vSwitch, and so need not wait for it."""
        self._refresh(port_ids)
        entries = {i: entry for i in port_ids if (entry := self._wishes.get(i))}
        return {port_id for port_id, entry in entries.items() if not entry.needs_ovsdb}

    def look(
        self, port_ids: Collection[str], *, everywhere: bool = False, anew: Collection[str] = ()
    ) -> Outcome:
        """One round for these ports. ``everywhere``: also find our things by their stamps.

        ``anew``: those whose plugin is to be asked again though it has refused them.
        """
        self._looking_since = time.monotonic()
        try:
            return self._look(port_ids, everywhere, anew)
        finally:
            self._looking_since, self.looked_at = None, time.time()

    def _look(self, port_ids: Collection[str], everywhere: bool, anew: Collection[str]) -> Outcome:
        self._wishes.ask_again(port_ids, anew)
        self._refresh(port_ids)
        ids = [i for i in port_ids if i in self._wishes]
        plan, actual, surplus = self._plan(self._wishes, ids, everywhere)
        self._hindrances.note((r for i in ids for r in self._wishes[i].wanted), actual)
        mended = mended_of(self._wishes, plan)
        if everywhere:
            self.orphans = None if actual.unknown else self._orphans(actual)
        failures = self.apply(plan)
        self._wishes.keep_leftovers(surplus, plan, actual, failures)
        outcome = self._outcome([self._wishes[i] for i in ids], plan, actual, failures)
        return dataclasses.replace(outcome, mended=mended)

    def apply(self, plan: Plan) -> dict[Key, Problem]:
        """Carry the plan out, and take back what it made for ports that cannot be finished."""
        self.rounds += bool(plan)
        self._withdraw(plan)
        failures = self._host.apply(plan) if plan else {}
        if vain := self._wishes.in_vain(plan, failures):
            failures = {**self._take_back(vain), **failures}
        return failures

    def _withdraw(self, plan: Plan) -> None:
        """Nobody must say of a command that it is done while that is being changed.

        If it then comes to nothing, or the process is killed meanwhile, nobody knows.
        """
        anew = [s.key for s in plan if s.verb == RUN and not is_undoing(s)]
        self._host.commands.doubt(anew)
        if changed := self._wishes.with_less_made(plan):
            self._store.keep_made(changed)
            for port in changed:
                self._wishes.tell(port)

    def _take_back(self, vain: Mapping[Key, Collection[str]]) -> dict[Key, Problem]:
        """But what a guest has opened meanwhile: that goes with its port."""
        there = self._host.read(vain, vain)
        held = {key for key, found in there.found.items() if found.held}
        back = planning.diff({}, {k: who for k, who in vain.items() if k not in held}, there)
        failures = self._host.apply(back) if back else {}
        self._wishes.taken_back(vain.keys() - failures.keys())
        return failures

    def dry_run(self, ports: Iterable[Port], *, everywhere: bool = False) -> Plan:
        """What a round would do if these were the ports' wishes, and of which it would complain."""
        return self._tried([*ports], everywhere)[1]

    def check(self, port: Port) -> tuple[Plan, dict[Key, str]]:
        """How the host differs from the port's wish, and what others have yet to do."""
        (entry,), plan, actual = self._tried([port], everywhere=False)
        self._hindrances.note(entry.wanted, actual)
        return plan, {**unready_of(entry, actual), **unattended_of(entry, actual)}

    def warnings(self, port_id: str) -> list[str]:
        """What stopped the port's frames at the last look, though the host is as wished."""
        entry = self._wishes.get(port_id)
        return self._hindrances.of(entry.wanted) if entry else []

    def _tried(self, ports: Collection[Port], everywhere: bool) -> tuple[list[Entry], Plan, Actual]:
        tried = self._wishes.copy()
        for port in ports:
            tried.enter(port)
        entries = [tried[port.port_id] for port in ports]
        plan, actual, _ = self._plan(tried, [port.port_id for port in ports], everywhere)
        told = {e.port.port_id: problem_of(tried, e, plan, actual, {}) for e in entries}
        problems = {port_id: problem for port_id, problem in told.items() if problem}
        return entries, dataclasses.replace(plan, problems=problems), actual

    def find_orphans(self) -> tuple[Orphan, ...]:
        """Look at the host for what belongs to no wish; OvsdbUnavailable if it cannot be seen."""
        actual = self._host.read_all([])
        for problem in actual.unknown.values():
            raise OvsdbUnavailable(problem.message)
        return self._orphans(actual)

    def give_up(self, port_id: str, problem: Problem) -> Port | None:
        """A round for this port alone broke (a bug of ours): its story so far."""
        entry = self._wishes.get(port_id)
        return self._finish(entry, problem, Actual()) if entry else None

    def ports_of(self, keys: Collection[Key], busy: Collection[object] = ()) -> set[str]:
        """The ports to look at when these links or OVS ports have changed."""
        return self._wishes.ports_of(keys, busy)

    @property
    def leftovers(self) -> bool:
        """Is there a shared thing that no port wants, but something was still in it?"""
        return bool(self._wishes.leftovers)

    @property
    def looking_for(self) -> float | None:
        """Seconds since the look that runs now began; None if none does."""
        since = self._looking_since
        return None if since is None else time.monotonic() - since

    @property
    def waiting(self) -> int:
        """How many ports wait for Open vSwitch to take them in."""
        return len(self._waiting_since)

    def states(self) -> Counter[str]:
        """How many ports are in which state."""
        return self._wishes.states()

    def _refresh(self, port_ids: Collection[str]) -> None:
        """Take in the wishes that are new since the last round."""
        known = {i: e.port.seq for i in port_ids if (e := self._wishes.get(i))}
        for port in self._store.ports(port_ids, known).values():
            self._wishes.enter(port)
            self._waiting_since.pop(port.port_id, None)

    def _plan(
        self, wishes: Wishes, ids: list[str], everywhere: bool
    ) -> tuple[Plan, Actual, Surplus]:
        """``ids`` grows by the ports that were unplugged, and of which something is there."""
        wants = wishes.of(ids)
        said = {port_id: wishes[port_id].port.seq for port_id in wants}
        wanted, problems = planning.merge(wants, said)
        returns = wishes.returns(ids, wanted)
        concerned = (*wanted.values(), *(way for ways in returns.values() for way in ways))
        keys = planning.keys_to_read(concerned, surplus := wishes.surplus(ids))
        if everywhere:
            actual = self._host.read_all({*keys, *self._known.keys})
            actual = self._known.recognized(actual, wanted, keys)
            ids.extend(self._unplugged_but_there(wishes, actual))
            wishes.recall(actual)
            surplus = wishes.surplus(ids)
        else:
            going = surplus.keys() - wanted.keys()
            actual = self._host.read(keys, surplus, self._known.indexes(keys), going)
            actual = self._known.recognized(actual, wanted, keys)
        actual = self._with_twins(wishes, wanted, actual)
        if wishes is self._wishes:
            self._known.note(keys, actual)
        wanted = planning.with_returns(wanted, returns, actual)
        if commands := [w.resource for w in wanted.values() if isinstance(w.resource, Command)]:
            actual = dataclasses.replace(
                actual, found={**actual.found, **self._asked(commands, wishes, ids)}
            )
        plan = planning.diff(wanted, surplus, actual)
        return dataclasses.replace(plan, problems={**plan.problems, **problems}), actual, surplus

    def _unplugged_but_there(self, wishes: Wishes, actual: Actual) -> Collection[str]:
        stamps = {found.stamp for found in actual.found.values() if found.stamp}
        ports = self._store.ports([stamp for stamp in stamps if stamp not in wishes])
        for port in ports.values():
            wishes.enter(port)
        return ports

    def _with_twins(self, wishes: Wishes, wanted: Mapping[Key, Want], actual: Actual) -> Actual:
        """They are rare, so their devices are read only then."""
        if keys := twins.beside(wanted, actual):
            more = self._host.read(keys, keys)
            actual = Actual({**actual.found, **more.found}, {**actual.unknown, **more.unknown})
            for found in twins.find(wanted, actual):
                wishes.hold(found.port, found.keys)
        return actual

    def _asked(
        self, commands: Collection[Command], wishes: Wishes, ids: Iterable[str]
    ) -> dict[Key, Found]:
        """To try something out runs no program, not even a check."""
        if wishes is not self._wishes:
            return self._host.commands.known(commands)
        return self._host.commands.ask(commands, wishes.commands_in_doubt(ids))

    def _orphans(self, actual: Actual) -> tuple[Orphan, ...]:
        stamps = {found.stamp for found in actual.found.values() if found.stamp}
        entered = {stamp for stamp in stamps if stamp in self._wishes}
        known = entered | self._store.known(stamps - entered)  # those unplugged lately
        bridges = self._bridges | self._wishes.bridges()
        return orphans.find(actual, known, bridges, self._wishes.claimed)

    # -- what became of it -----------------------------------------------------------------

    def _outcome(
        self,
        entries: Sequence[Entry],
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
        for entry in entries:
            port_id = entry.port.port_id
            if entry.unanswered:
                waiting[port_id] = frozenset()
                continue
            problem = problem_of(self._wishes, entry, plan, actual, failures)
            unready = awaited_of(entry, actual)
            if port_id in steps:
                entry.began = entry.began or time.monotonic()
                entry.undone = entry.undone or undone_of(steps[port_id])
                entry.held |= frozenset(r.key for r in entry.wanted)
            if problem is None and port_id in steps:
                problem = restless(entry, steps[port_id])
                if problem is None:
                    again.add(port_id)
                    continue
            elif problem is None and unready:
                waiting[port_id] = frozenset(unready)
                problem = self._overdue(port_id, unready)
                if problem is None:
                    continue
            entry.rounds = 0
            if problem and problem.transient:
                retry.add(port_id)
            freed = self._wishes.freed(port_id)
            if port := self._finish(entry, problem, actual):
                finished.append(port)
                freed_by_well |= freed if problem is None else set()
        again |= self._wishes.refused(freed_by_well)
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

    def _finish(self, entry: Entry, problem: Problem | None, actual: Actual) -> Port | None:
        """The port as it stands now; None when there is nothing new to tell of it."""
        before, state = entry.port, state_of(entry.port.verb, problem)
        if problem is None:
            self._waiting_since.pop(before.port_id, None)
            self._host.commands.forget(key for key in entry.former if not self._wishes.claimed(key))
            entry.held = frozenset(r.key for r in entry.wanted) & actual.found.keys()
            entry.fresh, entry.returns, entry.in_doubt = frozenset(), (), False
        made = surely_made(entry, actual)
        same = (before.state, before.problem, before.made) == (state, problem, made)
        port = None
        if not same or (problem is None and entry.began is not None):
            self._wishes.tell(port := story_of(entry, state, problem, made))
        if problem is None:
            entry.began, entry.undone = None, ""
        if state == UNPLUGGED:
            self._wishes.forget(before.port_id)
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
