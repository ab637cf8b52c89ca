"""Orders become netlink messages. No I/O."""

import random
import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeAlias

from vif_agent.helper.orders import (
    ChangeLink,
    CreateBridge,
    CreateLink,
    CreateTap,
    CreateVeth,
    CreateVlan,
    CreateVxlan,
    LinkOrder,
    MoveNic,
    OwnLink,
)
from vif_agent.host.netlink import iflink, vxlan
from vif_agent.host.netlink.rtnetlink import NEW, SET, LinkRequest, number, raw, text
from vif_agent.ownership import alias

#: an index that no device has: the kernel then answers ENODEV
NO_DEVICE = 0x7FFFFFFE

#: by name: the devices that the orders are for, and those that they speak of
Indexes: TypeAlias = Mapping[str, int]

#: field to (attribute, its size in bytes, units in one second or one)
_BRIDGE_DATA = {
    "forward_delay": (iflink.BR_FORWARD_DELAY, 4, iflink.USER_HZ),
    "ageing": (iflink.BR_AGEING_TIME, 4, iflink.USER_HZ),
    "stp": (iflink.BR_STP_STATE, 4, 1),
    "mcast_snooping": (iflink.BR_MCAST_SNOOPING, 1, 1),
}
_NONE = iflink.NO_LINK_LOCAL_LEARNING
_LEARNING = {True: struct.pack("=II", 0, _NONE), False: struct.pack("=II", _NONE, _NONE)}


def chosen_indexes(orders: Sequence[LinkOrder]) -> dict[str, int]:
    """The device of each order: the one that was found, or that we make, and no other.

    Never by name: it may have a new bearer by now, or be a NIC's altname. New devices get indexes
    of our choice, so that a later message of the same send can name one that an earlier one makes.
    Those of taps the kernel chooses.
    """
    start = random.randrange(1 << 24, 1 << 30)
    return {
        order.name: start + i if isinstance(order, CreateLink) else getattr(order, "index", 0)
        for i, order in enumerate(orders)
        if not isinstance(order, CreateTap)
    }


def index_of(name: str, indexes: Indexes) -> int:
    """0 for no name; NO_DEVICE for one that is not there."""
    return indexes.get(name, NO_DEVICE) if name else 0


def creation(
    orders: Sequence[LinkOrder], indexes: Indexes, below: Indexes
) -> Iterator[tuple[str, LinkRequest]]:
    """What is made, each tagged at once: a long list goes in several sends, and we may be killed
    after each. ``below``: for tunnels of a group, the device that hears it."""
    new = {o.name: o for o in orders if isinstance(o, CreateLink) and not isinstance(o, CreateTap)}
    for order in sorted(new.values(), key=_birth):
        if not _is_made_by_peer(order, new):
            yield order.name, _creation(order, indexes, below)
        yield order.name, tagging(order, indexes[order.name])


def settings(orders: Sequence[LinkOrder], indexes: Indexes) -> Iterator[tuple[str, LinkRequest]]:
    """All but sysctls and "up", which comes after them, and a NIC's move, which comes last."""
    for order in orders:
        for request in _settings(order, indexes):
            yield order.name, request


def _birth(order: CreateLink) -> tuple[bool, str, str]:
    """Masters first; of a veth pair the two ends together, the one that makes both before."""
    peer = order.peer if isinstance(order, CreateVeth) else order.name
    return (not isinstance(order, CreateBridge), min(order.name, peer), order.name)


def _is_made_by_peer(order: CreateLink, new: Collection[str]) -> bool:
    """One message makes both ends of a veth pair."""
    return isinstance(order, CreateVeth) and order.peer in new and order.peer < order.name


def _creation(order: CreateLink, indexes: Indexes, below: Indexes) -> LinkRequest:
    """The least that makes the device; the kernel takes no alias here, ``tagging`` does."""
    info = text(iflink.INFO_KIND, order.kind)
    attributes = text(iflink.IFNAME, order.name) + _mtu(order)
    if isinstance(order, CreateBridge):
        info += raw(iflink.INFO_DATA, _bridge_data(order))
    elif isinstance(order, CreateVeth):
        peer = raw(iflink.VETH_INFO_PEER, _peer_end(order, indexes))
        info += raw(iflink.INFO_DATA, peer)
    elif isinstance(order, CreateVlan):
        info += raw(iflink.INFO_DATA, number(iflink.VLAN_ID, order.vid, 2))
        attributes += number(iflink.LINK, index_of(order.parent, indexes))
    elif isinstance(order, CreateVxlan):
        info += raw(iflink.INFO_DATA, _tunnel(order, below.get(order.name, 0)))
    attributes += raw(iflink.LINKINFO, info)
    return LinkRequest(NEW, attributes, indexes[order.name])


def _tunnel(order: CreateVxlan, below: int) -> bytes:
    return vxlan.creation(order.vni, order.local, order.group, below, order.ttl, order.port)


def _peer_end(order: CreateVeth, indexes: Indexes) -> bytes:
    interface = LinkRequest(NEW, index=indexes.get(order.peer, 0)).interface()
    return interface + text(iflink.IFNAME, order.peer) + _mtu(order)


def raise_link(index: int) -> LinkRequest:
    """Up, and nothing else."""
    return LinkRequest(SET, index=index, flags=iflink.UP, change=iflink.UP)


def tagging(order: OwnLink, index: int) -> LinkRequest:
    """The owner's tag, and nothing else."""
    return LinkRequest(SET, text(iflink.IFALIAS, alias(order.owner)), index)


def tap_settings(order: CreateTap, indexes: Indexes) -> LinkRequest:
    """Its tag, and all but sysctls and "up", in one message: each costs an event for all who
    listen, too."""
    attributes = text(iflink.IFALIAS, alias(order.owner)) + _mtu(order) + _joining(order, indexes)
    change = 0 if order.promisc is None else iflink.PROMISC
    flags = iflink.PROMISC if order.promisc else 0
    return LinkRequest(SET, attributes, indexes[order.name], flags, change)


def _settings(order: LinkOrder, indexes: Indexes) -> Iterator[LinkRequest]:
    """A new device has its tag by now: if the rest is refused, it can be removed. STP by itself and
    first: while it is on, the kernel takes no forward delay below 2 s.
    """
    index, attributes = indexes[order.name], _mtu(order)
    if isinstance(order, ChangeLink):
        if order.stp is not None:
            stp = ChangeLink(name=order.name, owner=order.owner, index=index, stp=order.stp)
            yield LinkRequest(SET, _bridge_info(stp), index)
        attributes += text(iflink.IFALIAS, alias(order.owner)) + _bridge_info(order)
    attributes += _joining(order, indexes)
    down, promisc = order.up is False, order.promisc is not None
    change = (iflink.UP if down else 0) | (iflink.PROMISC if promisc else 0)
    if attributes or change:
        yield LinkRequest(SET, attributes, index, iflink.PROMISC if order.promisc else 0, change)


def _joining(order: LinkOrder, indexes: Indexes) -> bytes:
    """Its MAC, and the bridge that it goes into: a NIC goes by itself, later.

    A new one is in none, and is taken out of none: after a boot ovs-vswitchd has a row for it, and
    may have put it into its datapath by now, from where the kernel takes no device (EOPNOTSUPP).
    """
    attributes = b""
    if order.mac is not None:
        attributes += raw(iflink.ADDRESS, bytes.fromhex(order.mac.replace(":", "")))
    in_none = order.master == "" and isinstance(order, CreateLink)
    if order.master is not None and not in_none and not isinstance(order, MoveNic):
        attributes += number(iflink.MASTER, index_of(order.master, indexes))
    return attributes


def _bridge_info(order: ChangeLink) -> bytes:
    if not (data := _bridge_data(order)):
        return b""
    info = text(iflink.INFO_KIND, "bridge") + raw(iflink.INFO_DATA, data)
    return raw(iflink.LINKINFO, info)


def _mtu(order: LinkOrder) -> bytes:
    return b"" if order.mtu is None else number(iflink.MTU, order.mtu)


def _bridge_data(order: LinkOrder) -> bytes:
    learns: bool | None = getattr(order, "learns_link_local", None)
    switch = b"" if learns is None else raw(iflink.BR_MULTI_BOOLOPT, _LEARNING[learns])
    return switch + b"".join(
        number(attribute, int(value) * unit, size)
        for field, (attribute, size, unit) in _BRIDGE_DATA.items()
        if (value := getattr(order, field)) is not None
    )
