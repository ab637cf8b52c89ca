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
from typing import Protocol

from vif_agent import plan as planning
from vif_agent import vif as vifs
from vif_agent.errors import NotYet, OvsdbUnavailable, Problem, StoreUnavailable, VifAgentError
from vif_agent.host import Host
from vif_agent.ownership import SHARED
from vif_agent.plan import Actual, Plan
from vif_agent.resources import Key, OvsPort, Resource
from vif_agent.store import ERROR, PLUG, READY, RETRYING, UNPLUG, UNPLUGGED, Port, Store

LOG = logging.getLogger(__name__)

#: a plug takes one round to do and one to see it done; more may be needed when others interfere
_ROUNDS_IN_A_ROW = 5


class Asked(Protocol):
    """The plugins, as the engine needs them."""

    def resources(self, vif: vifs.Vif) -> Sequence[Resource]: ...


@dataclasses.dataclass(slots=True)
class _Entry:
    """What the engine remembers of a port between rounds."""

    port: Port
    wanted: tuple[Resource, ...] = ()
    refused: Problem | None = None
    held: frozenset[Key] = frozenset()  # keys that are, or may be, on the host for this port
    rounds: int = 0  # rounds in a row that had something to do for it
    began: float | None = None  # when the first of them did

    @property
    def claims(self) -> frozenset[Key]:
        """Keys this port keeps from being removed. A refused wish leaves things as they are."""
        keys = {resource.key for resource in self.wanted}
        return self.held | keys if self.refused else frozenset(keys)


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """``finished``: ports whose story changed, to be told; the others are to be looked at again.

    ``again``: at once, something was done for them; ``waiting``: when Open vSwitch speaks of the
    given ports; ``retry``: after a pause.
    """

    finished: tuple[Port, ...] = ()
    again: frozenset[str] = frozenset()
    waiting: Mapping[str, frozenset[Key]] = dataclasses.field(default_factory=dict)
    retry: frozenset[str] = frozenset()


class Engine:
    """Not for use by two threads at once: the agent's loop owns it."""

    def __init__(self, store: Store, host: Host, plugins: Asked, ready_timeout: float) -> None:
        self._store = store
        self._host = host
        self._plugins = plugins
        self._ready_timeout = ready_timeout
        self._entries: dict[str, _Entry] = {}
        self._claimants: dict[Key, set[str]] = {}
        self._leftovers: set[Key] = set()
        self._waiting_since: dict[str, float] = {}

    def load(self) -> set[str]:
        """Take in every stored wish; answers the ports to look at."""
        ports = self._store.ports()
        for port in ports.values():
            self._enter(port)
        return set(ports)

    def look(self, port_ids: Collection[str], *, everywhere: bool = False) -> Outcome:
        """One round for these ports. ``everywhere``: also find our things by their stamps."""
        self._refresh(port_ids)
        ids = [i for i in port_ids if i in self._entries]
        plan, actual = self._plan(ids, everywhere)
        failures = self._host.apply(plan) if plan else {}
        self._keep_leftovers(self._surplus(ids), plan, actual, failures)
        return self._outcome([self._entries[i] for i in ids], plan, actual, failures)

    def dry_run(self, port: Port) -> Plan:
        """What a round would do if this were the port's wish."""
        before = self._entries.get(port.port_id)
        self._enter(port, before)
        try:
            plan = self._plan([port.port_id], False)[0]
            refused = self._entries[port.port_id].refused
        finally:
            self._replace(port.port_id, before or _Entry(port))
            if before is None:
                del self._entries[port.port_id]
        problems = {port.port_id: refused} if refused else {}
        return dataclasses.replace(plan, problems={**plan.problems, **problems})

    def give_up(self, port_id: str, problem: Problem) -> Port | None:
        """A round for this port alone broke (a bug of ours): its story so far."""
        entry = self._entries.get(port_id)
        return self._finish(entry, problem, Actual()) if entry else None

    def ports_of(self, keys: Collection[Key]) -> set[str]:
        """The ports to look at when these links or OVS ports have changed.

        Of those that share a thing any one will do: its look is a look at the thing.
        """
        return {min(ports) for key in keys if (ports := self._claimants.get(key))}

    @property
    def leftovers(self) -> bool:
        """Is there a shared thing that no port wants, but something was still in it?"""
        return bool(self._leftovers)

    def states(self) -> Counter[str]:
        """How many ports are in which state."""
        return Counter(entry.port.state for entry in self._entries.values())

    # -- the wishes ------------------------------------------------------------------------

    def _refresh(self, port_ids: Collection[str]) -> None:
        """Take in the wishes that are new since the last round."""
        known = {i: e.port.seq for i in port_ids if (e := self._entries.get(i))}
        for port in self._store.ports(port_ids, known).values():
            self._enter(port, self._entries.get(port.port_id))
            self._waiting_since.pop(port.port_id, None)

    def _enter(self, port: Port, known: _Entry | None = None) -> None:
        entry = _Entry(port, held=known.held | known.port.made if known else port.made)
        if port.verb == PLUG:
            try:
                entry.wanted = tuple(self._plugins.resources(vifs.parse(port.instance, port.vif)))
            except VifAgentError as error:
                entry.refused = error.problem
        entry.held |= frozenset(r.key for r in (known.wanted if known else ()))
        self._replace(port.port_id, entry)

    def _replace(self, port_id: str, entry: _Entry) -> None:
        before = self._entries.get(port_id)
        for key in before.held | before.claims if before else ():
            claimants = self._claimants.get(key, set())
            claimants.discard(port_id)
            if not claimants:
                self._claimants.pop(key, None)
        self._entries[port_id] = entry
        for key in entry.claims:
            self._claimants.setdefault(key, set()).add(port_id)

    # -- the plan --------------------------------------------------------------------------

    def _plan(self, ids: Sequence[str], everywhere: bool) -> tuple[Plan, Actual]:
        wishes = self._wishes(ids)
        said = {port_id: self._entries[port_id].port.seq for port_id in wishes}
        wanted, problems = planning.merge(wishes, said)
        surplus = self._surplus(ids)
        keys = planning.keys_to_read(wanted.values(), surplus)
        if everywhere:
            actual = self._host.read_all(keys)
            self._recall(actual)
            surplus = self._surplus(ids)
        else:
            actual = self._host.read(keys, surplus)
        plan = planning.diff(wanted, surplus, actual)
        return dataclasses.replace(plan, problems={**plan.problems, **problems}), actual

    def _wishes(self, ids: Iterable[str]) -> dict[str, tuple[Resource, ...]]:
        """The wants of these ports, and what others want of the same things.

        Of the others two will do: the oldest keeps a name that both want, the last that was asked
        for says how a shared thing is. (A thousand ports share one integration bridge.)
        """
        keys = {r.key for i in ids for r in self._entries[i].wanted}
        sharing = {*ids, *(port for key in keys for port in self._first_and_last(key))}
        entries = sorted((self._entries[i] for i in sharing), key=lambda e: e.port.since)
        own = set(ids)
        return {
            e.port.port_id: tuple(r for r in e.wanted if e.port.port_id in own or r.key in keys)
            for e in entries
        }

    def _first_and_last(self, key: Key) -> set[str]:
        claimants = self._claimants.get(key, set())
        if len(claimants) < 3:
            return claimants
        ports = [self._entries[port_id].port for port_id in claimants]
        oldest = min(ports, key=lambda port: port.since)
        last = max(ports, key=lambda port: port.seq)
        return {oldest.port_id, last.port_id}

    def _surplus(self, ids: Iterable[str]) -> dict[Key, frozenset[str]]:
        """What these ports held and no port claims any longer, with the ports that held it."""
        holders: dict[Key, set[str]] = {key: {SHARED} for key in self._leftovers}
        for port_id in ids:
            for key in self._entries[port_id].held:
                holders.setdefault(key, {SHARED}).add(port_id)
        return {k: frozenset(who) for k, who in holders.items() if not self._claimants.get(k)}

    def _recall(self, actual: Actual) -> None:
        """Read off the stamps what belongs to which port: the memory that outlives a crash."""
        for key, found in actual.found.items():
            if found.stamp == SHARED and not self._claimants.get(key):
                self._leftovers.add(key)
            elif found.stamp in self._entries:
                entry = self._entries[found.stamp]
                entry.held |= {key}
                self._replace(found.stamp, entry)

    def _keep_leftovers(
        self,
        surplus: Mapping[Key, object],
        plan: Plan,
        actual: Actual,
        failures: Mapping[Key, Problem],
    ) -> None:
        """Shared things that had to stay because something was in them: looked at again later."""
        gone = {step.key for step in plan.shrink + plan.wire} - failures.keys()
        self._leftovers = {
            key
            for key in surplus
            if key in actual.found and actual.found[key].stamp == SHARED and key not in gone
        }

    # -- what became of it -----------------------------------------------------------------

    def _outcome(
        self,
        entries: Sequence[_Entry],
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
            problem = self._problem(entry, plan, actual, failures)
            unready = _unready(entry, actual)
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

    def _problem(
        self, entry: _Entry, plan: Plan, actual: Actual, failures: Mapping[Key, Problem]
    ) -> Problem | None:
        if entry.refused:
            return entry.refused
        if problem := plan.problems.get(entry.port.port_id):
            return problem
        mine = {r.key for r in entry.wanted} | entry.held
        failed = [failures[key] for key in sorted(mine) if key in failures]
        unseen = [actual.unknown[key.space] for key in sorted(mine) if key.space in actual.unknown]
        return next(iter((*failed, *unseen)), None)

    def _overdue(self, port_id: str, unready: Mapping[Key, str]) -> Problem | None:
        since = self._waiting_since.setdefault(port_id, time.monotonic())
        if time.monotonic() - since < self._ready_timeout:
            return None
        key, error = next(iter(unready.items()))
        said = f": {error}" if error else ""
        return OvsdbUnavailable(f"{key.name}: Open vSwitch has given it no ofport{said}").problem

    def _finish(self, entry: _Entry, problem: Problem | None, actual: Actual) -> Port | None:
        """The port as it stands now; None when there is nothing new to tell of it."""
        before, state = entry.port, _state(entry.port.verb, problem)
        if problem is None:
            self._waiting_since.pop(before.port_id, None)
            entry.held = frozenset(r.key for r in entry.wanted) & actual.found.keys()
        if state == UNPLUGGED:
            self._entries.pop(before.port_id)
        same = (before.state, before.problem, before.made) == (state, problem, entry.held)
        if same and (problem or entry.began is None):
            return None
        entry.port = _story(entry, state, problem)
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


def _unready(entry: _Entry, actual: Actual) -> dict[Key, str]:
    """Interfaces of this port that Open vSwitch has not taken in, and what it says of them."""
    ports = [r for r in entry.wanted if isinstance(r, OvsPort) and r.wait_ofport]
    found = {r.key: actual.found.get(r.key) for r in ports}
    return {key: f.error for key, f in found.items() if f is not None and not f.ready}


def _restless(entry: _Entry, plan: Plan) -> Problem | None:
    """Something was done for the port, round after round: the host does not keep it."""
    entry.rounds += 1
    if entry.rounds < _ROUNDS_IN_A_ROW:
        return None
    undone = "; ".join(str(s) for s in plan if entry.port.port_id in (*s.ports, s.owner))
    return NotYet(f"the host does not keep what is done: {undone}").problem


def _story(entry: _Entry, state: str, problem: Problem | None) -> Port:
    """A port that was ready before, under this same wish, was repaired: timed from the finding."""
    before, now = entry.port, time.time()
    repaired = before.ready_at is not None
    start = (entry.began or now) if repaired else before.received_at
    return dataclasses.replace(
        before,
        state=state,
        problem=problem,
        made=entry.held,
        devices=tuple(dict.fromkeys(r.name for r in entry.wanted)) or before.devices,
        done_at=now,
        ready_at=before.ready_at or (now if state == READY else None),
        elapsed_ms=max(0.0, now - start) * 1000,
        repaired=repaired,
    )


def _state(verb: str, problem: Problem | None) -> str:
    if problem is None:
        return UNPLUGGED if verb == UNPLUG else READY
    return RETRYING if problem.transient else ERROR
