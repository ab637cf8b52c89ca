"""The table as it was read, and the batches that make it as it is to be. Pure."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping

from vif_agent.host.nft import fixed, messages
from vif_agent.host.nft.elements import Element, Elements, device_of
from vif_agent.host.nft.fixed import Fixed
from vif_agent.host.nft.messages import OWNER, PERSIST, Message
from vif_agent.host.nft.rules import REASONS

_NOTHING: Elements = frozenset()
_MOST_RANGES_TO_GO = 16


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """``fixed``: None for no table."""

    generation: int = 0
    fixed: Fixed | None = None
    ports: dict[str, Elements] = dataclasses.field(default_factory=dict)


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


def unheld(state: State) -> State:
    """As one whose table cannot stay: only a new table can be held."""
    return dataclasses.replace(state, fixed=state.fixed and _not_to_stay(state.fixed))


def _not_to_stay(found: Fixed) -> Fixed:
    return dataclasses.replace(found, can_stay=False)


def is_right(state: State, permitted: Collection[int]) -> bool:
    """Are all rules there?"""
    return state.fixed == Fixed(frozenset(permitted))


def written(state: State, permitted: Collection[int], change: Change, generation: int) -> State:
    """After the batch of this ``generation``. The same ports, changed: of thousands one is new."""
    for device in change.remove:
        state.ports.pop(device, None)
    state.ports.update(change.put)
    return State(generation, Fixed(frozenset(permitted)), state.ports)


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
    state: State, permitted: Collection[int], change: Change, counted: Counted, flags: int = 0
) -> list[Message]:
    """Empty where nothing differs."""
    if not (state.fixed or change.put):
        return []
    if not (state.fixed and state.fixed.can_stay):
        return list(_anew(state, permitted, change, counted, flags))
    gone, new = _changes(state, change)
    gone += _forgotten(state, counted, change.remove)
    mends = () if is_right(state, permitted) else _mends(state.fixed, permitted, counted)
    return [*mends, *messages.delete_elements(gone), *messages.new_elements(new)]


def _mends(found: Fixed, permitted: Collection[int], counted: Counted) -> Iterator[Message]:
    missing = set(REASONS).difference(reason for reason, _, _ in counted.by_reason)
    return fixed.mended(found, permitted, dict.fromkeys(sorted(missing), (0, 0)))


def _changes(state: State, change: Change) -> tuple[list[Element], list[Element]]:
    """What goes and what comes, only of these devices, however many there are."""
    gone: list[Element] = []
    new: list[Element] = []
    for device in _devices(change):
        has, wanted = state.ports.get(device, _NOTHING), change.put.get(device, _NOTHING)
        gone += has - wanted
        new += wanted - has
    return gone, new


def _anew(
    state: State, permitted: Collection[int], change: Change, counted: Counted, flags: int
) -> Iterator[Message]:
    """With all ports. Counters go on from where they were."""
    left = {device: has for device, has in state.ports.items() if device not in change.remove}
    ports = {**left, **change.put}
    before = {reason: (packets, octets) for reason, packets, octets in counted.by_reason}
    counters = {reason: before.get(reason, (0, 0)) for reason in REASONS}
    yield from fixed.anew(state.fixed is not None, permitted, flags, counters)
    yield from messages.new_elements(e for elements in ports.values() for e in elements)
    yield from messages.new_elements(e for e in counted.by_port if device_of(e) in ports)


def _forgotten(state: State, counted: Counted, remove: Collection[str]) -> list[Element]:
    """What was counted of devices that have no guard any longer."""
    devices = ((device_of(element), element) for element in counted.by_port)
    return [e for device, e in devices if device in remove or device not in state.ports]


def trial(exists: bool, flags: int) -> list[Message]:
    """All that there could be, to see whether the kernel has what it takes."""
    return [*fixed.anew(exists, (0x88B5,), flags, dict.fromkeys(REASONS, (0, 0)))]


#: changed by its holder alone, and lasting when that has gone: Linux 6.9
HELD = OWNER | PERSIST
