"""VXLAN devices: what makes one, what is read of it, and the peers it sends to."""

import ipaddress
import struct
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pyroute2.netlink import NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REQUEST
from pyroute2.netlink.rtnl import RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH

from vif_agent.host.netlink import iflink
from vif_agent.host.netlink.rtnetlink import Message, Socket, attributes, number, raw

_APPEND = (RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND)
_DELETE = (RTM_DELNEIGH, NLM_F_REQUEST | NLM_F_ACK)
_DUMP = (RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP)
# include/uapi/linux/neighbour.h
_DST, _LLADDR, _IFINDEX = 1, 2, 8
_FOR_GOOD, _SELF = 0x80 | 0x40, 0x02  # NUD_PERMANENT | NUD_NOARP, NTF_SELF
_AF_BRIDGE = 7
_ANY_OTHER = bytes(6)  # the MAC address whose entries get what has no entry of its own

_GROUP = {4: iflink.VXLAN_GROUP, 6: iflink.VXLAN_GROUP6}
_LOCAL = {4: iflink.VXLAN_LOCAL, 6: iflink.VXLAN_LOCAL6}


def creation(
    vni: int, local: str | None, group: str | None, below: int, ttl: int | None, port: int | None
) -> bytes:
    """``below``: the index of the device that hears the group."""
    data = number(iflink.VXLAN_ID, vni)
    if local:
        data += _address(_LOCAL, local)
    if group:
        data += _address(_GROUP, group) + number(iflink.VXLAN_LINK, below)
    if ttl is not None:
        data += number(iflink.VXLAN_TTL, ttl, 1)
    if port is not None:
        data += raw(iflink.VXLAN_PORT, struct.pack("!H", port))
    return data


def read(data: Mapping[int, bytes]) -> dict[str, Any]:
    """Of IFLA_INFO_DATA; addresses as text, "" for none."""
    return {
        "vni": _number(data, iflink.VXLAN_ID),
        "local": _text(data, _LOCAL),
        "group": _text(data, _GROUP),
        "below": _number(data, iflink.VXLAN_LINK),
        "ttl": _number(data, iflink.VXLAN_TTL),
        "external": bool(_number(data, iflink.VXLAN_EXTERNAL)),
        "port": int.from_bytes(data.get(iflink.VXLAN_PORT, b""), "big"),
    }


def peers(netlink: Socket, index: int) -> set[str]:
    """Where what has no entry of its own goes to; the group among them, if there is one."""
    body = _neighbour(0, flags=0, state=0) + number(_IFINDEX, index)
    return {*map(peer_of, netlink.dump_of(Message(_DUMP, body)))} - {""}


def peer_of(neighbour: bytes) -> str:
    """Where this entry sends what has no entry of its own; "" if it is for something else."""
    entry = attributes(neighbour, 12)
    if entry.get(_LLADDR) != _ANY_OTHER or _DST not in entry:
        return ""
    return str(ipaddress.ip_address(entry[_DST]))


def changes_of_peers(
    index: int, wanted: Collection[str], present: Collection[str]
) -> Iterator[Message]:
    """New ones first: nobody is left out meanwhile."""
    for kind, addresses in (
        (_APPEND, {*wanted} - {*present}),
        (_DELETE, {*present} - {*wanted}),
    ):
        for address in sorted(addresses):
            packed = ipaddress.ip_address(address).packed
            entry = raw(_LLADDR, _ANY_OTHER) + raw(_DST, packed)
            yield Message(kind, _neighbour(index) + entry)


def _neighbour(index: int, flags: int = _SELF, state: int = _FOR_GOOD) -> bytes:
    """struct ndmsg."""
    return struct.pack("=BxHiHBB", _AF_BRIDGE, 0, index, state, flags, 0)


def _address(attribute: Mapping[int, int], address: str) -> bytes:
    parsed = ipaddress.ip_address(address)
    return raw(attribute[parsed.version], parsed.packed)


def _text(data: Mapping[int, bytes], attribute: Mapping[int, int]) -> str:
    found = next((data[a] for a in attribute.values() if a in data), b"")
    return str(ipaddress.ip_address(found)) if any(found) else ""


def _number(data: Mapping[int, bytes], attribute: int) -> int:
    return int.from_bytes(data.get(attribute, b""), "little")
