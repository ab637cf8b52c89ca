"""Guards of this host: read back from the kernel's table, written by the helper in one batch.

What was read is believed until the kernel tells of somebody else's change to the table: of some
thousand ports a reconcile of one asks for one.
"""

import contextlib
import dataclasses
import errno
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from vif_agent.errors import NotConfigured, NotYet, Problem
from vif_agent.helper.codec import to_plain
from vif_agent.helper.orders import SetGuard
from vif_agent.host.guarding import Guarding
from vif_agent.host.netlink.links import problem
from vif_agent.host.ovs.ovsdb import OnChange
from vif_agent.ownership import Found
from vif_agent.plan.steps import REMOVE, Step
from vif_agent.resources import GUARD, Guard, Key

#: whichever guards are asked for
_OF_ALL = (errno.ENOMEM, errno.ENOBUFS)
#: of a batch; each but the first after somebody else has changed nftables, mostly another table
_TRIES = 10

_Count = TypeVar("_Count")


@dataclasses.dataclass(frozen=True, slots=True)
class _State:
    """``guards``: by device, as if all rules were there."""

    enforced: bool = False
    generation: int = 0
    guards: dict[str, Found] = dataclasses.field(default_factory=dict)


class Guards:
    """``watched``: somebody calls ``look_again`` when others change the table. ``missing``: as in
    Guarding."""

    def __init__(self, guarding: Guarding, on_change: OnChange) -> None:
        self._table = guarding.table
        self._needed = guarding.needed
        self.missing = guarding.missing
        self._on_change = on_change
        self.watched = False
        self._lock = threading.Lock()
        self._state: _State | None = None
        self._changed: set[str] = set()
        self._put_back: set[str] = set()
        self._undone_by = ""  # the last time

    @property
    def count(self) -> int:
        """Devices that have one, as last known. Safe on any thread."""
        state = self._state
        return len(state.guards) if state else 0

    @property
    def needed(self) -> bool:
        """Is there a driver that guards?"""
        return self._needed

    def check(self) -> None:
        """NotConfigured: a driver that guards must not be one that does not."""
        if self._needed and self.missing:
            raise NotConfigured(
                f"[firewall] driver: {self.missing}; driver = noop starts it without guards"
            )

    def read(self, names: Collection[str] | None = None) -> dict[Key, Found]:
        """Of these devices, or of all, which are read anew; NotYet if that cannot be seen."""
        with self._alone():
            state = self._refresh() if names is None else self._now()
            chosen = state.guards if names is None else state.guards.keys() & names
            weak = self._put_back if state.enforced else chosen
            return {
                Key(GUARD, name): self._weak(found) if name in weak else found
                for name in chosen
                for found in [state.guards[name]]
            }

    def write(self, steps: Sequence[Step]) -> dict[Key, Problem]:
        """What failed, by key. A batch that the kernel refuses is tried in halves: one guard must
        not keep others from theirs."""
        if not steps:
            return {}
        try:
            with self._alone():
                code, text = self._write(steps)
        except NotYet as error:
            return {step.key: error.problem for step in steps}
        if code and len(steps) > 1 and code not in _OF_ALL:
            half = len(steps) // 2
            return self.write(steps[:half]) | self.write(steps[half:])
        return {step.key: _of(step, code, text) for step in steps} if code else {}

    def drops(self) -> Mapping[str, int]:
        """How many frames were dropped, by reason, of all ports there were; NotYet."""
        return self._dropped(self._table.drops)

    def port_drops(self) -> Mapping[str, Mapping[str, int]]:
        """The same by device, of those that have guards; NotYet."""
        return self._dropped(self._table.port_drops)

    def _dropped(self, read: Callable[[], Mapping[str, _Count]]) -> Mapping[str, _Count]:
        try:
            with _readable("what they have dropped"):
                return read()
        except NotYet:
            if self._needed:
                raise
            return {}

    def look_again(self, restore: bool, by: str = "") -> bool:
        """Somebody else has changed the table: was a guard among that? Who wants it is told.
        ``restore``: it is put back at once, and until it is written again it counts as one that
        has to be repaired, for that is told and counted. ``by``: who that was."""
        try:
            with self._alone():
                self._refresh(restore)
                self._undone_by = by if self._changed else self._undone_by
                return bool(self._changed)
        except NotYet:
            self._on_change(None)
            return True

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        finally:
            changed, self._changed = self._changed, set()
            if changed:
                self._on_change(frozenset(Key(GUARD, name) for name in changed))

    def _weak(self, found: Found) -> Found:
        """It holds nobody, or did not."""
        guard = dataclasses.replace(_guard(found), enforced=False)
        return dataclasses.replace(found, resource=guard, undone_by=self._undone_by)

    def _now(self) -> _State:
        known = self._state if self.watched else None
        return known or self._refresh()

    def _refresh(self, restore: bool = False) -> _State:
        before, self._state = self._state, None
        self._state = state = self._read(restore)
        if before:
            self._changed |= _differing(before, state)
        return state

    def _read(self, restore: bool) -> _State:
        try:
            with _readable("the guards of ports"):
                read = self._table.restore() if restore else self._table.read()
        except NotYet:
            if self._needed:
                raise
            return _State()
        undone = read["undone"] if restore else ()
        self._put_back |= {*undone}
        self._changed |= {*undone}
        guards = {name: _found(**fields) for name, (_, fields) in read["guards"].items()}
        return _State(read["enforced"], read["generation"], guards)

    def _write(self, steps: Sequence[Step]) -> tuple[int, str]:
        put = {s.key.name: Found(s.resource, s.owner) for s in steps if s.verb != REMOVE}
        going = [step.key.name for step in steps if step.verb == REMOVE]
        for _ in range(_TRIES):
            code, text = self._try(self._now(), put, going)
            if not code:
                self._put_back -= {step.key.name for step in steps}
                return 0, ""
            self._refresh()
            if code != errno.ERESTART:
                return code, text
        raise NotYet("the guards of ports: others change nftables all the time")

    def _try(
        self, state: _State, put: Mapping[str, Found], going: Collection[str]
    ) -> tuple[int, str]:
        if _is_so(state, put, going):
            return 0, ""
        orders = [to_plain(_order(found)) for found in put.values()]
        code, text = self._table.write(state.generation, orders, [*going])
        if not code:
            self._state = self._after(state, put, going)
        return code, text

    def _after(self, state: _State, put: Mapping[str, Found], going: Collection[str]) -> _State:
        """As the kernel has it now: each batch is a generation. The same guards, changed: of
        thousands one is new."""
        for name in going:
            state.guards.pop(name, None)
        state.guards.update(put)
        return _State(bool(put) or state.enforced, state.generation + 1, state.guards)


@contextlib.contextmanager
def _readable(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NotYet(f"{what} cannot be read: {error.strerror or error}") from error


def _found(owner: str, **fields: Any) -> Found:
    """From a SetGuard's fields."""
    return Found(Guard(**fields), owner or None)


def _guard(found: Found) -> Guard:
    assert isinstance(found.resource, Guard)
    return found.resource


def _order(found: Found) -> SetGuard:
    guard = _guard(found)
    return SetGuard(
        name=guard.name,
        owner=found.owner or "",
        macs=guard.macs,
        pairs=guard.pairs,
        dhcp_server=guard.dhcp_server,
        router=guard.router,
        routed=guard.routed,
    )


def _is_so(state: _State, put: Mapping[str, Found], going: Collection[str]) -> bool:
    """There is nothing to do: it was put back, say."""
    there = state.enforced and all(state.guards.get(name) == new for name, new in put.items())
    return (there or not put) and state.guards.keys().isdisjoint(going)


def _differing(before: _State, now: _State) -> set[str]:
    names = before.guards.keys() | now.guards.keys()
    if before.enforced != now.enforced:
        return names
    return {name for name in names if before.guards.get(name) != now.guards.get(name)}


def _of(step: Step, code: int, text: str) -> Problem:
    return problem(f"the guard of {step.key.name}", code, text)
