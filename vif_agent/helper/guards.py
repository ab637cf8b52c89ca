"""What ports may say of themselves, kept in ``table bridge vif_agent`` and nowhere else; of routed
taps in ``inet`` and ``arp``.

The helper holds the table by one socket for its whole life, where the kernel has that (6.9): then
nobody else can change it (`nft flush ruleset` leaves it out), it lasts when the helper dies, and
the next helper takes it over as it is. An older kernel would remove a held table with its holder,
so there it is held by nobody, and what others undo is written again.
"""

import contextlib
import errno
import functools
import itertools
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from vif_agent.helper.allowed import allowed
from vif_agent.helper.codec import Plain, to_plain
from vif_agent.helper.known import KNOWN
from vif_agent.helper.looked import Looks
from vif_agent.helper.orders import SetGuard
from vif_agent.helper.policy import Policy
from vif_agent.host.netlink.rtnetlink import Socket
from vif_agent.host.nft import messages, reading, table
from vif_agent.host.nft.elements import Elements, elements, said
from vif_agent.host.nft.messages import PERSIST
from vif_agent.host.nft.netlink import DONE, PASSED, NftSocket, Refused
from vif_agent.host.nft.shown import Table, dropped_shown
from vif_agent.host.nft.table import HELD, Change, Counted, State
from vif_agent.host.nft.words import BRIDGE, FAMILIES, Family

#: what a kernel says that has no nf_tables, or not for bridges
_NONE_THERE = (errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EINVAL)
#: and what says nothing of what it can
_PASSES = (0, errno.EPERM, errno.ENOMEM, errno.ENOBUFS, PASSED)

_T = TypeVar("_T")


class Guards:
    """``hold``: its socket is open for as long as this process lives, and is to hold the table
    where the kernel has that."""

    def __init__(self, netlink: NftSocket, hold: bool = False) -> None:
        self._netlink = netlink
        self._hold = hold
        self._state: State | None = None

    @functools.cached_property
    def _flags(self) -> int:
        """Of the table. Not asked before it matters: it may load the kernel's modules."""
        can = (0, errno.EPERM)  # that: as soon as its holder has gone
        can_hold = self._hold and reading.try_out(self._netlink, HELD).errno in can
        return HELD if can_hold else 0

    def lacks(self, routed: bool = False) -> str:
        """Why the kernel could not have the table, or all for ``routed`` taps; "" if it could, or
        somebody else holds it: the helper before this one, which ends. Without the capability
        nothing is seen (OSError). What it says once may come of others, who make or delete the
        table just then."""
        families = FAMILIES if routed else (BRIDGE,)
        refused = reading.try_out(self._netlink, self._flags, families)
        if refused.errno not in _PASSES:
            refused = reading.try_out(self._netlink, self._flags, families)
        return "" if refused.errno in _PASSES else refused.text

    def read(self) -> State:
        """As it is; a table whose holder has died is ours from then on."""
        state, there = reading.read(self._netlink)
        left = [one.family for one in there.values() if one.flags & PERSIST and not one.holder]
        if left and self._flags:
            take = [messages.new_table("", self._flags).to(family) for family in left]
            self._netlink.do(take, state.generation)
            state, there = reading.read(self._netlink)
        self._state = state = table.unheld(state, self._weak(there.values()))
        return state

    def _weak(self, there: Iterable[Table]) -> list[Family]:
        """Those that could be held, and cannot be as they are."""
        others = (one for one in there if one.holder != self._netlink.port)
        return [one.family for one in others if self._flags and not one.flags & PERSIST]

    def restore(self, permitted: Collection[int]) -> tuple[State, list[str]]:
        """As it is, after what was last known of ports is there again; of which it was not.
        Nothing where nothing is known, or others are still at it."""
        before, now = self._state, self.read()
        change, undone = table.lost(before or now, now, permitted)
        if undone:
            self.write(permitted, now.generation, change)
        return self._state or now, undone

    def write(self, permitted: Collection[int], generation: int, change: Change) -> Refused:
        """In one batch, but where many ranges go: then each of some is done whole, or not.
        ``generation``: up to that one the caller knows of no change of our table since it has been
        read, or written, here."""
        for share in table.shares(self._state or self.read(), change):
            refused, is_done = self._write(permitted, generation, share)
            if refused.errno:
                return refused
            generation += is_done
        return DONE

    def _write(
        self, permitted: Collection[int], generation: int, change: Change
    ) -> tuple[Refused, bool]:
        """Whether there was anything to do."""
        state, counted = self._state or self.read(), dict[Family, Counted]()
        if table.needs_counted(state, permitted, change):
            reasons = not table.is_right(state, permitted)
            counted = reading.counted(self._netlink, state.fixed, reasons)
        work = table.batch(state, permitted, change, counted, self._flags)
        if not work:
            return DONE, False
        refused = self._netlink.do(work, generation) if generation else _UNKNOWN
        self._state = (
            None if refused.errno else table.written(state, permitted, change, generation + 1)
        )
        return refused, True

    def owner_of(self, device: str) -> str:
        """The port whose guard is there; "" for none."""
        has = self._state.ports.get(device) if self._state else None
        return str(said(has)["owner"]) if has else ""


_UNKNOWN = Refused(PASSED, "the generation is not known")


class _Holder:
    """The helper's own, from its birth on; elsewhere (tests, `vif-agentctl` as root) none."""

    lasting = hold = False
    guards: Guards | None = None
    lock = threading.Lock()


def begin(hold: bool = True) -> None:
    """In the helper, at its birth. ``hold``: see ``Guards``."""
    _Holder.lasting, _Holder.hold, _Holder.guards = True, hold, None


@contextlib.contextmanager
def opened() -> Iterator[Guards]:
    """For one call: oslo.privsep has a thread for each that comes meanwhile."""
    if _Holder.lasting:
        with _Holder.lock:
            _Holder.guards = _Holder.guards or Guards(NftSocket(), _Holder.hold)
            yield _Holder.guards
        return
    with NftSocket() as netlink:
        yield Guards(netlink)


def read(permitted: Collection[int] = ()) -> dict[str, Any]:
    """For the channel. Where the kernel has no nf_tables there is nothing."""
    return _shown(_seen(lambda guards: guards.read(), State()), permitted)


def restore(permitted: Collection[int] = ()) -> dict[str, Any]:
    """The same, after what others have undone was put back: ``undone`` are its devices."""
    nothing: tuple[State, list[str]] = State(), []
    state, undone = _seen(lambda guards: guards.restore(permitted), nothing)
    return {**_shown(state, permitted), "undone": undone}


def _seen(look: Callable[[Guards], _T], nothing: _T) -> _T:
    try:
        with opened() as guards:
            return look(guards)
    except OSError as error:
        if error.errno not in _NONE_THERE:
            raise
        return nothing


def _shown(state: State, permitted: Collection[int]) -> dict[str, Any]:
    ports = {device: _plain(device, has) for device, has in state.ports.items()}
    enforced = table.is_right(state, permitted)
    return {"enforced": enforced, "generation": state.generation, "guards": ports}


def write(
    permitted: Sequence[int], generation: int, put: Sequence[SetGuard], remove: Collection[str]
) -> Refused:
    """All of it, or why not. What is put replaces all that is there of its device."""
    with opened() as guards:
        strange = [order for order in put if guards.owner_of(order.name) != order.owner]
        if refused := _refused(strange):
            return refused
        new = {order.name: _elements(order) for order in put}
        return guards.write(permitted, generation, Change(new, set(remove) - new.keys()))


def _refused(orders: Sequence[SetGuard]) -> Refused | None:
    """By the policy."""
    if not orders:
        return None
    with Socket() as netlink:
        policy = Policy(allowed(), KNOWN, Looks(netlink, (), [order.name for order in orders]))
    for order in orders:
        if refusal := policy.refusal_of_guard(order):
            return Refused(refusal[0], f"{order.name}: {refusal[1]}")
    return None


def dropped() -> dict[str, int]:
    """Packets by reason, of all ports there were since the table was first made."""
    drops: dict[str, int] = {}
    with NftSocket() as netlink:
        for reason, packets, _ in itertools.chain(*reading.by_reason(netlink).values()):
            drops[reason] = drops.get(reason, 0) + packets
    return drops


def dropped_of_ports() -> dict[str, dict[str, int]]:
    """By device, packets by reason, since it has its guard."""
    by_port: dict[str, dict[str, int]] = {}
    with NftSocket() as netlink:
        counted = reading.counted(netlink, reasons=False).values()
        of_ports = itertools.chain.from_iterable(one.by_port for one in counted)
        for device, reason, packets in map(dropped_shown, of_ports):
            drops = by_port.setdefault(device, {})
            drops[reason] = drops.get(reason, 0) + packets
    return by_port


def lacks(routed: bool = False) -> str:
    """What keeps this kernel from guarding; "" for nothing. Nothing is changed by asking. Who looks
    beside the agent, and may not ask, does not know; nor who cannot just now: to take that for a
    lack would take guards away."""
    lack = (*_NONE_THERE, *([errno.EPERM] if _Holder.lasting else ()))
    try:
        with opened() as guards:
            return guards.lacks(routed)
    except OSError as error:
        return str(error) if error.errno in lack else ""


def _elements(order: SetGuard) -> Elements:
    may = order.dhcp_server, order.router, order.routed
    return elements(order.name, order.owner, order.macs, order.pairs, *may)


def _plain(device: str, has: Elements) -> Plain:
    fields: dict[str, Any] = said(has)
    return to_plain(SetGuard(name=device, **fields))
