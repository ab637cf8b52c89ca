"""What every port wants and may hold on the host: the engine's memory between rounds."""

import contextlib
import copy
import dataclasses
import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from vif_agent import vif as vifs
from vif_agent.claims import Claims, claim
from vif_agent.errors import (
    CommandNotAllowed,
    HostRefused,
    NotYet,
    Problem,
    Unanswered,
    VifAgentError,
)
from vif_agent.ownership import SHARED
from vif_agent.places import CARD, Find, addresses, has_place, located
from vif_agent.plan import MAKE, RUN, Actual, Plan, Want
from vif_agent.resources import COMMAND, LINK, OVS_SPACES, Key, OvsPort, Resource, Vf
from vif_agent.store import ERROR, PLUG, Port

LOG = logging.getLogger(__name__)

#: codes of what is found out only when some of a port is made already
_UNDONE = (HostRefused.code, CommandNotAllowed.code)

_A_DAY = 24 * 3600.0


class Answer(NamedTuple):
    """What a plugin has answered for a spec; the PCI addresses that this speaks of, and whether
    some of its names are the host's to say (see ``places``)."""

    instance: object
    vif: object
    resources: tuple[Resource, ...]
    addresses: frozenset[str]
    has_places: bool


@dataclasses.dataclass(slots=True)
class Entry:
    """One port as the engine knows it."""

    port: Port
    wanted: tuple[Resource, ...] = ()
    refused: Problem | None = None
    unanswered: bool = False  # nor refused: its plugin has not said yet
    held: frozenset[Key] = frozenset()  # keys that are, or may be, on the host for this port
    rounds: int = 0  # rounds in a row that had something to do for it
    began: float | None = None  # when the first of them did; as the next by a clock nobody sets
    undone: str = ""  # what it had to do
    received: float = dataclasses.field(default_factory=time.monotonic)
    fresh: frozenset[Key] = frozenset()  # keys made for it since it was last well
    returns: tuple[Resource, ...] = ()  # borrowed for its earlier wishes, to be given back
    refusals: Mapping[Key, str] = dataclasses.field(default_factory=dict)  # by Open vSwitch, told
    placed: bool = False  # some of its names are the host's to say, at each look
    in_doubt: bool = False  # a process before this one may have died amid its commands
    answers: tuple[Answer, ...] = ()  # its plugin's, for its specs: it is asked once for each

    @property
    def claims(self) -> frozenset[Key]:
        """Keys this port keeps from being removed. A refused wish leaves things as they are."""
        keys = {resource.key for resource in self.wanted}
        return self.held | keys if self.refused else frozenset(keys)

    @property
    def untouched(self) -> bool:
        """Was nothing done for its wish, nor is for earlier ones left to do?"""
        perhaps = self.held or self.wanted or self.in_doubt or self.port.formers
        return self.refused is not None and not perhaps

    @property
    def former(self) -> frozenset[Key]:
        """What was this port's for all that is known, or still is."""
        return self.held.union(resource.key for resource in self.returns)

    @property
    def needs_ovsdb(self) -> bool:
        resources = (*self.wanted, *self.returns)
        spaces = {*(r.space for r in resources), *(key.space for key in self.held)}
        return not spaces.isdisjoint(OVS_SPACES)

    @property
    def hopeless(self) -> bool:
        """Did the host refuse it for good? Then its own undoing must not wake us to try again."""
        problem = self.port.problem
        return self.port.state == ERROR and bool(problem and problem.code in _UNDONE)


class Asked(Protocol):
    """The plugins, as they are needed here; Unanswered: ask again when it has answered."""

    def resources(self, vif: vifs.Vif) -> Sequence[Resource]: ...


class Desired:
    """``find``: the host's, for places."""

    def __init__(self, plugins: Asked, find: Find) -> None:
        self._plugins = plugins
        self._find = find

    def ask(self, entry: Entry) -> None:
        """Note what is wanted for the port and what is to be given back, or why that is unknown."""
        port, answers = entry.port, list[Answer]()
        try:
            if port.verb == PLUG:
                answers.append(self._answer(entry, port.instance, port.vif, port.parsed))
                entry.placed = bool(answers[0].addresses)
                entry.wanted = self._located(answers[0], answers[0].resources)
            entry.returns = tuple(self._given_back(entry, answers))
        except VifAgentError as error:
            entry.wanted, entry.refused = (), error.problem
            entry.unanswered = isinstance(error, Unanswered)
        else:
            entry.answers = tuple(answers)

    def _answer(
        self, entry: Entry, instance: object, vif: object, parsed: vifs.Vif | None = None
    ) -> Answer:
        """Raises NotConfigured also for what speaks of a card that is not for ports."""
        asked = (a for a in entry.answers if (a.instance, a.vif) == (instance, vif))
        answer = next(asked, None) or self._asked(instance, vif, parsed)
        for address in answer.addresses:
            with contextlib.suppress(NotYet):
                self._find(CARD, address)
        return answer

    def _asked(self, instance: object, vif: object, parsed: vifs.Vif | None) -> Answer:
        resources = tuple(self._plugins.resources(parsed or vifs.parse(instance, vif)))
        spoken_of = frozenset(address for r in resources for address in addresses(r))
        return Answer(instance, vif, resources, spoken_of, any(map(has_place, resources)))

    def _located(self, answer: Answer, resources: tuple[Resource, ...]) -> tuple[Resource, ...]:
        """``resources``: of the answer."""
        if not answer.has_places:
            return resources
        return tuple(located(resource, self._find) for resource in resources)

    def _given_back(self, entry: Entry, answers: list[Answer]) -> Iterator[Resource]:
        """``answers``: what was asked for it is noted there."""
        for instance, vif in entry.port.formers:
            try:
                answer = self._answer(entry, instance, vif)
            except VifAgentError as error:
                if error.transient:
                    raise
                LOG.warning("Port %s: what an earlier wish has borrowed is not given back: %s",
                            entry.port.port_id, error)  # fmt: skip
                continue
            answers.append(answer)
            for back in (r.given_back() for r in answer.resources if r.borrowed):
                with contextlib.suppress(NotYet):  # what is not there cannot be given back
                    yield from self._located(answer, (back,) if back else ())


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

    def freed(self, port_id: str) -> frozenset[Key]:
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
