"""What is the same for every port, as it was found, and how it becomes as it must be. Pure.

A rule that is not right is replaced where it stands, with all of its chain and in one batch. The
kernel shows a frame either all rules from before a batch, or all from after it, as long as the
chain by which frames come stays: if that one is made anew, too, a frame can come between them.
"""

import dataclasses
import functools
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypeAlias

from vif_agent.host.nft import messages
from vif_agent.host.nft.elements import Element
from vif_agent.host.nft.messages import Message
from vif_agent.host.nft.sets import PERMITTED
from vif_agent.host.nft.tables import TABLES, VERSION
from vif_agent.host.nft.words import Chain, Family, Table

#: to be made: by reason the packets and octets from which they go on
Counters: TypeAlias = Mapping[str, tuple[int, int]]


@dataclasses.dataclass(frozen=True, slots=True)
class Fixed:
    """``chains``: by name, are its rules those that it must have? ``can_stay``: the table itself,
    the chain by which frames come, and the sets and chains that there are."""

    permitted: frozenset[int]
    chains: Mapping[str, bool]
    sets: frozenset[str]
    can_stay: bool = True


#: of a table that others have made, or that is not as one can mend
STRANGE = Fixed(frozenset(), {}, frozenset(), can_stay=False)


def right(table: Table, permitted: Collection[int]) -> Fixed:
    """As it must be."""
    return _right(table.family, frozenset(permitted))


@functools.lru_cache(1 << 4)
def _right(family: Family, permitted: frozenset[int]) -> Fixed:
    """Each batch asks for it several times."""
    table = TABLES[family]
    names = frozenset(one.name for one in table.sets)
    may = permitted if PERMITTED.name in names else frozenset[int]()
    return Fixed(may, dict.fromkeys((chain.name for chain in table.chains), True), names)


def anew(
    table: Table, is_there: bool, permitted: Collection[int], flags: int, counters: Counters
) -> Iterator[Message]:
    """The table without any port. What was there is deleted."""
    if is_there:
        yield messages.delete_table()
    yield messages.new_table(VERSION, flags)
    yield from mended(table, STRANGE, permitted, counters)


def mended(
    table: Table, found: Fixed, permitted: Collection[int], counters: Counters
) -> Iterator[Message]:
    """Only what differs. What nobody knows goes: it might decide, too."""
    wanted = right(table, permitted)
    differ = [chain for chain in table.chains if not found.chains.get(chain.name)]
    strange = found.chains.keys() - wanted.chains.keys()
    refilled = found.chains.keys() & {chain.name for chain in differ}
    yield from map(messages.delete_rules, sorted(strange | refilled))
    yield from map(messages.delete_set, sorted(found.sets - wanted.sets))
    yield from map(messages.delete_chain, sorted(strange))
    yield from (messages.new_counter(reason, *begin) for reason, begin in counters.items())
    missing = [one for one in table.sets if one.name not in found.sets]
    yield from (messages.new_set(one, number) for number, one in enumerate(missing, 1))
    yield from (messages.new_chain(c) for c in table.chains if c.name not in found.chains)
    yield from _rules(differ)
    yield from messages.delete_elements(permitting(found.permitted - wanted.permitted))
    yield from messages.new_elements(permitting(wanted.permitted - found.permitted))


def _rules(chains: Iterable[Chain]) -> Iterator[Message]:
    for chain in chains:
        for rule in chain.rules:
            yield messages.new_rule(chain.name, rule)


def permitting(ethertypes: Iterable[int]) -> list[Element]:
    """Of the operator."""
    return [Element(PERMITTED.name, number.to_bytes(2)) for number in ethertypes]
