"""What every port wants and may hold on the host: the engine's memory between reconciles."""

import copy
import dataclasses
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from vif_agent.errors import Problem
from vif_agent.pci_names import LookUp
from vif_agent.ports.port import Port
from vif_agent.reconcile.claims import Claims, claim
from vif_agent.reconcile.desired import Desired, PluginSource
from vif_agent.reconcile.record import PortRecord
from vif_agent.resources import LINK, OVS_SPACES, Guard, Key

_A_DAY = 24 * 3600.0


class PortRecords:
    """``claims``: the ports by what they claim; ``pending_deletes``: shared things that no port
    wants, and that could not go yet; ``look_up``: the host's, for names by PCI address."""

    def __init__(self, plugins: PluginSource, look_up: LookUp) -> None:
        self._desired = Desired(plugins, look_up)
        self._by_port: dict[str, PortRecord] = {}
        self.claims = Claims()
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
        """None for a port that is not known."""
        return self._by_port.get(port_id)

    def guard_of(self, port_id: str) -> Guard | None:
        """What is wanted for the port. Safe on any thread."""
        record = self.get(port_id)
        wanted = record.wanted if record else ()
        return next((r for r in wanted if isinstance(r, Guard)), None)

    def copy(self) -> "PortRecords":
        """To try something out in: by ``enter`` and ``hold``, which replace records and change
        none, so that it shares them with this one."""
        other = copy.copy(self)
        other._by_port = dict(self._by_port)
        other.claims, other._states = self.claims.copy(), self._states.copy()
        other._standing = {key: set(above) for key, above in self._standing.items()}
        other.pending_deletes = set(self.pending_deletes)
        return other

    def enter(self, port: Port, stored: bool = False) -> None:
        """Take in a new port, or the new request of a known one; ``stored``: by an earlier
        process."""
        known = self._by_port.get(port.port_id)
        if known and known.untouched:  # who does not know what it would change need not be asked
            port = dataclasses.replace(port, previous_specs=())
        record = PortRecord(port, held=known.held | known.port.made if known else port.made)
        record.answers = known.answers if known else ()
        record.held |= frozenset(r.key for r in (known.wanted if known else ()))
        record.uncertain = known.uncertain if known else stored
        waited = time.time() - port.received_at
        record.progress.received -= (
            waited if 0 < waited < _A_DAY else 0
        )  # else the clock was set meanwhile
        self._desired.ask(record)
        self._replace(port.port_id, record)

    def ask_again(
        self, port_ids: Iterable[str], anew: Collection[str] = (), renewed: bool = False
    ) -> None:
        """Those whose answer may be another by now: it depends on what the host has, or it has not
        been given yet. Of ``anew`` all that were refused; ``renewed``: all."""
        for port_id in port_ids:
            known = self._by_port.get(port_id)
            refused = known and _may_change(known.refused, port_id in anew)
            if known and (renewed or known.needs_lookup or refused):
                held = known.held | frozenset(r.key for r in known.wanted)
                record = dataclasses.replace(
                    known, held=held, wanted=(), restores=(), refused=None, unanswered=False
                )
                self._desired.ask(record)
                self._replace(port_id, record)

    def hold(self, port_id: str, keys: Collection[Key]) -> None:
        """These are, or may be, on the host for this port."""
        record = self._by_port[port_id]
        if not record.held.issuperset(keys):
            held = record.held | frozenset(keys)
            self._replace(port_id, dataclasses.replace(record, held=held))

    def tell(self, port: Port) -> None:
        """What became of a port that is known."""
        record = self._by_port[port.port_id]
        self._states[record.port.state] -= 1
        self._states[port.state] += 1
        record.port, keys = port, self.claims.of(port.port_id)
        self.claims.put(port.port_id, claim(port, keys, record.failed_permanently))

    def forget(self, port_id: str) -> None:
        """The port has nothing on the host, and nobody asks for it."""
        self._replace(port_id, None)

    def ports_of(self, keys: Collection[Key], busy: Collection[object] = ()) -> set[str]:
        """The ports to look at when these links or OVS ports have changed.

        Of those that share a thing any one will do: its reconcile is one of the thing. Better one
        that is not ``busy``. But what was in the way may have gone: all that it was in the way of
        are reconciled. That may be a thing of its name and another kind: an OVS bridge, for a
        device. And what stands on it (a tunnel on its address) may have to follow it.
        """
        keys = {*keys, *(other for key in keys for other in self._standing.get(key, ()))}
        first = (self._one_of(key, busy) for key in keys)
        return {port for port in first if port} | self.claims.refused(_namesakes(keys))

    def _one_of(self, key: Key, busy: Collection[object]) -> str | None:
        hopeful = (i for i in self.claims.claimants(key) if not self._by_port[i].failed_permanently)
        first = next(hopeful, None)
        if first not in busy:
            return first
        return next((port_id for port_id in hopeful if port_id not in busy), first)

    def freed(self, port_id: str) -> frozenset[Key]:
        """What this port leaves to others when it is well."""
        return self._by_port[port_id].footprint - self.claims.of(port_id)

    def concerns(self, key: Key) -> bool:
        """Is it anybody's in ``ports_of``? Safe on any thread."""
        namesakes = (Key(space, key.name) for space in (key.space, LINK, *OVS_SPACES))
        return key in self._standing or any(map(self.claims.claimed, namesakes))

    def states(self) -> Counter[str]:
        """How many ports are in which state."""
        return +self._states

    def need_ovsdb(self) -> bool:
        """Does any port? Safe on any thread."""
        return any(record.needs_ovsdb for record in [*self._by_port.values()])

    def waits(self, port_id: str) -> bool:
        """Does it, for others? Safe on any thread."""
        record = self.get(port_id)
        return record is not None and record.waits

    def waiting(self) -> int:
        """How many ports wait for others: Open vSwitch, the kernel."""
        return sum(record.waits for record in self)

    def _replace(self, port_id: str, record: PortRecord | None) -> None:
        """What stays claimed is claimed all the while: ``concerns`` is asked meanwhile."""
        before = self._by_port.pop(port_id, None)
        if before:
            self._states[before.port.state] -= 1
        if record:
            self._by_port[port_id] = record
            self._states[record.port.state] += 1
            self.claims.put(port_id, claim(record.port, record.claims, record.failed_permanently))
        else:
            self.claims.put(port_id, None)
        stands = _standing(record)
        for below, key in stands:
            self._standing.setdefault(below, set()).add(key)
        for below, key in _standing(before) - stands:
            if all(claimant == port_id for claimant in self.claims.claimants(key)):
                self._forget_standing(below, key)

    def _forget_standing(self, below: Key, key: Key) -> None:
        self._standing.get(below, set()).discard(key)
        if not self._standing.get(below):
            self._standing.pop(below, None)


def _standing(record: PortRecord | None) -> set[tuple[Key, Key]]:
    """What each of its resources stands on."""
    return {(below, r.key) for r in (record.wanted if record else ()) for below in r.stands_on}


def _namesakes(keys: Iterable[Key]) -> set[Key]:
    return {Key(space, key.name) for key in keys for space in (key.space, LINK, *OVS_SPACES)}


def _may_change(refused: Problem | None, anew: bool) -> bool:
    return refused is not None and (refused.transient or anew)
