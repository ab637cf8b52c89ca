"""The privileged process: reads links, makes and changes them, removes them. Nothing else.

oslo.privsep forks it before anything else starts; it keeps CAP_NET_ADMIN, the process that talks
to the bus keeps no capability. What crosses the channel is plain data; orders are those of
``links.py``: {verb, kind, name, index, alias, fields}.
"""

import contextlib
import errno
import os
import random
import signal
import socket
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from oslo_privsep import capabilities, priv_context

from vif_agent.errors import HelperGone
from vif_agent.host import iflink, read, taps
from vif_agent.host.netlink import (
    DELETE,
    GET,
    NEW,
    SET,
    Answer,
    LinkRequest,
    Socket,
    number,
    raw,
    text,
)  # fmt: skip
from vif_agent.ownership import SHARED, owner_in_alias
from vif_agent.vif import DEVICE_NAME

context = priv_context.PrivContext(
    "vif_agent",
    cfg_section="vif_agent_privileged",
    pypath=f"{__name__}.context",
    capabilities=[capabilities.CAP_NET_ADMIN],
)

_GONE_AT_ONCE = 32
#: done, or already gone: the device (moving it) or all of the group (removing it)
_WELL_GONE = (0, errno.ENODEV)

Order = dict[str, Any]
#: name to (errno, text) of what failed
Failures = dict[str, tuple[int, str]]

_NO_STATS = number(iflink.EXT_MASK, iflink.SKIP_STATS)
_SYSCTLS = {"disable_ipv6": "ipv6", "arp_ignore": "ipv4", "arp_announce": "ipv4"}
#: field to (attribute, its size in bytes, units in one second or one)
_BRIDGE_DATA = {
    "forward_delay": (iflink.BR_FORWARD_DELAY, 4, iflink.USER_HZ),
    "ageing": (iflink.BR_AGEING_TIME, 4, iflink.USER_HZ),
    "stp": (iflink.BR_STP_STATE, 4, 1),
    "mcast_snooping": (iflink.BR_MCAST_SNOOPING, 1, 1),
}


def start() -> None:
    """Fork the privileged process; this one keeps no capability from then on.

    The fork hook drops them before oslo.privsep starts its reader thread here: capabilities
    belong to threads, and a thread keeps those it was born with.
    """
    os.register_at_fork(
        after_in_parent=lambda: capabilities.drop_all_caps_except([], [], []),
        after_in_child=_leave_signals_to_the_agent,
    )
    context.start(priv_context.Method.FORK)


def _leave_signals_to_the_agent() -> None:
    """This process ends when the agent has: it reads the end of the channel."""
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, signal.SIG_IGN)


@contextlib.contextmanager
def helper() -> Iterator[None]:
    """Around every call: privsep would start a dead helper anew by sudo, which we do not have."""
    if context.client_mode and (context.channel is None or not context.channel.running):
        raise HelperGone("the privileged helper is not running")
    try:
        yield
    except OSError as error:
        if context.channel is not None and not context.channel.running:
            raise HelperGone("the privileged helper has died") from error
        raise


@context.entrypoint
def read_links(names: Sequence[str] | None, members_of: Sequence[str] = ()) -> list[read.Raw]:
    """The named links that exist (None: all), their masters and peers, and the bridges' members."""
    with Socket() as netlink:
        if names is None:
            return [read.link(body) for body in netlink.dump(_NO_STATS)]
        named = [LinkRequest(GET, _NO_STATS + text(iflink.IFNAME, n)) for n in names]
        found = _get(netlink, named)
        beyond = {r[k] for r in found.values() for k in ("master", "link")} - {0, *found}
        found |= _get(netlink, [LinkRequest(GET, _NO_STATS, i) for i in sorted(beyond)])
        for bridge in [r for r in found.values() if _counts_members(r, members_of)]:
            for body in netlink.dump(_NO_STATS + number(iflink.MASTER, bridge["index"])):
                member = read.link(body)
                found.setdefault(member["index"], member)
        return list(found.values())


@context.entrypoint
def grow(orders: Sequence[Order], tun_device: str) -> Failures:
    """Make and change links: taps, then all else in one send, sysctls, and "up" in another.

    Two sends, not one: the sysctls have no netlink form and must stand before a device comes up,
    else it answers ARP and takes an IPv6 address for a moment (Neutron fc8ebae035).
    """
    failures: Failures = {}
    with Socket() as netlink:
        _remove(netlink, [o["index"] for o in orders if o["verb"] == "remake"])
        _make_taps(orders, tun_device, failures)
        indexes = _indexes(orders, failures)
        _send(netlink, _configuration(orders, indexes), failures)
        _blame_masters(orders, failures)
        for order in orders:
            if order["name"] not in failures:
                _write_sysctls(order, failures)
        ups = [o["name"] for o in orders if o["fields"].get("up") and o["name"] not in failures]
        _send(netlink, [(name, _raise(indexes[name])) for name in ups], failures)
    return failures


@context.entrypoint
def shrink(indexes: Sequence[int]) -> tuple[int, str]:
    """Remove links by index (a name may have a new bearer by now). Answers (errno, text)."""
    with Socket() as netlink:
        answer = _remove(netlink, indexes)
    return (answer.errno, answer.text)


def _get(netlink: Socket, requests: Sequence[LinkRequest]) -> dict[int, read.Raw]:
    links = [read.link(body) for answer in netlink.ask(requests) for body in answer.links]
    return {link["index"]: link for link in links}


def _counts_members(link: read.Raw, members_of: Sequence[str]) -> bool:
    """Only what several ports may share must be empty to go; a dump for each would be dear."""
    return link["name"] in members_of and owner_in_alias(link["alias"]) == SHARED


def _remove(netlink: Socket, indexes: Sequence[int]) -> Answer:
    """Devices put into one link group go with one message, 3 to 100 times faster than singly.

    Some at a time: the kernel holds its one lock for links meanwhile, 19 ms for each bridge. The
    group is a random number, so that nobody else's device is in it.
    """
    requests: list[LinkRequest] = []
    for start in range(0, len(indexes), _GONE_AT_ONCE):
        group = number(iflink.GROUP, random.randrange(1 << 24, 1 << 31))
        some = indexes[start : start + _GONE_AT_ONCE]
        requests += [*(LinkRequest(SET, group, i) for i in some), LinkRequest(DELETE, group)]
    answers = netlink.ask(requests)
    return next((a for a in answers if a.errno not in _WELL_GONE), Answer())


def _make_taps(orders: Iterable[Order], tun_device: str, failures: Failures) -> None:
    for order in orders:
        if order["kind"] != "tun" or order["verb"] == "change":
            continue
        try:
            taps.make(tun_device, _checked(order["name"]), bool(order["fields"].get("multi_queue")))
        except OSError as error:
            where = "" if error.errno == errno.EBUSY else f"{tun_device}: "
            failures[order["name"]] = (
                error.errno or errno.EIO,
                where + os.strerror(error.errno or 0),
            )


def _indexes(orders: Sequence[Order], failures: Failures) -> dict[str, int]:
    """The device of each order: the one that was found, or that we make, and no other.

    Never by name: it may have a new bearer by now, or be a NIC's altname. New devices get indexes
    of our choice, so that a later message of the same send can name one that an earlier one makes.
    """
    start = random.randrange(1 << 24, 1 << 30)
    indexes = {o["name"]: o["index"] or start + i for i, o in enumerate(orders)}
    for i, order in enumerate(orders):
        if order["kind"] == "tun" and order["verb"] != "change":
            made = order["name"] not in failures
            indexes[order["name"]] = _index(order["name"], {}) if made else 0
        elif order["verb"] == "remake":
            indexes[order["name"]] = start + i
    return indexes


def _configuration(
    orders: Sequence[Order], indexes: dict[str, int]
) -> list[tuple[str, LinkRequest]]:
    """All of the plan but sysctls and "up", masters first."""
    new = {o["name"]: o for o in orders if o["verb"] != "change" and o["kind"] != "tun"}
    creations = [
        (order["name"], _creation(order, indexes))
        for order in sorted(new.values(), key=lambda o: str(o["kind"]) != "bridge")
        if not _made_by_peer(order, new)
    ]
    settings = [
        (order["name"], request)
        for order in orders
        if indexes[order["name"]]
        for request in _settings(order, indexes)
    ]
    return [*creations, *settings]


def _made_by_peer(order: Order, new: Collection[str]) -> bool:
    """One message makes both ends of a veth pair."""
    peer = order["fields"].get("peer", "")
    return order["kind"] == "veth" and peer in new and peer < order["name"]


def _creation(order: Order, chosen: dict[str, int]) -> LinkRequest:
    """The least that makes the device; the kernel takes no alias here, ``_settings`` does."""
    kind, fields = order["kind"], order["fields"]
    info = text(iflink.INFO_KIND, kind)
    attributes = text(iflink.IFNAME, _checked(order["name"])) + _mtu(fields)
    if kind == "bridge":
        info += raw(iflink.INFO_DATA, _bridge_data(fields))
    elif kind == "veth":
        info += raw(iflink.INFO_DATA, raw(iflink.VETH_INFO_PEER, _peer_end(fields, chosen)))
    elif kind == "vlan":
        info += raw(iflink.INFO_DATA, number(iflink.VLAN_ID, fields["vid"], 2))
        attributes += number(iflink.LINK, _index(fields["parent"], chosen))
    attributes += raw(iflink.LINKINFO, info)
    return LinkRequest(NEW, attributes, chosen[order["name"]])


def _peer_end(fields: dict[str, Any], chosen: dict[str, int]) -> bytes:
    name = _checked(fields["peer"])
    interface = LinkRequest(NEW, index=chosen.get(name, 0)).interface()
    return interface + text(iflink.IFNAME, name) + _mtu(fields)


def _blame_masters(orders: Iterable[Order], failures: Failures) -> None:
    """What fails for want of its bridge, made in this same send, fails as the bridge did."""
    for order in orders:
        master = order["fields"].get("master")
        if order["name"] in failures and master in failures:
            failures[order["name"]] = failures[master]


def _raise(index: int) -> LinkRequest:
    return LinkRequest(SET, index=index, flags=iflink.UP, change=iflink.UP)


def _settings(order: Order, indexes: dict[str, int]) -> Iterator[LinkRequest]:
    """All but "up", which comes after the sysctls.

    The stamp of a new tap by itself and first: if the rest is refused, the tap can be removed.
    STP too: while it is on, the kernel takes no forward delay below 2 s.
    """
    index, fields = indexes[order["name"]], order["fields"]
    changes = order["verb"] == "change"
    stamp = text(iflink.IFALIAS, order["alias"])
    if order["kind"] == "tun" and not changes:
        yield LinkRequest(SET, stamp, index)
    if changes and "stp" in fields:
        yield LinkRequest(SET, _bridge_info({"stp": fields["stp"]}), index)
    attributes = _mtu(fields) + stamp + (_bridge_info(fields) if changes else b"")
    if "mac" in fields:
        attributes += raw(iflink.ADDRESS, bytes.fromhex(fields["mac"].replace(":", "")))
    if "master" in fields:
        attributes += number(iflink.MASTER, _index(fields["master"], indexes))
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


def _index(name: str, chosen: dict[str, int]) -> int:
    """For an unknown name an index that no device has: the kernel then answers ENODEV."""
    if name in chosen or not name:
        return chosen.get(name, 0)
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0x7FFFFFFE


def _send(netlink: Socket, requests: Sequence[tuple[str, LinkRequest]], failures: Failures) -> None:
    """The first failure of a device is the one to tell: those after it follow from it."""
    answers = netlink.ask([request for _, request in requests])
    for (name, _), answer in zip(requests, answers, strict=True):
        if answer.errno:
            failures.setdefault(name, (answer.errno, answer.text))


def _write_sysctls(order: Order, failures: Failures) -> None:
    for field, family in _SYSCTLS.items():
        if field not in order["fields"]:
            continue
        path = Path("/proc/sys/net", family, "conf", _checked(order["name"]), field)
        if not path.parent.exists():
            continue  # the family is not on this device at all (IPv6 below an MTU of 1280)
        try:
            path.write_text(str(int(order["fields"][field])))
        except OSError as error:
            text = f"{path}: {os.strerror(error.errno or 0)}"
            failures.setdefault(order["name"], (error.errno or errno.EIO, text))


def _checked(name: str) -> str:
    """This side trusts nobody: a name becomes part of a path."""
    if not DEVICE_NAME.match(name):
        raise ValueError(f"not a device name: {name!r}")
    return name
