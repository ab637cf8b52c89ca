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
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from oslo_privsep import capabilities, priv_context

from vif_agent.errors import HelperGone
from vif_agent.host import read, taps
from vif_agent.host.netlink import DELETE, GET, NEW, SET, SKIP_STATS, Answer, LinkRequest, Socket
from vif_agent.vif import DEVICE_NAME

context = priv_context.PrivContext(
    "vif_agent",
    cfg_section="vif_agent_privileged",
    pypath=f"{__name__}.context",
    capabilities=[capabilities.CAP_NET_ADMIN],
)

Order = dict[str, Any]
#: name to (errno, text) of what failed
Failures = dict[str, tuple[int, str]]

_UP, _PROMISC = 0x1, 0x100
_SYSCTLS = {"disable_ipv6": "ipv6", "arp_ignore": "ipv4", "arp_announce": "ipv4"}
_BRIDGE_DATA = {
    "forward_delay": ("IFLA_BR_FORWARD_DELAY", 100),
    "ageing": ("IFLA_BR_AGEING_TIME", 100),
    "stp": ("IFLA_BR_STP_STATE", 1),
    "mcast_snooping": ("IFLA_BR_MCAST_SNOOPING", 1),
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
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


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
            return [read.link(body) for body in netlink.dump(SKIP_STATS)]
        found = _get(netlink, [LinkRequest(GET, SKIP_STATS, ("IFLA_IFNAME", n)) for n in names])
        beyond = {raw[k] for raw in found.values() for k in ("master", "link")} - {0, *found}
        found |= _get(netlink, [LinkRequest(GET, SKIP_STATS, index=i) for i in sorted(beyond)])
        for raw in [r for r in found.values() if r["name"] in members_of]:
            for body in netlink.dump(("IFLA_MASTER", raw["index"])):
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
        _send(netlink, _configuration(orders), failures)
        for order in orders:
            if order["name"] not in failures:
                _write_sysctls(order, failures)
        ups = [(o["name"], _set(o, flags=_UP, change=_UP)) for o in orders if o["fields"].get("up")]
        _send(netlink, [(name, r) for name, r in ups if name not in failures], failures)
    return failures


@context.entrypoint
def shrink(indexes: Sequence[int]) -> tuple[int, str]:
    """Remove links by index (a name may have a new bearer by now). Answers (errno, text)."""
    with Socket() as netlink:
        answer = _remove(netlink, indexes)
    return (answer.errno, answer.text)


def _get(netlink: Socket, requests: Sequence[LinkRequest]) -> dict[int, read.Raw]:
    links = [read.link(body) for answer in netlink.ask(requests) for body in answer.links]
    return {raw["index"]: raw for raw in links}


def _remove(netlink: Socket, indexes: Sequence[int]) -> Answer:
    """Devices put into one link group go with one message, 3 to 100 times faster than singly.

    The group is a random number, so that nobody else's device is in it.
    """
    if not indexes:
        return Answer()
    group = ("IFLA_GROUP", random.randrange(1 << 24, 1 << 31))
    moves = [LinkRequest(SET, group, index=index) for index in indexes]
    *moved, removed = netlink.ask([*moves, LinkRequest(DELETE, group)])
    failed = [a for a in moved if a.errno not in (0, errno.ENODEV)]
    if removed.errno == errno.ENODEV:  # the group is empty: all were gone before
        removed.errno = 0
    return failed[0] if failed else removed


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


def _configuration(orders: Sequence[Order]) -> list[tuple[str, LinkRequest]]:
    """All of the plan but sysctls and "up", masters first; new devices get indexes of our choice.

    So a later message of the same send can name a device that an earlier one makes.
    """
    start = random.randrange(1 << 24, 1 << 30)
    new = [o for o in orders if o["verb"] != "change" and o["kind"] != "tun"]
    chosen = {order["name"]: start + i for i, order in enumerate(new)}
    creations = [
        (order["name"], _creation(order, chosen))
        for order in sorted(new, key=lambda o: str(o["kind"]) != "bridge")
        if not _made_by_peer(order, chosen)
    ]
    return [*creations, *((order["name"], _set(order, chosen)) for order in orders)]


def _made_by_peer(order: Order, chosen: dict[str, int]) -> bool:
    """One message makes both ends of a veth pair."""
    peer = order["fields"].get("peer", "")
    return order["kind"] == "veth" and peer in chosen and peer < order["name"]


def _creation(order: Order, chosen: dict[str, int]) -> LinkRequest:
    """The least that makes the device; the kernel takes no alias here, ``_set`` gives it."""
    kind, fields = order["kind"], order["fields"]
    info: list[tuple[str, Any]] = [("IFLA_INFO_KIND", kind)]
    attributes: list[tuple[str, Any]] = [("IFLA_IFNAME", _checked(order["name"]))]
    if fields.get("mtu"):
        attributes.append(("IFLA_MTU", fields["mtu"]))
    if kind == "bridge":
        info.append(("IFLA_INFO_DATA", {"attrs": _bridge_data(fields)}))
    elif kind == "veth":
        info.append(("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", _peer_end(order, chosen))]}))
    elif kind == "vlan":
        info.append(("IFLA_INFO_DATA", {"attrs": [("IFLA_VLAN_ID", fields["vid"])]}))
        attributes.append(("IFLA_LINK", _index(fields["parent"], chosen)))
    attributes.append(("IFLA_LINKINFO", {"attrs": info}))
    return LinkRequest(NEW, *attributes, index=chosen[order["name"]])


def _peer_end(order: Order, chosen: dict[str, int]) -> dict[str, Any]:
    name = _checked(order["fields"]["peer"])
    attributes: list[tuple[str, Any]] = [("IFLA_IFNAME", name)]
    if order["fields"].get("mtu"):
        attributes.append(("IFLA_MTU", order["fields"]["mtu"]))
    return {"index": chosen.get(name, 0), "flags": 0, "change": 0, "attrs": attributes}


def _set(
    order: Order, chosen: dict[str, int] | None = None, flags: int = 0, change: int = 0
) -> LinkRequest:
    """The settings of one device, by name; with ``flags`` given, those alone."""
    name: tuple[str, Any] = ("IFLA_IFNAME", _checked(order["name"]))
    if change:
        return LinkRequest(SET, name, flags=flags, change=change)
    fields, attributes = order["fields"], [name]
    if order["kind"] == "bridge" and (data := _bridge_data(fields)) and order["verb"] == "change":
        info = [("IFLA_INFO_KIND", "bridge"), ("IFLA_INFO_DATA", {"attrs": data})]
        attributes.append(("IFLA_LINKINFO", {"attrs": info}))
    if "mac" in fields:
        attributes.append(("IFLA_ADDRESS", fields["mac"]))
    if "mtu" in fields:
        attributes.append(("IFLA_MTU", fields["mtu"]))
    if order["alias"]:
        attributes.append(("IFLA_IFALIAS", order["alias"]))
    if "master" in fields:
        attributes.append(("IFLA_MASTER", _index(fields["master"], chosen or {})))
    for field, flag in (("promisc", _PROMISC), ("up", _UP)):
        if field in fields and not (field == "up" and fields[field]):
            change |= flag
            flags |= flag if fields[field] else 0
    return LinkRequest(SET, *attributes, flags=flags, change=change)


def _bridge_data(fields: dict[str, Any]) -> list[tuple[str, int]]:
    return [
        (attribute, int(fields[field]) * unit)
        for field, (attribute, unit) in _BRIDGE_DATA.items()
        if field in fields
    ]


def _index(name: str, chosen: dict[str, int]) -> int:
    """For an unknown name an index that no device has: the kernel then answers ENODEV."""
    if name in chosen:
        return chosen[name]
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
