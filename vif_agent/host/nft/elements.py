"""What a port may say, as elements of the sets, and back. Pure."""

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from vif_agent.host.nft.expressions import padded
from vif_agent.host.nft.sets import (
    ANY4,
    ANY6,
    ARP_PORTS,
    DHCP_SERVERS,
    GUARDED,
    MACS,
    NET4,
    NET6,
    ONE4,
    ONE6,
    ROUTERS,
)
from vif_agent.host.nft.words import ARP, BRIDGE, INET, Family, Set
from vif_agent.ip_networks import address, network

_ARP_NAMES = frozenset(one.name for one in ARP_PORTS)
_NAME_LENGTH, _MAC_LENGTH = 16, 6
_ADDRESS = _NAME_LENGTH + len(padded(bytes(_MAC_LENGTH)))


class Element(NamedTuple):
    """``key`` is in registers: a device's name, and what follows; ``end`` of the last key of a
    range; ``comment`` is a port's id; ``counter`` what the kernel has counted for it, as it shows
    it; ``family``: in which of our tables."""

    set: str
    key: bytes
    end: bytes = b""
    comment: str = ""
    counter: bytes = b""
    family: Family = BRIDGE

    def of(self, family: Family) -> "Element":
        """The same in our table there."""
        return Element(self.set, self.key, self.end, self.comment, self.counter, family)


Elements: TypeAlias = frozenset[Element]


def elements(
    device: str,
    owner: str,
    macs: Collection[str],
    pairs: Iterable[tuple[str, str]],
    dhcp_server: bool = False,
    router: bool = False,
    routed: bool = False,
) -> Elements:
    """All that is there of a port. ``routed``: for the host's own IP and ARP, else for a bridge."""
    name = device.encode().ljust(_NAME_LENGTH, b"\0")
    may = [(DHCP_SERVERS, dhcp_server), (ROUTERS, router)]
    found = frozenset(
        [
            Element(GUARDED.name, name, comment=owner),
            *(Element(among.name, name) for among, is_one in may if is_one),
            *(Element(MACS.name, name + _mac(mac)) for mac in macs),
            *(_of_pair(name, mac, network) for mac, network in pairs),
        ]
    )
    return _routed(found) if routed else found


def _routed(found: Elements) -> Elements:
    """In two tables what a bridge has in one."""
    of_arp = (e.of(ARP) for e in found if e.set in _ARP_NAMES)
    return frozenset((*(e.of(INET) for e in found), *of_arp))


def is_routed(element: Element) -> bool:
    """Is it in one of the two tables of routed taps?"""
    return element.family != BRIDGE


def device_of(element: Element) -> str:
    """What it is about."""
    return element.key[:_NAME_LENGTH].rstrip(b"\0").decode(errors="replace")


def said(found: Collection[Element]) -> dict[str, object]:
    """Of one device: the arguments of ``elements``, of what it has. No owner: "", also where two
    tables do not say the same."""
    routed = any(map(is_routed, found))
    if not routed:
        return _said(found, routed)
    of_ip = frozenset(e.of(BRIDGE) for e in found if e.family == INET)
    agree = _routed(of_ip) == found
    return _said(of_ip, routed) | ({} if agree else {"owner": ""})


def _said(found: Collection[Element], routed: bool) -> dict[str, object]:
    by_set: dict[str, list[Element]] = {}
    for element in found:
        by_set.setdefault(element.set, []).append(element)
    (guarded,) = by_set.get(GUARDED.name) or [Element("", b"")]
    return {
        "owner": guarded.comment,
        "macs": tuple(sorted(_text(e.key) for e in by_set.get(MACS.name, ()))),
        "pairs": tuple(sorted(_pairs(by_set))),
        "dhcp_server": DHCP_SERVERS.name in by_set,
        "router": ROUTERS.name in by_set,
        "routed": routed,
    }


def _of_pair(name: bytes, mac: str, text: str) -> Element:
    key, (first, last, bits) = name + _mac(mac), network(text)
    one, any_, net = _sets(len(first))
    if not bits:
        return Element(any_.name, key)
    if first == last:
        return Element(one.name, key + first)
    return Element(net.name, key + first, key + last)


def _sets(length: int) -> tuple[Set, Set, Set]:
    return (ONE4, ANY4, NET4) if length == 4 else (ONE6, ANY6, NET6)


@functools.lru_cache(1 << 12)
def _mac(text: str) -> bytes:
    return padded(bytes.fromhex(text.replace(":", "")))


def _pairs(by_set: Mapping[str, list[Element]]) -> Iterator[tuple[str, str]]:
    for of_any, everything in ((ANY4, "0.0.0.0/0"), (ANY6, "::/0")):
        yield from ((_text(e.key), everything) for e in by_set.get(of_any.name, ()))
    for among in (ONE4, NET4, ONE6, NET6):
        for e in by_set.get(among.name, ()):
            yield _text(e.key), _range(e.key[_ADDRESS:], (e.end or e.key)[_ADDRESS:])


def _range(first: bytes, last: bytes) -> str:
    """As a network, where it is one: others may have written what they like."""
    differ = int.from_bytes(first) ^ int.from_bytes(last)
    is_network = not differ & (differ + 1) and not int.from_bytes(first) & differ
    if not is_network:
        return f"{address(first)}-{address(last)}"
    return f"{address(first)}/{len(first) * 8 - differ.bit_length()}"


def _text(key: bytes) -> str:
    return key[_NAME_LENGTH : _NAME_LENGTH + _MAC_LENGTH].hex(":")
