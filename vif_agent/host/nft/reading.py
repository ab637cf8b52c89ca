"""Our tables, read whole and at one generation."""

import contextlib
import errno
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from vif_agent.host.nft import messages, shown
from vif_agent.host.nft.elements import Element, device_of
from vif_agent.host.nft.expressions import Expression, compiled
from vif_agent.host.nft.fixed import STRANGE, Fixed
from vif_agent.host.nft.messages import DORMANT, form_of
from vif_agent.host.nft.netlink import NftSocket, Refused
from vif_agent.host.nft.sets import DROPPED, PERMITTED, PORTS
from vif_agent.host.nft.shown import Table
from vif_agent.host.nft.table import Counted, State, trial
from vif_agent.host.nft.tables import TABLES, VERSION
from vif_agent.host.nft.words import BRIDGE, FAMILIES, Family, Set

_HOOKED = {f: {chain.name: chain.hooked for chain in t.chains} for f, t in TABLES.items()}
_FORMS = {f: {one.name: form_of(one) for one in t.sets} for f, t in TABLES.items()}
_WANTED_RULES = {
    f: {chain.name: [compiled(rule) for rule in chain.rules] for chain in t.chains}
    for f, t in TABLES.items()
}
_TRIES = 100

Found: TypeAlias = Mapping[Family, Table]


def read(netlink: NftSocket) -> tuple[State, Found]:
    """Again, where somebody changes anything meanwhile. OSError: EOPNOTSUPP or the like where the
    kernel has none of it, EBUSY where it does not come to rest. With the tables that are ours."""
    for _ in range(_TRIES):
        before = netlink.generation()
        found = _read(netlink, before)
        if found and netlink.generation() == before:
            return found
    raise OSError(errno.EBUSY, "nf_tables is changed by others all the time")


def counted(
    netlink: NftSocket, families: Iterable[Family] = FAMILIES, reasons: bool = True
) -> dict[Family, Counted]:
    """Nothing where there is no table. ``reasons``: also by reason, of all."""
    return {
        family: Counted(
            list(_counters(netlink, family)) if reasons else (),
            list(_elements(netlink, family, DROPPED)),
        )
        for family in families
    }


def by_reason(netlink: NftSocket) -> dict[Family, list[tuple[str, int, int]]]:
    """Reason, packets, octets; nothing where there is no table."""
    return {family: list(_counters(netlink, family)) for family in FAMILIES}


def _counters(netlink: NftSocket, family: Family) -> Iterator[tuple[str, int, int]]:
    with contextlib.suppress(FileNotFoundError):
        bodies, reasons = netlink.dump(messages.get_counters().to(family)), TABLES[family].reasons
        found = map(shown.counter_shown, filter(shown.is_ours, bodies))
        yield from (one for one in found if one[0] in reasons)


def _read(netlink: NftSocket, generation: int) -> tuple[State, Found] | None:
    """None: it has changed meanwhile."""
    try:
        tables = _tables(netlink)
        return _state(netlink, generation, tables), {f: t for f, t in tables.items() if _is_ours(t)}
    except InterruptedError:
        return None


def _is_ours(table: Table) -> bool:
    """That of bridges by its name; those of routed taps by their comment, for they are nothing to
    us before one of them has a guard."""
    return table.family == BRIDGE or _is_named(table)


def _is_named(table: Table) -> bool:
    """An older agent has put a hash behind the version."""
    return " ".join(table.comment.split()[:2]) == VERSION


def _state(netlink: NftSocket, generation: int, tables: Found) -> State:
    ports: dict[str, set[Element]] = {}
    fixed: dict[Family, Fixed] = dict.fromkeys(tables, STRANGE)
    for family, table in tables.items():
        if _is_ours(table):
            fixed[family] = _fixed(netlink, table)
            for element in _of_ports(netlink, family):
                ports.setdefault(device_of(element), set()).add(element)
    has = {device: frozenset(elements) for device, elements in ports.items()}
    return State(generation, fixed, has, routed=any(map(_is_for_routed, tables.values())))


def _is_for_routed(table: Table) -> bool:
    return table.family != BRIDGE and _is_ours(table)


def _of_ports(netlink: NftSocket, family: Family) -> Iterator[Element]:
    for which in PORTS:
        if which.name in _FORMS[family]:
            yield from _elements(netlink, family, which)


def _fixed(netlink: NftSocket, table: Table) -> Fixed:
    family = table.family
    bodies = netlink.dump(messages.get_chains().to(family))
    chains = dict(filter(None, map(shown.chain_shown, bodies)))
    sets = dict(filter(None, map(shown.set_shown, netlink.dump(messages.get_sets().to(family)))))
    permitted = shown.permitted_shown(_elements(netlink, family, PERMITTED))
    can_stay = (
        _is_named(table)
        and not table.flags & DORMANT
        and _is_part(chains, _HOOKED[family])
        and _is_part(sets, _FORMS[family])
    )
    return Fixed(permitted, _chains(netlink, family, chains), frozenset(sets), can_stay)


def _is_part(found: Mapping[str, object], wanted: Mapping[str, object]) -> bool:
    """What there is of the wanted is as wanted."""
    return all(found[name] == wanted[name] for name in found.keys() & wanted.keys())


def _chains(netlink: NftSocket, family: Family, names: Iterable[str]) -> dict[str, bool]:
    """Are its rules those of ``rules``, with nothing between?"""
    rules: dict[str, list[list[Expression]]] = {name: [] for name in names}
    bodies = netlink.dump(messages.get_rules().to(family))
    for chain, expressions in map(shown.rule_shown, bodies):
        rules.setdefault(chain, []).append(expressions)
    return {chain: has == _WANTED_RULES[family].get(chain) for chain, has in rules.items()}


def try_out(netlink: NftSocket, flags: int, families: Iterable[Family] = (BRIDGE,)) -> Refused:
    """Could the tables be made, with these flags? EPERM: but for somebody who holds them."""
    return netlink.try_out(trial(_tables(netlink), families, flags))


def _tables(netlink: NftSocket) -> Found:
    found = filter(None, map(shown.table_shown, netlink.dump(messages.get_tables())))
    return {table.family: table for table in found}


def _elements(netlink: NftSocket, family: Family, which: Set) -> Iterator[Element]:
    """None of a set that is not there: somebody has taken it away."""
    with contextlib.suppress(FileNotFoundError):
        for body in netlink.dump(messages.get_elements(which).to(family)):
            yield from shown.elements_shown(body)
