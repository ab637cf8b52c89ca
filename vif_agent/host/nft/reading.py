"""Our table, read whole and at one generation."""

import contextlib
import errno
from collections.abc import Iterable, Iterator, Mapping

from vif_agent.host.nft import messages, shown
from vif_agent.host.nft.elements import Element, device_of
from vif_agent.host.nft.expressions import Expression, compiled
from vif_agent.host.nft.fixed import Fixed
from vif_agent.host.nft.messages import DORMANT, form_of
from vif_agent.host.nft.netlink import NftSocket, Refused
from vif_agent.host.nft.rules import CHAINS, VERSION
from vif_agent.host.nft.sets import DROPPED, PERMITTED, PORTS, SETS
from vif_agent.host.nft.shown import Table
from vif_agent.host.nft.table import Counted, State, trial
from vif_agent.host.nft.words import Set

_HOOKED = {chain.name: chain.hooked for chain in CHAINS}
_FORMS = {one.name: form_of(one) for one in SETS}
_WANTED_RULES = {chain.name: [compiled(rule) for rule in chain.rules] for chain in CHAINS}
_TRIES = 100


def read(netlink: NftSocket) -> tuple[State, Table | None]:
    """Again, where somebody changes anything meanwhile. OSError: EOPNOTSUPP or the like where the
    kernel has none of it, EBUSY where it does not come to rest."""
    for _ in range(_TRIES):
        before = netlink.generation()
        found = _read(netlink, before)
        if found and netlink.generation() == before:
            return found
    raise OSError(errno.EBUSY, "nf_tables is changed by others all the time")


def counted(netlink: NftSocket) -> Counted:
    """Nothing where there is no table."""
    return Counted(by_reason(netlink), list(_elements(netlink, DROPPED)))


def by_reason(netlink: NftSocket) -> list[tuple[str, int, int]]:
    """Reason, packets, octets; nothing where there is no table."""
    with contextlib.suppress(FileNotFoundError):
        bodies = netlink.dump(messages.get_counters())
        return [shown.counter_shown(body) for body in bodies if shown.is_ours(body)]
    return []


def _read(netlink: NftSocket, generation: int) -> tuple[State, Table | None] | None:
    """None: it has changed meanwhile."""
    try:
        table = _table(netlink)
        if table is None:
            return State(generation), None
        return _state(netlink, generation, table), table
    except InterruptedError:
        return None


def _state(netlink: NftSocket, generation: int, table: Table) -> State:
    ports: dict[str, set[Element]] = {}
    for which in PORTS:
        for element in _elements(netlink, which):
            ports.setdefault(device_of(element), set()).add(element)
    has = {device: frozenset(elements) for device, elements in ports.items()}
    return State(generation, _fixed(netlink, table), has)


def _fixed(netlink: NftSocket, table: Table) -> Fixed:
    """An older agent has put a hash behind the version."""
    chains = dict(filter(None, map(shown.chain_shown, netlink.dump(messages.get_chains()))))
    sets = dict(filter(None, map(shown.set_shown, netlink.dump(messages.get_sets()))))
    permitted = shown.permitted_shown(_elements(netlink, PERMITTED))
    is_of_ours = " ".join(table.comment.split()[:2]) == VERSION and not table.flags & DORMANT
    can_stay = is_of_ours and _is_part(chains, _HOOKED) and _is_part(sets, _FORMS)
    return Fixed(permitted, _chains(netlink, chains), frozenset(sets), can_stay)


def _is_part(found: Mapping[str, object], wanted: Mapping[str, object]) -> bool:
    """What there is of the wanted is as wanted."""
    return all(found[name] == wanted[name] for name in found.keys() & wanted.keys())


def _chains(netlink: NftSocket, names: Iterable[str]) -> dict[str, bool]:
    """Are its rules those of ``rules``, with nothing between?"""
    rules: dict[str, list[list[Expression]]] = {name: [] for name in names}
    for chain, expressions in map(shown.rule_shown, netlink.dump(messages.get_rules())):
        rules.setdefault(chain, []).append(expressions)
    return {chain: has == _WANTED_RULES.get(chain) for chain, has in rules.items()}


def try_out(netlink: NftSocket, flags: int) -> Refused:
    """Could the table be made, with these flags? EPERM: but for somebody who holds it."""
    return netlink.try_out(trial(_table(netlink) is not None, flags))


def _table(netlink: NftSocket) -> Table | None:
    found = filter(None, map(shown.table_shown, netlink.dump(messages.get_table())))
    return next(found, None)


def _elements(netlink: NftSocket, which: Set) -> Iterator[Element]:
    """None of a set that is not there: somebody has taken it away."""
    with contextlib.suppress(FileNotFoundError):
        for body in netlink.dump(messages.get_elements(which)):
            yield from shown.elements_shown(body)
