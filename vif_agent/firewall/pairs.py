"""A guest's addresses as a Guard has them. Drivers of other packages import it, too."""

import ipaddress
from collections.abc import Iterable, Iterator

from vif_agent.resources import Pairs

_LINK_LOCAL = 0xFE80 << 112


def joined(pairs: Iterable[tuple[str, str]]) -> Pairs:
    """As a Guard has them: of one MAC no network holds another."""
    by_mac: dict[str, list[ipaddress.IPv4Network | ipaddress.IPv6Network]] = {}
    for mac, network in pairs:
        by_mac.setdefault(mac, []).append(ipaddress.ip_network(network))
    return tuple(sorted((mac, net) for mac, nets in by_mac.items() for net in _collapsed(nets)))


def _collapsed(
    networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network],
) -> Iterator[str]:
    four = [one for one in networks if isinstance(one, ipaddress.IPv4Network)]
    six = [one for one in networks if isinstance(one, ipaddress.IPv6Network)]
    yield from map(str, ipaddress.collapse_addresses(four))
    yield from map(str, ipaddress.collapse_addresses(six))


def link_local(mac: str) -> str:
    """Of this MAC (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    half = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    return f"{ipaddress.IPv6Address(_LINK_LOCAL + int.from_bytes(half))}/128"
