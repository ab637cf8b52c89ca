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

from vif_agent import orphans
from vif_agent import plan as planning
from vif_agent.errors import NotYet, OvsdbUnavailable, Problem, StoreUnavailable
from vif_agent.host import Host
from vif_agent.orphans import Orphan
from vif_agent.ownership import Found
from vif_agent.plan import RUN, Actual, Plan
from vif_agent.resources import COMMAND, OVS_SPACES, Command, Key, OvsPort
from vif_agent.steps import is_undoing
from vif_agent.store import ERROR, READY, RETRYING, UNPLUG, UNPLUGGED, Port, Store
from vif_agent.wishes import Asked, Entry, Wishes

LOG = logging.getLogger(__name__)

#: a plug takes one round to do and one to see it done; more may be needed when others interfere
_ROUNDS_IN_A_ROW = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """``finished``: ports whose story changed, to be told; the others are to be looked at again.

    ``again``: at once, something was done for them; ``waiting``: when Open vSwitch or the kernel
    speaks of the given things (none: when the plugin has answered); ``retry``: after a pause.
    """

    finished: tuple[Port, ...] = ()
    again: frozenset[str] = frozenset()
    waiting: Mapping[str, frozenset[Key]] = dataclasses.field(default_factory=dict)
    retry: frozenset[str] = frozenset()


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
        self._waiting_since: dict[str, float] = {}
        #: what the last look at everything found; None if it could not see everything
        self.orphans: tuple[Orphan, ...] | None = None
        self.rounds = 0  # that had something to do

    def load(self) -> set[str]:
        """Take in every stored wish; answers the ports to look at."""
        ports = self._store.ports()
        for port in ports.values():
            self._wishes.enter(port, stored=True)
        self._host.commands.recall(self._wishes.commands_done())
        return set(ports)

    def doubt(self, port_id: str | None) -> None:
        """An operator wants it made sure that the commands of this port, or of all, are done."""
        self._host.commands.doubt(self._wishes.commands_of(port_id))

    def look(
        self, port_ids: Collection[str], *, everywhere: bool = False, anew: Collection[str] = ()
    ) -> Outcome:
        """One round for these ports. ``everywhere``: also find our things by their stamps.

        ``anew``: those whose plugin is to be asked again though it has refused them.
        """
        self._wishes.ask_again(port_ids, anew)
        self._refresh(port_ids)
        ids = [i for i in port_ids if i in self._wishes]
        plan, actual = self._plan(self._wishes, ids, everywhere)
        left = self._wishes.left(ids)
        if everywhere:
            self.orphans = None if actual.unknown else self._orphans(actual)
        failures = self.apply(plan)
        self._wishes.keep_leftovers(self._wishes.surplus(ids), plan, actual, failures)
        outcome = self._outcome([self._wishes[i] for i in ids], plan, actual, failures)
        well = [port.port_id for port in outcome.finished if port.problem is None]
        heirs = self._wishes.refused(key for port_id in well for key in left[port_id])
        return dataclasses.replace(outcome, again=outcome.again | heirs)

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
                self._wishes[port.port_id].port = port

    def _take_back(self, vain: Mapping[Key, Collection[str]]) -> dict[Key, Problem]:
        back = planning.diff({}, vain, self._host.read(vain, vain))
        failures = self._host.apply(back) if back else {}
        self._wishes.taken_back(vain.keys() - failures.keys())
        return failures

    def dry_run(self, ports: Iterable[Port], *, everywhere: bool = False) -> Plan:
        """What a round would do if these were the ports' wishes, and of which it would complain."""
        return self._tried([*ports], everywhere)[1]

    def check(self, port: Port) -> tuple[Plan, dict[Key, str]]:
        """How the host differs from the port's wish, and what others have yet to do."""
        (entry,), plan, actual = self._tried([port], everywhere=False)
        return plan, _unready(entry, actual)

    def _tried(self, ports: Collection[Port], everywhere: bool) -> tuple[list[Entry], Plan, Actual]:
        tried = self._wishes.copy()
        for port in ports:
            tried.enter(port)
        entries = [tried[port.port_id] for port in ports]
        plan, actual = self._plan(tried, [port.port_id for port in ports], everywhere)
        told = {e.port.port_id: _problem(tried, e, plan, actual, {}) for e in entries}
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

    def ports_of(self, keys: Collection[Key]) -> set[str]:
        """The ports to look at when these links or OVS ports have changed."""
        return self._wishes.ports_of(keys)

    @property
    def leftovers(self) -> bool:
        """Is there a shared thing that no port wants, but something was still in it?"""
        return bool(self._wishes.leftovers)

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

    def _plan(self, wishes: Wishes, ids: Sequence[str], everywhere: bool) -> tuple[Plan, Actual]:
        wants = wishes.of(ids)
        said = {port_id: wishes[port_id].port.seq for port_id in wants}
        wanted, problems = planning.merge(wants, said)
        returns = wishes.returns(ids, wanted)
        concerned = (*wanted.values(), *(way for ways in returns.values() for way in ways))
        keys = planning.keys_to_read(concerned, surplus := wishes.surplus(ids))
        if everywhere:
            actual = self._host.read_all(keys)
            wishes.recall(actual)
            surplus = wishes.surplus(ids)
        else:
            actual = self._host.read(keys, surplus)
        wanted = planning.with_returns(wanted, returns, actual)
        if commands := [w.resource for w in wanted.values() if isinstance(w.resource, Command)]:
            actual = dataclasses.replace(
                actual, found={**actual.found, **self._asked(commands, wishes, ids)}
            )
        plan = planning.diff(wanted, surplus, actual)
        return dataclasses.replace(plan, problems={**plan.problems, **problems}), actual

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
        known = entered | self._store.ports(stamps - entered).keys()  # those unplugged lately
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
        busy = {port for step in plan for port in (*step.ports, step.owner)}
        told: list[Port | None] = []
        again: set[str] = set()
        retry: set[str] = set()
        waiting: dict[str, frozenset[Key]] = {}
        for entry in entries:
            port_id = entry.port.port_id
            if entry.unanswered:
                waiting[port_id] = frozenset()
                continue
            problem = _problem(self._wishes, entry, plan, actual, failures)
            unready = _awaited(entry, actual)
            if port_id in busy:
                entry.began = entry.began or time.time()
                entry.held |= frozenset(r.key for r in entry.wanted)
            if problem is None and port_id in busy:
                problem = _restless(entry, plan)
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
            told.append(self._finish(entry, problem, actual))
        finished = tuple(port for port in told if port)
        return Outcome(finished, frozenset(again), waiting, frozenset(retry))

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
        before, state = entry.port, _state(entry.port.verb, problem)
        if problem is None:
            self._waiting_since.pop(before.port_id, None)
            self._host.commands.forget(key for key in entry.former if not self._wishes.claimed(key))
            entry.held = frozenset(r.key for r in entry.wanted) & actual.found.keys()
            entry.fresh, entry.returns, entry.in_doubt = frozenset(), (), False
        if state == UNPLUGGED:
            self._wishes.forget(before.port_id)
        made = _surely_made(entry, actual)
        same = (before.state, before.problem, before.made) == (state, problem, made)
        if same and (problem or entry.began is None):
            return None
        entry.port = _story(entry, state, problem, made)
        entry.began = None if problem is None else entry.began
        return entry.port

    def save(self, ports: Iterable[Port]) -> bool:
        """Write what became of the ports; False when the disk refuses, to be tried again."""
        try:
            self._store.save(ports)
        except StoreUnavailable as error:
            LOG.warning("Cannot store what became of ports, will try again: %s", error)
            return False
        return True


def _problem(
    wishes: Wishes, entry: Entry, plan: Plan, actual: Actual, failures: Mapping[Key, Problem]
) -> Problem | None:
    if entry.refused:
        return entry.refused
    if problem := plan.problems.get(entry.port.port_id):
        return problem
    mine = {r.key for r in (*entry.wanted, *entry.returns)}
    mine |= {key for key in entry.held if not wishes.claimed(key)}  # else it is another's
    failed = [failures[key] for key in sorted(mine) if key in failures]
    unseen = [actual.unknown[key.space] for key in sorted(mine) if key.space in actual.unknown]
    return next(iter((*failed, *unseen)), None)


def _unready(entry: Entry, actual: Actual) -> dict[Key, str]:
    """What others have yet to do for this port, and what is known of it."""
    unready: dict[Key, str] = {}
    for resource in entry.wanted:
        key, found = resource.key, actual.found.get(resource.key)
        if found is None and resource.borrowed:
            unready[key] = resource.absent
        elif isinstance(resource, OvsPort) and resource.wait_ofport and found and not found.ready:
            said = f": {found.error}" if found.error else ""
            unready[key] = f"Open vSwitch has given it no ofport{said}"
    return unready | _running(entry, actual)


def _running(entry: Entry, actual: Actual) -> dict[Key, str]:
    keys = [r.key for r in (*entry.wanted, *entry.returns) if r.space == COMMAND]
    return {k: found.error for k in keys if (found := actual.found.get(k)) and not found.ready}


def _awaited(entry: Entry, actual: Actual) -> dict[Key, str]:
    """The same without what Open vSwitch has refused, and may. It is warned of, but once."""
    refusable = [r.key for r in entry.wanted if isinstance(r, OvsPort) and r.refusable]
    found = {key: actual.found[key] for key in refusable if key in actual.found}
    refused = {key: thing.error for key, thing in found.items() if thing.error}
    for key, error in refused.items() - entry.refusals.items():
        LOG.warning("Open vSwitch refuses %s of port %s: %s", key.name, entry.port.port_id, error)
    entry.refusals = refused
    return {key: why for key, why in _unready(entry, actual).items() if key not in refused}


def _restless(entry: Entry, plan: Plan) -> Problem | None:
    """Something was done for the port, round after round: the host does not keep it."""
    entry.rounds += 1
    if entry.rounds < _ROUNDS_IN_A_ROW:
        return None
    undone = "; ".join(str(s) for s in plan if entry.port.port_id in (*s.ports, s.owner))
    return NotYet(f"the host does not keep what is done: {undone}").problem


def _surely_made(entry: Entry, actual: Actual) -> frozenset[Key]:
    """What may be on the host is looked at; of a command there is nothing to see.

    Of one that nobody has asked about, for its port is refused, it stands what was stored.
    """
    done = {key for key, found in actual.found.items() if getattr(found.resource, "done", False)}
    done |= entry.port.made - actual.found.keys()
    return frozenset(key for key in entry.held if key.space != COMMAND or key in done)


def _story(entry: Entry, state: str, problem: Problem | None, made: frozenset[Key]) -> Port:
    """A port that was ready before, under this same wish, was repaired: timed from the finding."""
    before, now = entry.port, time.time()
    repaired = before.ready_at is not None
    start = (entry.began or now) if repaired else before.received_at
    return dataclasses.replace(
        before,
        formers=before.formers if problem else (),
        state=state,
        problem=problem,
        made=made,
        devices=_devices(entry) or before.devices,
        done_at=now,
        ready_at=before.ready_at or (now if state == READY else None),
        elapsed_ms=max(0.0, now - start) * 1000,
        repaired=repaired,
    )


def _devices(entry: Entry) -> tuple[str, ...]:
    return tuple(dict.fromkeys(r.name for r in entry.wanted if r.space != COMMAND))


def _state(verb: str, problem: Problem | None) -> str:
    if problem is None:
        return UNPLUGGED if verb == UNPLUG else READY
    return RETRYING if problem.transient else ERROR
