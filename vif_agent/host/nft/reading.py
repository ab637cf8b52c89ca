"""Our table, read whole and at one generation."""

import contextlib
import errno
from collections.abc import Iterator

from vif_agent.host.nft import messages, shown
from vif_agent.host.nft.elements import Element, device_of
from vif_agent.host.nft.expressions import Expression, compiled
from vif_agent.host.nft.messages import DORMANT
from vif_agent.host.nft.netlink import NftSocket, Refused
from vif_agent.host.nft.rules import CHAINS, expected_rules
from vif_agent.host.nft.sets import DROPPED, PERMITTED, PORTS
from vif_agent.host.nft.shown import ChainFound, Table
from vif_agent.host.nft.table import Counted, State, trial
from vif_agent.host.nft.words import Set

_WANTED_CHAINS = {ChainFound(chain.name, chain.hooked) for chain in CHAINS}
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
    as_written = _as_written(netlink) and not table.flags & DORMANT
    ports: dict[str, set[Element]] = {}
    for which in PORTS:
        for element in _elements(netlink, which):
            ports.setdefault(device_of(element), set()).add(element)
    permitted = shown.permitted_shown(list(_elements(netlink, PERMITTED)))
    is_right = as_written and table.comment == expected_rules(permitted)
    return State(
        generation,
        rules=table.comment if is_right else f"changed: {table.comment}",
        ports={device: frozenset(has) for device, has in ports.items()},
    )


def try_out(netlink: NftSocket, flags: int) -> Refused:
    """Could the table be made, with these flags? EPERM: but for somebody who holds it."""
    return netlink.try_out(trial(_table(netlink) is not None, flags))


def _table(netlink: NftSocket) -> Table | None:
    found = filter(None, map(shown.table_shown, netlink.dump(messages.get_table())))
    return next(found, None)


def _as_written(netlink: NftSocket) -> bool:
    """Are the chains and rules those of ``rules``, with nothing between?"""
    chains = set(filter(None, map(shown.chain_shown, netlink.dump(messages.get_chains()))))
    rules: dict[str, list[list[Expression]]] = {}
    for chain, expressions in map(shown.rule_shown, netlink.dump(messages.get_rules())):
        rules.setdefault(chain, []).append(expressions)
    return chains == _WANTED_CHAINS and rules == _WANTED_RULES


def _elements(netlink: NftSocket, which: Set) -> Iterator[Element]:
    """None of a set that is not there: somebody has taken it away."""
    with contextlib.suppress(FileNotFoundError):
        for body in netlink.dump(messages.get_elements(which)):
            yield from shown.elements_shown(body)
