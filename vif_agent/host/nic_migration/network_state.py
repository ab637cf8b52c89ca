"""What the network layer keeps with a device, and how to say the same of another device. Pure.

Addresses, neighbours, routes and rules. What belongs to the device itself stays: link
scope, the table "local". Numbers are those of include/uapi/linux: if_addr.h, rtnetlink.h,
neighbour.h, fib_rules.h.
"""

import dataclasses
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping

from pyroute2.netlink import (
    NLM_F_ACK,
    NLM_F_APPEND,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    NLM_F_REQUEST,
)
from pyroute2.netlink.rtnl import (
    RTM_DELADDR,
    RTM_DELNEIGH,
    RTM_DELROUTE,
    RTM_DELRULE,
    RTM_NEWADDR,
    RTM_NEWNEIGH,
    RTM_NEWROUTE,
    RTM_NEWRULE,
)

from vif_agent.host.netlink.addresses import Address
from vif_agent.host.netlink.rtnetlink import Message, attributes, each_attribute, number, raw

_DO = NLM_F_REQUEST | NLM_F_ACK
_NEW = _DO | NLM_F_CREATE | NLM_F_EXCL
#: one that is there gets this one's lifetime: a DHCP client has put it on the NIC to renew it
_ANEW = _DO | NLM_F_CREATE | NLM_F_REPLACE
#: a route to the same place by another device may be there still, and is no obstacle
_BESIDE = _DO | NLM_F_CREATE | NLM_F_APPEND

_INET6 = 10
_IFA_LABEL, _IFA_FLAGS = 3, 8
_IFA_KEPT = frozenset({1, 2, _IFA_LABEL, 4, 6, _IFA_FLAGS, 9, 11})
_NODAD, _NOPREFIXROUTE = 0x02, 0x200
_LASTING_FLAGS = _NOPREFIXROUTE | 0x10 | 0x100 | 0x400  # HOMEADDRESS, MANAGETEMPADDR, MCAUTOJOIN

_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_MULTIPATH = 1, 4, 5, 6, 7, 9
_RTA_CACHEINFO, _RTA_TABLE, _RTA_VIA, _RTA_EXPIRES, _RTA_NH_ID = 12, 15, 18, 23, 30
_RTA_KEPT = frozenset({1, 2, 4, 5, 6, 7, 8, 9, 11, 15, 18, 20, 21, 22})
_RTA_HOPS = frozenset({_RTA_OIF, _RTA_GATEWAY, _RTA_MULTIPATH, _RTA_VIA})
_UNICAST, _KERNEL, _RA, _LOCAL_TABLE, _DEAD, _ONLINK, _USER_HZ = 1, 2, 9, 255, 0x1, 0x4, 100

_NDA_LLADDR, _NDA_KEPT = 2, frozenset({1, 2, 12})
_NUD_STALE, _NUD_PERMANENT = 0x04, 0x80
_NUD_KNOWN = _NUD_PERMANENT | _NUD_STALE | 0x02 | 0x08 | 0x10  # REACHABLE, DELAY, PROBE
_FRA_IIFNAME, _FRA_OIFNAME, _RULE_INVERT = 3, 17, 0x2


@dataclasses.dataclass(frozen=True, slots=True)
class End:
    """A device, as it is named in what belongs to it."""

    index: int
    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class NetworkState:
    """The kernel's own descriptions, in its order.

    ``advertised``: destination, its length, gateway and metric of routes that the kernel has itself
    made, upon a router's advertisement.
    """

    addresses: tuple[Address, ...] = ()
    neighbours: tuple[bytes, ...] = ()
    routes: tuple[bytes, ...] = ()
    rules: tuple[bytes, ...] = ()
    advertised: frozenset[tuple[bytes, int, bytes, int]] = frozenset()

    def addresses_at(self, source: End, target: End) -> list[Message]:
        """The kernel shows IPv4 addresses as they were added, IPv6 ones the last first."""
        moving = [a for a in self.addresses if not a.stays]
        ordered = [a for a in moving if not a.is_ipv6] + [a for a in moving[::-1] if a.is_ipv6]
        return [Message((RTM_NEWADDR, _ANEW), _address(a, source, target)) for a in ordered]

    def ways_by(self, source: End, target: End) -> list[Message]:
        """Neighbours, routes and rules, each before what needs it."""
        routes = sorted(self._routes(), key=_needs_gateway)
        routes = [r for r in routes if not self._comes_with_address(r)]
        known = self._of_families(self.neighbours)
        return [
            *(Message((RTM_NEWNEIGH, _NEW), _neighbour(n, target.index)) for n in known),
            *(
                Message((RTM_NEWROUTE, _BESIDE), _route(r, source.index, target.index))
                for r in map(self._behind, routes)
            ),
            *(Message((RTM_NEWRULE, _NEW), _rule(r, source, target)) for r in self.rules),
        ]

    def no_ways_by(self, source: End) -> list[Message]:
        """Messages that remove rules, routes and neighbours from ``source``."""
        routes = sorted(self._routes(), key=_needs_gateway, reverse=True)
        known = self._of_families(self.neighbours)
        return [
            *(Message((RTM_DELRULE, _DO), _rule(r, source, source)) for r in self.rules),
            *(Message((RTM_DELROUTE, _DO), _old_route(r, source.index)) for r in routes),
            *(Message((RTM_DELNEIGH, _DO), _neighbour(n, source.index)) for n in known),
        ]

    def no_addresses_at(self, source: End, device: End) -> list[Message]:
        """Secondary ones go before those that would take them along."""
        moving = [a for a in self.addresses if not a.stays]
        return [Message((RTM_DELADDR, _DO), _address(a, source, device)) for a in moving[::-1]]

    @property
    def has_ipv6(self) -> bool:
        """Is there an IPv6 address that is to go along?"""
        return any(a.is_ipv6 and not a.stays for a in self.addresses)

    def _comes_with_address(self, route: bytes) -> bool:
        """The way to an IPv4 address's own network, where the kernel has made it by itself."""
        source = attributes(route, 12).get(_RTA_PREFSRC)
        plain = {a.packed for a in self.addresses if not a.flags & _NOPREFIXROUTE}
        return route[5] == _KERNEL and source in plain

    def _behind(self, route: bytes) -> bytes:
        """The kernel does not know its own route again when we have made it. It could not make it
        upon the next advertisement, and would then pass over the rest: prefixes, whose addresses
        would end. So ours has a worse metric, and the kernel's comes before it.
        """
        found = attributes(route, 12)
        metric = int.from_bytes(found.get(_RTA_PRIORITY, b""), "little")
        which = found.get(_RTA_DST, bytes(16)), route[1], found.get(_RTA_GATEWAY, b""), metric
        if not is_by_router(route) or which not in self.advertised:
            return route
        changed = {_RTA_PRIORITY: (metric + 1).to_bytes(4, "little")}
        return route[:12] + _kept(route, 12, frozenset(found), changed)

    def _routes(self) -> Iterator[bytes]:
        staying = {a.packed for a in self.addresses if a.stays}
        return (body for body in self._of_families(self.routes) if _moves(body, staying))

    def _of_families(self, bodies: Iterable[bytes]) -> Iterator[bytes]:
        """Of a NIC whose only IPv6 address is the link's own the rest of IPv6 stays, too, such as a
        router's advertisement makes: the bridge has IPv6 off, and the kernel would refuse it."""
        return (body for body in bodies if body[0] != _INET6 or self.has_ipv6)


def names_device(rule: bytes, name: str) -> bool:
    """Is the rule for what comes in or goes out by this device?"""
    found = attributes(rule, 12)
    given = (found.get(kind, b"") for kind in (_FRA_IIFNAME, _FRA_OIFNAME))
    return name.encode() + b"\0" in given


def is_by_router(route: bytes) -> bool:
    """Did a router's advertisement make it? The next one makes it anew."""
    return route[0] == _INET6 and route[5] == _RA


def is_known(neighbour: bytes) -> bool:
    """Given by hand, or found out and not given up."""
    (state,) = struct.unpack_from("=H", neighbour, 8)
    return bool(state & _NUD_KNOWN) and _NDA_LLADDR in attributes(neighbour, 12)


def _moves(route: bytes, staying: Collection[bytes]) -> bool:
    found = attributes(route, 12)
    table = int.from_bytes(found.get(_RTA_TABLE, route[4:5]), "little")
    destination = found.get(_RTA_DST, b"")
    link_local = route[0] == _INET6 and destination[:1] == b"\xfe" and destination[1] & 0xC0 == 0x80
    return (
        table != _LOCAL_TABLE
        and route[7] == _UNICAST
        and not link_local
        and found.get(_RTA_PREFSRC) not in staying
    )


def _needs_gateway(route: bytes) -> bool:
    return not {_RTA_GATEWAY, _RTA_VIA, _RTA_MULTIPATH}.isdisjoint(attributes(route, 12))


def _address(address: Address, source: End, target: End) -> bytes:
    """Without duplicate address detection: it is the same host, and no second may go by."""
    family, length, scope = address.body[0], address.body[1], address.body[3]
    found = attributes(address.body, 8)
    flags = address.flags & _LASTING_FLAGS
    flags |= _NODAD if family == _INET6 else 0
    changed = {_IFA_FLAGS: flags.to_bytes(4, "little")}
    if found.get(_IFA_LABEL, b"").rstrip(b"\0") == source.name.encode():
        changed[_IFA_LABEL] = target.name.encode() + b"\0"
    header = struct.pack("=BBBBi", family, length, 0, scope, target.index)
    return header + _kept(address.body, 8, _IFA_KEPT, changed)


def _neighbour(body: bytes, index: int) -> bytes:
    """What was found out is believed until it is needed, then asked again: no packet waits."""
    (state,) = struct.unpack_from("=H", body, 8)
    lasting = state & _NUD_PERMANENT or _NUD_STALE
    header = struct.pack("=BxHiHBB", body[0], 0, index, lasting, body[10], 0)
    return header + _kept(body, 12, _NDA_KEPT, {})


def _route(body: bytes, source: int, target: int) -> bytes:
    """Of several next hops in IPv6 each is a route of its own, in IPv4 all are one route.

    One by a nexthop object says its hops itself from then on: the object stays with its device.
    """
    (flags,) = struct.unpack_from("=I", body, 8)
    found = attributes(body, 12)
    changed = {}
    if found.get(_RTA_OIF) == _packed(source):
        changed[_RTA_OIF] = _packed(target)
    if hops := found.get(_RTA_MULTIPATH):
        only_these = body[0] == _INET6 and _RTA_NH_ID not in found
        changed[_RTA_MULTIPATH] = b"".join(_hops(hops, source, target, only_these))
    header = body[:8] + struct.pack("=I", flags & _ONLINK)
    return header + _kept(body, 12, _RTA_KEPT, changed) + _lifetime(found.get(_RTA_CACHEINFO, b""))


def _old_route(body: bytes, source: int) -> bytes:
    """One by a nexthop object is known by that, and not by its hops."""
    if nexthop := attributes(body, 12).get(_RTA_NH_ID):
        kept = _kept(body, 12, _RTA_KEPT - _RTA_HOPS, {})
        return body[:8] + bytes(4) + kept + raw(_RTA_NH_ID, nexthop)
    return _route(body, source, source)


def _hops(hops: bytes, source: int, target: int, only_these: bool) -> Iterator[bytes]:
    """struct rtnexthop, each with attributes of its own.

    A dead one, by another device that is down, the kernel takes in no new route.
    """
    start = 0
    while start + 8 <= len(hops):
        length, flags, weight, index = struct.unpack_from("=HBBi", hops, start)
        goes = source == target or not flags & _DEAD
        if index == source or (goes and not only_these):
            index = target if index == source else index
            rest = hops[start + 8 : start + length]
            yield struct.pack("=HBBi", length, flags & _ONLINK, weight, index) + rest
        start += max(8, (length + 3) & ~3)


def _lifetime(cacheinfo: bytes) -> bytes:
    """What a router's advertisement gave, in seconds."""
    (left,) = struct.unpack_from("=i", cacheinfo, 8) if len(cacheinfo) >= 12 else (0,)
    return number(_RTA_EXPIRES, left // _USER_HZ) if left >= _USER_HZ else b""


def _rule(body: bytes, source: End, target: End) -> bytes:
    (flags,) = struct.unpack_from("=I", body, 8)
    name = source.name.encode()
    found = attributes(body, 12)
    changed = {
        kind: target.name.encode() + b"\0"
        for kind in (_FRA_IIFNAME, _FRA_OIFNAME)
        if found.get(kind, b"").rstrip(b"\0") == name
    }
    kept = _kept(body, 12, frozenset(found), changed)
    return body[:8] + struct.pack("=I", flags & _RULE_INVERT) + kept


def _kept(body: bytes, start: int, kinds: frozenset[int], changed: Mapping[int, bytes]) -> bytes:
    return b"".join(
        raw(kind, changed.get(kind, payload))
        for kind, payload in each_attribute(body, start)
        if kind in kinds
    )


def _packed(index: int) -> bytes:
    return index.to_bytes(4, "little")
