"""The tables as they were read, and the batches that make them as they are to be. Pure.

That of bridges is there once any port is guarded; those of routed taps as long as one of them is.
"""

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping

from vif_agent.host.nft import fixed, messages
from vif_agent.host.nft.elements import Element, Elements, device_of, is_routed
from vif_agent.host.nft.fixed import Fixed
from vif_agent.host.nft.messages import OWNER, PERSIST, Message
from vif_agent.host.nft.tables import TABLES
from vif_agent.host.nft.words import BRIDGE, FAMILIES, Family, Table

_NOTHING: Elements = frozenset()
_MOST_RANGES_TO_GO = 16


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """``fixed``: of each table that is there. ``routed``: are those of routed taps
    among them, at least one?"""

    generation: int = 0
    fixed: Mapping[Family, Fixed] = dataclasses.field(default_factory=dict)
    ports: dict[str, Elements] = dataclasses.field(default_factory=dict)
    routed: bool = False

    @property
    def needed(self) -> tuple[Family, ...]:
        """Where tables of ours must be."""
        return FAMILIES if self.routed else (BRIDGE,)


@dataclasses.dataclass(frozen=True, slots=True)
class Counted:
    """What was dropped: reason, packets, octets of all; elements of each port's, with counters."""

    by_reason: Collection[tuple[str, int, int]] = ()
    by_port: Collection[Element] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """What devices get, in place of all that they have, and which have nothing any longer."""

    put: Mapping[str, Elements] = dataclasses.field(default_factory=dict)
    remove: Collection[str] = ()


def unheld(state: State, families: Collection[Family]) -> State:
    """As one whose tables cannot stay there: only a new table can be held."""
    strange = {f: dataclasses.replace(state.fixed[f], can_stay=False) for f in families}
    return dataclasses.replace(state, fixed={**state.fixed, **strange})


def is_right(state: State, permitted: Collection[int]) -> bool:
    """Are all rules there?"""
    return all(_is_right(state, family, permitted) for family in state.needed)


def _is_right(state: State, family: Family, permitted: Collection[int]) -> bool:
    return state.fixed.get(family) == fixed.right(TABLES[family], permitted)


def written(state: State, permitted: Collection[int], change: Change, generation: int) -> State:
    """After the batch of this ``generation``. The same ports, changed: of thousands one is new."""
    routed = _routed_after(state, change)
    gone = {f for f in FAMILIES if f != BRIDGE} if state.routed and not routed else ()
    for device in change.remove:
        state.ports.pop(device, None)
    state.ports.update(change.put)
    after = State(generation, {}, state.ports, routed)
    rights = {family: fixed.right(TABLES[family], permitted) for family in after.needed}
    others = {family: has for family, has in state.fixed.items() if family not in gone}
    return dataclasses.replace(after, fixed={**others, **rights})


def _routed_after(state: State, change: Change) -> bool:
    """One that stays is mostly found at once."""
    if any(any(map(is_routed, has)) for has in change.put.values()):
        return True
    touched = {*change.put, *change.remove} if state.routed else ()
    left = (has for d, has in state.ports.items() if d not in touched) if state.routed else ()
    return any(any(map(is_routed, has)) for has in left)


def lost(before: State, now: State, permitted: Collection[int]) -> tuple[Change, list[str]]:
    """What brings back the guards of ports that others have changed since ``before``, and whose
    they are: all, where the rules themselves were."""
    ports = {d: has for d, has in before.ports.items() if any(e.comment for e in has)}
    differ = {device: has for device, has in ports.items() if now.ports.get(device) != has}
    undone = differ if is_right(now, permitted) else ports
    return Change(differ), list(undone)


def shares(state: State, change: Change) -> Iterator[Change]:
    """What is for one batch: all, unless many ranges go. For each of those the kernel walks through
    all that there are, under its lock: 100 of 4,000 take it 2 seconds. What goes waits for what
    only comes."""
    ranges = {device: _ranges_to_go(state, change, device) for device in _devices(change)}
    share: list[str] = []
    load = 0
    for device in sorted(ranges, key=ranges.__getitem__):
        if share and load + ranges[device] > _MOST_RANGES_TO_GO:
            yield _part(change, share)
            share, load = [], 0
        share.append(device)
        load += ranges[device]
    yield _part(change, share)


def _devices(change: Change) -> list[str]:
    return [*dict.fromkeys((*change.put, *change.remove))]


def _ranges_to_go(state: State, change: Change, device: str) -> int:
    gone = state.ports.get(device, _NOTHING) - change.put.get(device, _NOTHING)
    return sum(bool(element.end) for element in gone)


def _part(change: Change, devices: Collection[str]) -> Change:
    put = {device: change.put[device] for device in devices if device in change.put}
    return Change(put, [device for device in devices if device not in put])


def needs_counted(state: State, permitted: Collection[int], change: Change) -> bool:
    """Does the batch depend on what was counted so far?"""
    return bool(state.fixed and (change.remove or not is_right(state, permitted)))


def batch(
    state: State,
    permitted: Collection[int],
    change: Change,
    counted: Mapping[Family, Counted],
    flags: int = 0,
) -> list[Message]:
    """Empty where nothing differs."""
    if not (BRIDGE in state.fixed or state.routed or change.put):
        return []
    after = dataclasses.replace(state, routed=_routed_after(state, change)).needed
    work: list[Message] = []
    for family in after:
        has = counted.get(family, Counted())
        found = state.fixed.get(family)
        make = _changed if found and found.can_stay else _anew
        work += (m.to(family) for m in make(TABLES[family], state, permitted, change, has, flags))
    left = (family for family in state.needed if family not in after)
    return work + [messages.delete_table().to(family) for family in left if family in state.fixed]


def _changed(
    table: Table,
    state: State,
    permitted: Collection[int],
    change: Change,
    counted: Counted,
    _: int,
) -> Iterator[Message]:
    """Where it stands."""
    gone, new = (_of(table.family, elements) for elements in _changes(state, change))
    gone += _forgotten(state, counted, change.remove)
    if not _is_right(state, table.family, permitted):
        missing = set(table.reasons).difference(reason for reason, _, _ in counted.by_reason)
        counters = dict.fromkeys(sorted(missing), (0, 0))
        yield from fixed.mended(table, state.fixed[table.family], permitted, counters)
    yield from messages.delete_elements(gone)
    yield from messages.new_elements(new)


def _changes(state: State, change: Change) -> tuple[list[Element], list[Element]]:
    """What goes and what comes, only of these devices, however many there are."""
    gone: list[Element] = []
    new: list[Element] = []
    for device in _devices(change):
        has, wanted = state.ports.get(device, _NOTHING), change.put.get(device, _NOTHING)
        gone += has - wanted
        new += wanted - has
    return gone, new


def _of(family: Family, elements: Iterable[Element]) -> list[Element]:
    return [element for element in elements if element.family == family]


def _anew(
    table: Table,
    state: State,
    permitted: Collection[int],
    change: Change,
    counted: Counted,
    flags: int,
) -> Iterator[Message]:
    """With all ports. Counters go on from where they were."""
    left = {device: has for device, has in state.ports.items() if device not in change.remove}
    ports = {**left, **change.put}
    before = {reason: (packets, octets) for reason, packets, octets in counted.by_reason}
    counters = {reason: before.get(reason, (0, 0)) for reason in table.reasons}
    yield from fixed.anew(table, table.family in state.fixed, permitted, flags, counters)
    have = (element for elements in ports.values() for element in elements)
    yield from messages.new_elements(_of(table.family, have))
    yield from messages.new_elements(e for e in counted.by_port if device_of(e) in ports)


def _forgotten(state: State, counted: Counted, remove: Collection[str]) -> list[Element]:
    """What was counted of devices that have no guard any longer."""
    devices = ((device_of(element), element) for element in counted.by_port)
    return [e for device, e in devices if device in remove or device not in state.ports]


def trial(there: Collection[Family], families: Iterable[Family], flags: int) -> list[Message]:
    """All that there could be, to see whether the kernel has what it takes."""
    work: list[Message] = []
    for table in map(TABLES.__getitem__, families):
        counters = dict.fromkeys(table.reasons, (0, 0))
        made = fixed.anew(table, table.family in there, (0x88B5,), flags, counters)
        work += (message.to(table.family) for message in made)
    return work


#: changed by its holder alone, and lasting when that has gone: Linux 6.9
HELD = OWNER | PERSIST
