"""The table as it was read, and the batch that makes it as it is to be. Pure."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence

from vif_agent.host.nft import messages
from vif_agent.host.nft.elements import Element, Elements, device_of
from vif_agent.host.nft.messages import OWNER, PERSIST, Message
from vif_agent.host.nft.rules import CHAINS, REASONS, expected_rules
from vif_agent.host.nft.sets import PERMITTED, SETS

_NOTHING: Elements = frozenset()
_MOST_RANGES_TO_GO = 16


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """``rules``: "" for no table; what ``expected_rules`` says where all of them are there, as they
    were written."""

    generation: int = 0
    rules: str = ""
    ports: dict[str, Elements] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Counted:
    """What was dropped: reason, packets, octets of all; elements of each port's, with counters."""

    by_reason: Collection[tuple[str, int, int]] = ()
    by_port: Collection[Element] = ()


def unheld(state: State) -> State:
    """As one whose rules are wrong: only a new table can be held."""
    return dataclasses.replace(state, rules=f"changed: {state.rules}")


def is_right(state: State, permitted: Sequence[int]) -> bool:
    """Are all rules there?"""
    return state.rules == expected_rules(permitted)


def written(
    state: State, permitted: Sequence[int], put: Mapping[str, Elements], remove: Collection[str]
) -> State:
    """After the batch. The same ports, changed: there may be thousands, of which one is new."""
    for device in remove:
        state.ports.pop(device, None)
    state.ports.update(put)
    return State(rules=expected_rules(permitted), ports=state.ports)


def is_made_anew(
    state: State, permitted: Sequence[int], put: Mapping[str, Elements], remove: Collection[str]
) -> bool:
    """Rules that are not as they must be, with all that there is and in the same batch: no frame
    passes unseen.

    So are those sets from which many ranges go: for each the kernel walks through all that there
    are, under its lock. 100 of 4,000 take it 2 seconds, and a new table 0.2.
    """
    if not is_right(state, permitted):
        return bool(state.rules or put)
    gone, _ = _changes(state, put, remove)
    return sum(bool(element.end) for element in gone) > _MOST_RANGES_TO_GO


def batch(
    state: State,
    permitted: Sequence[int],
    put: Mapping[str, Elements],
    remove: Collection[str],
    counted: Counted,
    flags: int = 0,
) -> list[Message]:
    """Empty where nothing differs."""
    if is_made_anew(state, permitted, put, remove):
        left = {device: has for device, has in state.ports.items() if device not in remove}
        return list(_anew(state, permitted, {**left, **put}, counted, flags))
    gone, new = _changes(state, put, remove)
    if state.rules:
        gone += _forgotten(state, counted, remove)
    return [*messages.delete_elements(gone), *messages.new_elements(new)]


def _changes(
    state: State, put: Mapping[str, Elements], remove: Collection[str]
) -> tuple[list[Element], list[Element]]:
    """What goes and what comes, only of these devices, however many there are."""
    wanted = {**dict.fromkeys(remove, _NOTHING), **put}
    gone: list[Element] = []
    new: list[Element] = []
    for device, elements in wanted.items():
        has = state.ports.get(device, _NOTHING)
        gone += has - elements
        new += elements - has
    return gone, new


def _anew(
    state: State,
    permitted: Sequence[int],
    ports: Mapping[str, Elements],
    counted: Counted,
    flags: int,
) -> Iterator[Message]:
    """Counters go on from where they were."""
    if state.rules:
        yield messages.delete_table()
    yield messages.new_table(expected_rules(permitted), flags)
    before = {reason: (packets, octets) for reason, packets, octets in counted.by_reason}
    for reason in REASONS:
        yield messages.new_counter(reason, *before.get(reason, (0, 0)))
    for number, which in enumerate(SETS, 1):
        yield messages.new_set(which, number)
    for chain in CHAINS:
        yield messages.new_chain(chain)
    for chain in CHAINS:
        for rule in chain.rules:
            yield messages.new_rule(chain.name, rule)
    yield from messages.new_elements(permitted_elements(permitted))
    yield from messages.new_elements(e for elements in ports.values() for e in elements)
    yield from messages.new_elements(e for e in counted.by_port if device_of(e) in ports)


def _forgotten(state: State, counted: Counted, remove: Collection[str]) -> list[Element]:
    """What was counted of devices that have no guard any longer."""
    devices = ((device_of(element), element) for element in counted.by_port)
    return [e for device, e in devices if device in remove or device not in state.ports]


def permitted_elements(permitted: Sequence[int]) -> list[Element]:
    """Ethertypes, of the operator."""
    return [Element(PERMITTED.name, number.to_bytes(2)) for number in permitted]


def trial(exists: bool, flags: int) -> list[Message]:
    """All that there could be, to see whether the kernel has what it takes."""
    example = Element(PERMITTED.name, b"\x88\xb5")
    before = State(rules="there" if exists else "")
    return [*_anew(before, (), {}, Counted(), flags), *messages.new_elements([example])]


#: changed by its holder alone, and lasting when that has gone: Linux 6.9
HELD = OWNER | PERSIST
