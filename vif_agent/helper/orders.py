"""Orders become netlink messages. No I/O but the look-up of an index.

An order is a plan's step as plain data, as it crosses the channel to the privileged process:
{verb, kind, name, index, alias, fields}; without an alias the device is not stamped.
"""

import random
import socket
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from vif_agent.helper.policy import checked, checked_kind
from vif_agent.host.netlink import iflink, vxlan
from vif_agent.host.netlink.rtnetlink import NEW, SET, LinkRequest, number, raw, text

Order = dict[str, Any]
#: name to (errno, text) of what failed
Failures = dict[str, tuple[int, str]]

#: the least with which the kernel has IPv6 on a device
IPV6_MTU = 1280

#: an index that no device has
NO_DEVICE = 0x7FFFFFFE

#: field to (attribute, its size in bytes, units in one second or one)
_BRIDGE_DATA = {
    "forward_delay": (iflink.BR_FORWARD_DELAY, 4, iflink.USER_HZ),
    "ageing": (iflink.BR_AGEING_TIME, 4, iflink.USER_HZ),
    "stp": (iflink.BR_STP_STATE, 4, 1),
    "mcast_snooping": (iflink.BR_MCAST_SNOOPING, 1, 1),
}


def indexes_of(orders: Sequence[Order], failures: Failures) -> dict[str, int]:
    """The device of each order: the one that was found, or that we make, and no other.

    Never by name: it may have a new bearer by now, or be a NIC's altname. New devices get indexes
    of our choice, so that a later message of the same send can name one that an earlier one makes.
    """
    start = random.randrange(1 << 24, 1 << 30)
    indexes = {o["name"]: o["index"] or start + i for i, o in enumerate(orders)}
    for i, order in enumerate(orders):
        if order["kind"] == "tun" and order["verb"] != "change":
            made = order["name"] not in failures
            indexes[order["name"]] = index_of(order["name"], {}) if made else 0
        elif order["verb"] == "remake":
            indexes[order["name"]] = start + i
    return indexes


def configuration(
    orders: Sequence[Order], indexes: dict[str, int]
) -> list[tuple[str, LinkRequest]]:
    """All of the plan but sysctls and "up": what is made, each stamped at once, then settings."""
    new = {o["name"]: o for o in orders if o["verb"] != "change" and o["kind"] != "tun"}
    births = [
        (order["name"], request)
        for order in sorted(new.values(), key=_birth)
        for request in _made(order, indexes, new)
    ]
    settings = [
        (order["name"], request)
        for order in orders
        if indexes[order["name"]]
        for request in _settings(order, indexes)
    ]
    return [*births, *settings]


def _birth(order: Order) -> tuple[bool, str, str]:
    """Masters first; of a veth pair the two ends together, the one that makes both before."""
    name = str(order["name"])
    return (order["kind"] != "bridge", min(name, order["fields"].get("peer", name)), name)


def _made(order: Order, indexes: dict[str, int], new: Collection[str]) -> Iterator[LinkRequest]:
    """The stamp comes right after: a long list goes in several sends, and we may be killed after
    each."""
    if not _made_by_peer(order, new):
        yield _creation(order, indexes)
    yield tagging(order, indexes[order["name"]])


def _made_by_peer(order: Order, new: Collection[str]) -> bool:
    """One message makes both ends of a veth pair."""
    peer = order["fields"].get("peer", "")
    return order["kind"] == "veth" and peer in new and peer < order["name"]


def _creation(order: Order, chosen: dict[str, int]) -> LinkRequest:
    """The least that makes the device; the kernel takes no alias here, ``stamping`` does."""
    kind, fields = checked_kind(order["kind"]), order["fields"]
    info = text(iflink.INFO_KIND, kind)
    attributes = text(iflink.IFNAME, checked(order["name"])) + _mtu(fields)
    if kind == "bridge":
        info += raw(iflink.INFO_DATA, _bridge_data(fields))
    elif kind == "veth":
        info += raw(iflink.INFO_DATA, raw(iflink.VETH_INFO_PEER, _peer_end(fields, chosen)))
    elif kind == "vlan":
        info += raw(iflink.INFO_DATA, number(iflink.VLAN_ID, fields["vid"], 2))
        attributes += number(iflink.LINK, index_of(fields["parent"], chosen))
    elif kind == "vxlan":
        info += raw(iflink.INFO_DATA, vxlan.creation(fields))
    attributes += raw(iflink.LINKINFO, info)
    return LinkRequest(NEW, attributes, chosen[order["name"]])


def _peer_end(fields: dict[str, Any], chosen: dict[str, int]) -> bytes:
    name = checked(fields["peer"])
    interface = LinkRequest(NEW, index=chosen.get(name, 0)).interface()
    return interface + text(iflink.IFNAME, name) + _mtu(fields)


def raise_link(index: int) -> LinkRequest:
    return LinkRequest(SET, index=index, flags=iflink.UP, change=iflink.UP)


def tagging(order: Order, index: int) -> LinkRequest:
    return LinkRequest(SET, text(iflink.IFALIAS, order["alias"]), index)


def _settings(order: Order, indexes: dict[str, int]) -> Iterator[LinkRequest]:
    """All but "up", which comes after the sysctls, and a NIC's move, which comes last.

    A new device has its stamp by now: if the rest is refused, it can be removed. STP by itself and
    first: while it is on, the kernel takes no forward delay below 2 s.
    """
    index, fields = indexes[order["name"]], order["fields"]
    changes = order["verb"] == "change"
    tag = text(iflink.IFALIAS, order["alias"]) if order["alias"] else b""
    if changes and "stp" in fields:
        yield LinkRequest(SET, _bridge_info({"stp": fields["stp"]}), index)
    attributes = _mtu(fields) + (tag + _bridge_info(fields) if changes else b"")
    if "mac" in fields:
        attributes += raw(iflink.ADDRESS, bytes.fromhex(fields["mac"].replace(":", "")))
    if "master" in fields and order["kind"] != "nic":
        attributes += number(iflink.MASTER, index_of(fields["master"], indexes))
    down = "up" in fields and not fields["up"]
    change = (iflink.UP if down else 0) | (iflink.PROMISC if "promisc" in fields else 0)
    flags = iflink.PROMISC if fields.get("promisc") else 0
    yield LinkRequest(SET, attributes, index, flags, change)


def _bridge_info(fields: dict[str, Any]) -> bytes:
    if not (data := _bridge_data(fields)):
        return b""
    info = text(iflink.INFO_KIND, "bridge") + raw(iflink.INFO_DATA, data)
    return raw(iflink.LINKINFO, info)


def _mtu(fields: dict[str, Any]) -> bytes:
    return number(iflink.MTU, fields["mtu"]) if "mtu" in fields else b""


def _bridge_data(fields: dict[str, Any]) -> bytes:
    return b"".join(
        number(attribute, int(fields[field]) * unit, size)
        for field, (attribute, size, unit) in _BRIDGE_DATA.items()
        if field in fields
    )


def index_of(name: str, chosen: dict[str, int]) -> int:
    """For an unknown name NO_DEVICE: the kernel then answers ENODEV."""
    if name in chosen or not name:
        return chosen.get(name, 0)
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return NO_DEVICE
