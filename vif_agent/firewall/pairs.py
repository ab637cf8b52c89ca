"""A guest's addresses as a Guard has them. Drivers of other packages import it, too."""

import ipaddress
from collections.abc import Iterable, Sequence

from vif_agent.ip_networks import is_network
from vif_agent.resources import Pairs

_ANY = frozenset(("0.0.0.0/0", "::/0"))


def joined(pairs: Iterable[tuple[str, str]]) -> Pairs:
    """As a Guard has them: of one MAC no network holds another."""
    by_mac: dict[tuple[str, bool], list[str]] = {}
    for mac, network in pairs:
        by_mac.setdefault((mac, ":" in network), []).append(network)
    return tuple(
        sorted((mac, net) for (mac, _), nets in by_mac.items() for net in _collapsed(nets))
    )


def _collapsed(networks: Sequence[str]) -> Sequence[str]:
    """Of one family. Most ports have one address of each, or any, in the one form already."""
    if all(map(is_network, networks)):
        if len(networks) == 1:
            return networks
        if any_ := _ANY.intersection(networks):
            return [*any_]
    several = map(ipaddress.ip_network, networks)
    return [*map(str, ipaddress.collapse_addresses(several))]  # type: ignore[type-var] # see above


def link_local(mac: str) -> str:
    """Of this MAC (RFC 4291, appendix A). The longest row of zeros is written as "::", and the
    first of the groups after it may belong to that."""
    one, two, three, four, five, six = bytes.fromhex(mac.replace(":", ""))
    first = (one ^ 2) << 8 | two
    groups = [first] * bool(first) + [three << 8 | 0xFF, 0xFE00 | four, five << 8 | six]
    return f"fe80::{':'.join(f'{group:x}' for group in groups)}/128"
