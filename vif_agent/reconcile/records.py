"""What every port wants and may hold on the host: the engine's memory between rounds."""

import copy
import dataclasses
import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from vif_agent.errors import (
    Problem,
)
from vif_agent.ownership import SHARED
from vif_agent.pci_names import LookUp
from vif_agent.plan.steps import MAKE, RUN, Actual, Plan, Want
from vif_agent.ports.port import Port
from vif_agent.reconcile.claims import Claims, claim
from vif_agent.reconcile.desired import Desired, PluginSource
from vif_agent.reconcile.record import PortRecord
from vif_agent.resources import COMMAND, LINK, OVS_SPACES, Key, OvsPort, Resource, Vf

LOG = logging.getLogger(__name__)


_A_DAY = 24 * 3600.0


class PortRecords:
    """Entries by port, and the ports by what they claim. ``find``: the host's, for places."""

    def __init__(self, plugins: PluginSource, look_up: LookUp) -> None:
        self._desired = Desired(plugins, look_up)
        self._by_port: dict[str, PortRecord] = {}
        self._claims = Claims()
        self._states = Counter[str]()
        self._standing: dict[Key, set[Key]] = {}  # by what they stand on
        self.pending_deletes: set[Key] = set()

    def __contains__(self, port_id: str) -> bool:
        return port_id in self._by_port

    def __getitem__(self, port_id: str) -> PortRecord:
        return self._by_port[port_id]

    def __iter__(self) -> Iterator[PortRecord]:
        return iter(self._by_port.values())

    def get(self, port_id: str) -> PortRecord | None:
        return self._by_port.get(port_id)

    def copy(self) -> "PortRecords":
        """To try something out in."""
        other = copy.copy(self)
        other._by_port = {i: copy.copy(record) for i, record in self._by_port.items()}
        other._claims, other._states = self._claims.copy(), self._states.copy()
        other._standing = {key: set(above) for key, above in self._standing.items()}
        other.pending_deletes = set(self.pending_deletes)
        return other

    def enter(self, port: Port, stored: bool = False) -> None:
        """Take in a new port, or the new wish of a known one; ``stored``: by an earlier process."""
        known = self._by_port.get(port.port_id)
        if known and known.untouched:  # whoever does not say what it would borrow need not be asked
            port = dataclasses.replace(port, previous_specs=())
        record = PortRecord(port, held=known.held | known.port.made if known else port.made)
        record.answers = known.answers if known else ()
        record.held |= frozenset(r.key for r in (known.wanted if known else ()))
        record.uncertain = known.uncertain if known else stored
        waited = time.time() - port.received_at
        record.received -= waited if 0 < waited < _A_DAY else 0  # else the clock was set meanwhile
        self._desired.ask(record)
        self._replace(port.port_id, record)

    def ask_again(self, port_ids: Iterable[str], anew: Collection[str]) -> None:
        """Those whose answer may be another by now: it depends on what the host has, or it has not
        been given yet. Of ``anew`` all that were refused."""
        for port_id in port_ids:
            known = self._by_port.get(port_id)
            if known and (known.needs_lookup or _may_change(known.refused, port_id in anew)):
                held = known.held | frozenset(r.key for r in known.wanted)
                record = dataclasses.replace(
                    known, held=held, wanted=(), restores=(), refused=None, unanswered=False
                )
                self._desired.ask(record)
                self._replace(port_id, record)

    def hold(self, port_id: str, keys: Collection[Key]) -> None:
        """These are, or may be, on the host for this port."""
        record = self._by_port[port_id]
        record.held |= frozenset(keys)
        self._replace(port_id, record)

    def tell(self, port: Port) -> None:
        """What became of a port that is known."""
        record = self._by_port[port.port_id]
        self._states[record.port.state] -= 1
        self._states[port.state] += 1
        record.port = port
        self._claims.put(
            port.port_id, claim(port, self._claims.of(port.port_id), record.failed_permanently)
        )

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
        hopeful = (
            i for i in self._claims.claimants(key) if not self._by_port[i].failed_permanently
        )
        first = next(hopeful, None)
        if first not in busy:
            return first
        return next((port_id for port_id in hopeful if port_id not in busy), first)

    def freed(self, port_id: str) -> frozenset[Key]:
        """What this port leaves to others when it is well."""
        return self._by_port[port_id].footprint - self._claims.of(port_id)

    def refused(self, keys: Iterable[Key]) -> set[str]:
        """The ports that may have been refused these things, for others had them."""
        return self._claims.refused(keys)

    def states(self) -> Counter[str]:
        """How many ports are in which state."""
        return +self._states

    def bridges(self) -> set[str]:
        """The OVS bridges that ports want to be on."""
        return {r.bridge for record in self for r in record.wanted if isinstance(r, OvsPort)}

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
        keys = {r.key for i in own for r in self._by_port[i].wanted}
        released = {key for i in own for key in self._by_port[i].footprint} - keys
        sharing = own.union(*(self._claims.first_and_last(key) for key in keys | released))
        chosen = [self._by_port[port_id] for port_id in self._claims.by_right(sharing)]
        return {
            e.port.port_id: tuple(
                r
                for r in e.wanted
                if e.port.port_id in own or r.key in keys or (_passes_on(r) and r.key in released)
            )
            for e in chosen
        }

    def restores(self, ids: Iterable[str], wanted: Collection[Key]) -> dict[Key, list[Want]]:
        """What these ports have borrowed for earlier wishes, and how; ``wanted``: is looked at too.

        What other ports claim stays as it is.
        """
        ways: dict[Resource, dict[str, None]] = {}
        for port_id in ids:
            for resource in self._by_port[port_id].restores:
                if resource.key in wanted or not self.claimed(resource.key):
                    ways.setdefault(resource, {})[port_id] = None
        restores: dict[Key, list[Want]] = {}
        for resource, ports in ways.items():
            restores.setdefault(resource.key, []).append(Want(resource, tuple(ports), restore=True))
        return restores

    def to_delete(self, ids: Iterable[str]) -> dict[Key, frozenset[str]]:
        """What these ports held and claim no longer, with whom its stamp may name."""
        holders: dict[Key, set[str]] = {key: {SHARED} for key in self.pending_deletes}
        for port_id in ids:
            for key in self._by_port[port_id].held - self._claims.of(port_id):
                holders.setdefault(key, {SHARED}).add(port_id)
        return {
            key: released
            for key, who in holders.items()
            if (released := self._former_owners(key, who))
        }

    def _former_owners(self, key: Key, holders: set[str]) -> frozenset[str]:
        """A name of one port's own that another claims is kept from it by what still bears it."""
        if not self.claimed(key):
            return frozenset(holders)
        claimants = (self._by_port[port_id] for port_id in self._claims.claimants(key))
        shared = any(r.shared for record in claimants for r in record.wanted if r.key == key)
        return frozenset() if shared else frozenset(holders - {SHARED})

    def adopt_by_owner_tag(self, actual: Actual) -> None:
        """Read off the stamps what belongs to which port: the memory that outlives a crash."""
        for key, found in actual.found.items():
            if found.owner == SHARED and not self.claimed(key):
                self.pending_deletes.add(key)
            elif found.owner in self._by_port:
                self.hold(found.owner, {key})

    def commands_done(self) -> set[Key]:
        """As far as the store knows. A reboot may have undone any of them."""
        made = {key for record in self if not record.port.rebooted for key in record.port.made}
        return {key for key in made if key.space == COMMAND}

    def uncertain_commands(self, ids: Iterable[str]) -> set[Key]:
        chosen = [record for i in ids if (record := self._by_port[i]).uncertain]
        return {r.key for e in chosen for r in (*e.wanted, *e.restores) if r.space == COMMAND}

    def commands_of(self, port_id: str | None) -> set[Key]:
        """Of this port, or of all."""
        chosen = self if port_id is None else filter(None, [self._by_port.get(port_id)])
        return {r.key for record in chosen for r in record.wanted if r.space == COMMAND}

    def with_less_made(self, plan: Plan) -> list[Port]:
        """The ports whose commands the plan runs anew or undoes, with these no longer as made."""
        keys = {step.key for step in plan if step.verb == RUN}
        ports = {port_id for step in plan if step.verb == RUN for port_id in step.ports}
        known = [record.port for i in ports if (record := self._by_port.get(i))]
        return [dataclasses.replace(p, made=p.made - keys) for p in known if p.made & keys]

    def to_roll_back(
        self, plan: Plan, failures: Mapping[Key, Problem]
    ) -> dict[Key, frozenset[str]]:
        """What was made for ports alone that cannot be finished now: surplus, to be taken back.

        Of earlier rounds too, if they came to nothing. What was there before is not in it.
        """
        self._note_made(plan)
        refused = {key for key, problem in failures.items() if not problem.transient}
        failed_permanently = {port for step in plan if step.key in refused for port in step.ports}
        failed_permanently |= {
            port for port, problem in plan.problems.items() if not problem.transient
        }
        created_since_ready = {
            key
            for i in failed_permanently
            if i in self
            for key in self._by_port[i].created_since_ready
        }
        holders = {key: {*self._claims.claimants(key)} for key in created_since_ready}
        return {
            k: frozenset({SHARED, *who}) for k, who in holders.items() if who <= failed_permanently
        }

    def rolled_back(self, keys: Collection[Key]) -> None:
        for record in self:
            if record.created_since_ready:
                record.created_since_ready -= frozenset(keys)

    def _note_made(self, plan: Plan) -> None:
        for step in (*plan.create, *plan.connect):
            for port_id in step.ports if step.verb == MAKE else ():
                if record := self._by_port.get(port_id):
                    record.created_since_ready |= {step.key}

    def keep_pending_deletes(
        self, to_delete: Collection[Key], plan: Plan, actual: Actual, failures: Collection[Key]
    ) -> None:
        """Shared things that had to stay because something was in them: looked at again later."""
        gone = {step.key for step in plan.delete + plan.connect} - set(failures)
        self.pending_deletes = {
            key
            for key in to_delete
            if key in actual.found and actual.found[key].owner == SHARED and key not in gone
        }

    def _replace(self, port_id: str, record: PortRecord | None) -> None:
        before = self._by_port.pop(port_id, None)
        if before:
            self._states[before.port.state] -= 1
            self._claims.put(port_id, None)
            self._forget_standing(before.wanted)
        if record is None:
            return
        self._by_port[port_id] = record
        self._states[record.port.state] += 1
        self._claims.put(port_id, claim(record.port, record.claims, record.failed_permanently))
        for resource in record.wanted:
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
