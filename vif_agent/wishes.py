"""What every port wants and may hold on the host: the engine's memory between rounds."""

import copy
import dataclasses
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from vif_agent.claims import Claims, claim
from vif_agent.desired import Asked, Desired
from vif_agent.errors import Problem
from vif_agent.ownership import SHARED
from vif_agent.places import Find
from vif_agent.plan import MAKE, RUN, Actual, Plan, Want
from vif_agent.record import Entry
from vif_agent.resources import COMMAND, LINK, OVS_SPACES, Key, OvsPort, Resource, Vf
from vif_agent.store import Port

__all__ = ["Asked", "Entry", "Wishes"]

_A_DAY = 24 * 3600.0


class Wishes:
    """Entries by port, and the ports by what they claim. ``find``: the host's, for places."""

    def __init__(self, plugins: Asked, find: Find) -> None:
        self._desired = Desired(plugins, find)
        self._entries: dict[str, Entry] = {}
        self._claims = Claims()
        self._states = Counter[str]()
        self._standing: dict[Key, set[Key]] = {}  # by what they stand on
        self.leftovers: set[Key] = set()

    def __contains__(self, port_id: str) -> bool:
        return port_id in self._entries

    def __getitem__(self, port_id: str) -> Entry:
        return self._entries[port_id]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def get(self, port_id: str) -> Entry | None:
        return self._entries.get(port_id)

    def copy(self) -> "Wishes":
        """To try something out in."""
        other = copy.copy(self)
        other._entries = {i: copy.copy(entry) for i, entry in self._entries.items()}
        other._claims, other._states = self._claims.copy(), self._states.copy()
        other._standing = {key: set(above) for key, above in self._standing.items()}
        other.leftovers = set(self.leftovers)
        return other

    def enter(self, port: Port, stored: bool = False) -> None:
        """Take in a new port, or the new wish of a known one; ``stored``: by an earlier process."""
        known = self._entries.get(port.port_id)
        if known and known.untouched:  # whoever does not say what it would borrow need not be asked
            port = dataclasses.replace(port, formers=())
        entry = Entry(port, held=known.held | known.port.made if known else port.made)
        entry.answers = known.answers if known else ()
        entry.held |= frozenset(r.key for r in (known.wanted if known else ()))
        entry.in_doubt = known.in_doubt if known else stored
        waited = time.time() - port.received_at
        entry.received -= waited if 0 < waited < _A_DAY else 0  # else the clock was set meanwhile
        self._desired.ask(entry)
        self._replace(port.port_id, entry)

    def ask_again(self, port_ids: Iterable[str], anew: Collection[str]) -> None:
        """Those whose answer may be another by now: it depends on what the host has, or it has not
        been given yet. Of ``anew`` all that were refused."""
        for port_id in port_ids:
            known = self._entries.get(port_id)
            if known and (known.placed or _may_change(known.refused, port_id in anew)):
                held = known.held | frozenset(r.key for r in known.wanted)
                entry = dataclasses.replace(
                    known, held=held, wanted=(), returns=(), refused=None, unanswered=False
                )
                self._desired.ask(entry)
                self._replace(port_id, entry)

    def hold(self, port_id: str, keys: Collection[Key]) -> None:
        """These are, or may be, on the host for this port."""
        entry = self._entries[port_id]
        entry.held |= frozenset(keys)
        self._replace(port_id, entry)

    def tell(self, port: Port) -> None:
        """What became of a port that is known."""
        entry = self._entries[port.port_id]
        self._states[entry.port.state] -= 1
        self._states[port.state] += 1
        entry.port = port
        self._claims.put(port.port_id, claim(port, self._claims.of(port.port_id), entry.hopeless))

    def forget(self, port_id: str) -> None:
        self._replace(port_id, None)

    def ports_of(self, keys: Collection[Key], busy: Collection[object] = ()) -> set[str]:
        """The ports to look at when these links or OVS ports have changed.

        Of those that share a thing any one will do: its look is a look at the thing. Better one
        that is not ``busy``. But what was in the way may have gone: all that it was in the way of
        are told. That may be a thing of its name and another kind: an OVS bridge, for a device. And
        what stands on it (a tunnel on its address) may have to follow it.
        """
        keys = {*keys, *(other for key in keys for other in self._standing.get(key, ()))}
        first = (self._one_of(key, busy) for key in keys)
        return {port for port in first if port} | self.refused(_namesakes(keys))

    def _one_of(self, key: Key, busy: Collection[object]) -> str | None:
        hopeful = (i for i in self._claims.claimants(key) if not self._entries[i].hopeless)
        first = next(hopeful, None)
        if first not in busy:
            return first
        return next((port_id for port_id in hopeful if port_id not in busy), first)

    def released(self, port_id: str) -> frozenset[Key]:
        """What this port leaves to others when it is well."""
        return self._entries[port_id].former - self._claims.of(port_id)

    def refused(self, keys: Iterable[Key]) -> set[str]:
        """The ports that may have been refused these things, for others had them."""
        return self._claims.refused(keys)

    def states(self) -> Counter[str]:
        """How many ports are in which state."""
        return +self._states

    def bridges(self) -> set[str]:
        """The OVS bridges that ports want to be on."""
        return {r.bridge for entry in self for r in entry.wanted if isinstance(r, OvsPort)}

    def claimed(self, key: Key) -> bool:
        return self._claims.claimed(key)

    def of(self, ids: Iterable[str]) -> dict[str, tuple[Resource, ...]]:
        """The wants of these ports, and what others want of the same things, by right.

        Of the others two will do: the first keeps a name that both want, the last that was asked
        for says how a shared thing is. (A thousand ports share one integration bridge.) What these
        ports no longer share counts too: one of them may have been the last. And a VF that they
        have left to another goes on to it as it is.
        """
        own = set(ids)
        keys = {r.key for i in own for r in self._entries[i].wanted}
        left = {key for i in own for key in self._entries[i].former} - keys
        sharing = own.union(*(self._claims.first_and_last(key) for key in keys | left))
        entries = [self._entries[port_id] for port_id in self._claims.by_right(sharing)]
        return {
            e.port.port_id: tuple(
                r
                for r in e.wanted
                if e.port.port_id in own or r.key in keys or (_passes_on(r) and r.key in left)
            )
            for e in entries
        }

    def returns(self, ids: Iterable[str], wanted: Collection[Key]) -> dict[Key, list[Want]]:
        """What these ports have borrowed for earlier wishes, and how; ``wanted``: is looked at too.

        What other ports claim stays as it is.
        """
        ways: dict[Resource, dict[str, None]] = {}
        for port_id in ids:
            for resource in self._entries[port_id].returns:
                if resource.key in wanted or not self.claimed(resource.key):
                    ways.setdefault(resource, {})[port_id] = None
        returns: dict[Key, list[Want]] = {}
        for resource, ports in ways.items():
            returns.setdefault(resource.key, []).append(Want(resource, tuple(ports), back=True))
        return returns

    def surplus(self, ids: Iterable[str]) -> dict[Key, frozenset[str]]:
        """What these ports held and claim no longer, with whom its stamp may name."""
        holders: dict[Key, set[str]] = {key: {SHARED} for key in self.leftovers}
        for port_id in ids:
            for key in self._entries[port_id].held - self._claims.of(port_id):
                holders.setdefault(key, {SHARED}).add(port_id)
        return {key: left for key, who in holders.items() if (left := self._left(key, who))}

    def _left(self, key: Key, holders: set[str]) -> frozenset[str]:
        """A name of one port's own that another claims is kept from it by what still bears it."""
        if not self.claimed(key):
            return frozenset(holders)
        claimants = (self._entries[port_id] for port_id in self._claims.claimants(key))
        shared = any(r.shared for entry in claimants for r in entry.wanted if r.key == key)
        return frozenset() if shared else frozenset(holders - {SHARED})

    def recall(self, actual: Actual) -> None:
        """Read off the stamps what belongs to which port: the memory that outlives a crash."""
        for key, found in actual.found.items():
            if found.stamp == SHARED and not self.claimed(key):
                self.leftovers.add(key)
            elif found.stamp in self._entries:
                self.hold(found.stamp, {key})

    def commands_done(self) -> set[Key]:
        """As far as the store knows. A reboot may have undone any of them."""
        made = {key for entry in self if not entry.port.rebooted for key in entry.port.made}
        return {key for key in made if key.space == COMMAND}

    def commands_in_doubt(self, ids: Iterable[str]) -> set[Key]:
        entries = [entry for i in ids if (entry := self._entries[i]).in_doubt]
        return {r.key for e in entries for r in (*e.wanted, *e.returns) if r.space == COMMAND}

    def commands_of(self, port_id: str | None) -> set[Key]:
        """Of this port, or of all."""
        entries = self if port_id is None else filter(None, [self._entries.get(port_id)])
        return {r.key for entry in entries for r in entry.wanted if r.space == COMMAND}

    def with_less_made(self, plan: Plan) -> list[Port]:
        """The ports whose commands the plan runs anew or undoes, with these no longer as made."""
        keys = {step.key for step in plan if step.verb == RUN}
        ports = {port_id for step in plan if step.verb == RUN for port_id in step.ports}
        known = [entry.port for i in ports if (entry := self._entries.get(i))]
        return [dataclasses.replace(p, made=p.made - keys) for p in known if p.made & keys]

    def in_vain(self, plan: Plan, failures: Mapping[Key, Problem]) -> dict[Key, frozenset[str]]:
        """What was made for ports alone that cannot be finished now: surplus, to be taken back.

        Of earlier rounds too, if they came to nothing. What was there before is not in it.
        """
        self._note_made(plan)
        refused = {key for key, problem in failures.items() if not problem.transient}
        hopeless = {port for step in plan if step.key in refused for port in step.ports}
        hopeless |= {port for port, problem in plan.problems.items() if not problem.transient}
        fresh = {key for i in hopeless if i in self for key in self._entries[i].fresh}
        holders = {key: {*self._claims.claimants(key)} for key in fresh}
        return {k: frozenset({SHARED, *who}) for k, who in holders.items() if who <= hopeless}

    def taken_back(self, keys: Collection[Key]) -> None:
        for entry in self:
            if entry.fresh:
                entry.fresh -= frozenset(keys)

    def _note_made(self, plan: Plan) -> None:
        for step in (*plan.grow, *plan.wire):
            for port_id in step.ports if step.verb == MAKE else ():
                if entry := self._entries.get(port_id):
                    entry.fresh |= {step.key}

    def keep_leftovers(
        self, surplus: Collection[Key], plan: Plan, actual: Actual, failures: Collection[Key]
    ) -> None:
        """Shared things that had to stay because something was in them: looked at again later."""
        gone = {step.key for step in plan.shrink + plan.wire} - set(failures)
        self.leftovers = {
            key
            for key in surplus
            if key in actual.found and actual.found[key].stamp == SHARED and key not in gone
        }

    def _replace(self, port_id: str, entry: Entry | None) -> None:
        before = self._entries.pop(port_id, None)
        if before:
            self._states[before.port.state] -= 1
            self._claims.put(port_id, None)
            self._forget_standing(before.wanted)
        if entry is None:
            return
        self._entries[port_id] = entry
        self._states[entry.port.state] += 1
        self._claims.put(port_id, claim(entry.port, entry.claims, entry.hopeless))
        for resource in entry.wanted:
            for below in resource.stands_on:
                self._standing.setdefault(below, set()).add(resource.key)

    def _forget_standing(self, resources: Iterable[Resource]) -> None:
        for resource in resources:
            for below in resource.stands_on if not self.claimed(resource.key) else ():
                self._standing.get(below, set()).discard(resource.key)
                if not self._standing.get(below):
                    self._standing.pop(below, None)


def _namesakes(keys: Iterable[Key]) -> set[Key]:
    return {Key(space, key.name) for key in keys for space in (key.space, LINK, *OVS_SPACES)}


def _passes_on(resource: Resource) -> bool:
    return resource.shared or isinstance(resource, Vf)


def _may_change(refused: Problem | None, anew: bool) -> bool:
    return refused is not None and (refused.transient or anew)
