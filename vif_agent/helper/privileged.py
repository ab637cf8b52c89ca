"""The privileged process: makes links, changes links and VFs, removes links. Nothing else.

What a NIC has of addresses and routes it takes along into its bridge. Reading takes no capability
(but for chains of the firewall), and is done without it.

oslo.privsep forks it before anything else starts; it keeps CAP_NET_ADMIN, the process that talks
to the bus keeps no capability. What crosses the channel is plain data.
"""

import ctypes
import errno
import mmap
import os
import random
import signal
import socket
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from oslo_privsep import capabilities, priv_context

from vif_agent.helper import ipv6, obstacles, renames, taps
from vif_agent.helper.calls import LIMIT_SECONDS, Helper
from vif_agent.helper.orders import (
    NO_DEVICE,
    Failures,
    Order,
    configuration,
    index_of,
    indexes_of,
    raise_link,
    tagging,
)
from vif_agent.helper.policy import TAPS, checked, is_ours
from vif_agent.host.netlink import addresses, decode, firewall, iflink, vf_messages, vxlan
from vif_agent.host.netlink.rtnetlink import (
    DELETE,
    GET,
    SET,
    Answer,
    LinkRequest,
    NetlinkRequest,
    Socket,
    number,
)
from vif_agent.host.nic_migration import migrate
from vif_agent.host.nic_migration.network_state import End
from vif_agent.ownership import SHARED, owner_in_alias
from vif_agent.resources import NO_MAC

context = priv_context.PrivContext(
    "vif_agent",
    cfg_section="vif_agent_privileged",
    pypath=f"{__name__}.context",
    capabilities=[capabilities.CAP_NET_ADMIN],
)

helper = Helper(context)

_SET_DUMPABLE = 4  # prctl(2)
_GONE_AT_ONCE = 32
#: done, or already gone: the device (moving it) or all of the group (removing it)
_WELL_GONE = (0, errno.ENODEV)

#: somebody may have taken the stamp off since it was seen: looked at again
_NOT_OURS = (errno.EAGAIN, "it carries no stamp of the agent's")

_NO_STATS = number(iflink.EXT_MASK, iflink.SKIP_STATS)
_SYSCTLS = {"disable_ipv6": "ipv6", "arp_ignore": "ipv4", "arp_announce": "ipv4"}


def start(tun_device: str, tap_owner: int | None = None, limit: float = LIMIT_SECONDS) -> None:
    """Fork the privileged process; this one keeps no capability from then on.

    The fork hook drops them before oslo.privsep starts its reader thread here: capabilities
    belong to threads, and a thread keeps those it was born with. ``limit``: seconds for one call.
    """
    TAPS.device, TAPS.owner = tun_device, tap_owner
    _keep_memory_private()
    number = mmap.mmap(-1, 4)  # shared: privsep does not tell what it has forked
    os.register_at_fork(
        after_in_parent=lambda: capabilities.drop_all_caps_except([], [], []),
        after_in_child=lambda: _begin(number),
    )
    context.start(priv_context.Method.FORK)
    helper.watch(int.from_bytes(number[:4], "little"), limit)


def _keep_memory_private() -> None:
    """Of both processes: others of this account (a plugin's process, a vendor's program) can
    neither trace them nor read what they hold, such as the broker's password. It passes to a fork
    and not to what is executed."""
    ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def _begin(number: mmap.mmap) -> None:
    """In the helper, which ends when the agent has: it reads the end of the channel."""
    number[:4] = os.getpid().to_bytes(4, "little")
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, signal.SIG_IGN)


@context.entrypoint
def remember_bridges(indexes: Sequence[int]) -> None:
    """Those of ours among these: what belongs to them, in case somebody deletes them."""
    with Socket() as netlink:
        for link in _by_index(netlink, indexes).values():
            if link["kind"] == "bridge" and owner_in_alias(link["alias"]) == SHARED:
                migrate.remember(netlink, End(link["index"], link["name"]))


@context.entrypoint
def dropping_chains(families: Sequence[int]) -> list[str]:
    """The firewall's base chains at FORWARD that drop what no rule of theirs lets pass."""
    return firewall.dropping(families)


@context.entrypoint
def create(orders: Sequence[Order]) -> Failures:
    """Make and change links: taps, then all else in one send, sysctls, and "up" in another; NICs
    into bridges come last, when these are up.

    Two sends, not one: the sysctls have no netlink form and must stand before a device comes up,
    else it answers ARP and takes an IPv6 address for a moment (Neutron fc8ebae035).
    """
    failures: Failures = {}
    with Socket() as netlink:
        orders = _with_devices_below(netlink, _with_masters(orders, failures), failures)
        given = orders = obstacles.too_large(netlink, orders, failures)
        renames.rename(netlink, orders, failures)
        _unmake(netlink, [o for o in orders if o["verb"] == "remake"], failures)
        orders = [order for order in orders if order["name"] not in failures]
        _make_taps(netlink, orders, failures)
        indexes = indexes_of(orders, failures)
        ipv6.lower(netlink, orders)
        _send(netlink, configuration(orders, indexes), failures)
        _blame_masters(orders, failures)
        _send_peers(netlink, orders, indexes, failures)
        for order in orders:
            if order["name"] not in failures:
                _write_sysctls(order, indexes[order["name"]], failures)
        ups = [o["name"] for o in orders if o["fields"].get("up") and o["name"] not in failures]
        _send(netlink, [(name, raise_link(indexes[name])) for name in ups], failures)
        _blame_masters(orders, failures)
        for order in orders:
            if order["kind"] == "nic" and order["name"] not in failures:
                _move(netlink, order, indexes, failures)
        obstacles.named(netlink, given, failures)
    return failures


@context.entrypoint
def delete(indexes: Sequence[int]) -> dict[int, tuple[int, str]]:
    """Remove links by index (a name may have a new bearer by now). Those that stay: why."""
    with Socket() as netlink:
        links = _by_index(netlink, indexes)
        foreign = {i: _NOT_OURS for i, link in links.items() if not is_ours(link)}
        return foreign | _remove(netlink, [i for i in indexes if i not in foreign])


@context.entrypoint
def change_vfs(orders: Sequence[Order]) -> Failures:
    """{name, index, number, fields} each: the card's index, its number for the VF."""
    failures: Failures = {}
    with Socket() as netlink:
        for order in orders:
            _change_vf(netlink, order, failures)
    return failures


def _change_vf(netlink: Socket, order: Order, failures: Failures) -> None:
    """The first refusal ends it."""
    target = order["index"], order["number"]
    for field, request in vf_messages.settings(*target, order["fields"]):
        (answer,) = netlink.ask([request])
        if answer.errno == errno.EINVAL and order["fields"].get(field) == NO_MAC:
            other = vf_messages.settings(*target, {"mac": vf_messages.OTHER_NO_MAC})
            (answer,) = netlink.ask([request for _, request in other])
        if answer.errno:
            failures[order["name"]] = (answer.errno, f"{field}: {answer.text}")
            return


def _by_index(netlink: Socket, indexes: Sequence[int]) -> dict[int, decode.Raw]:
    answers = netlink.ask([LinkRequest(GET, _NO_STATS, i) for i in indexes])
    links = [decode.link(body) for answer in answers for body in answer.links]
    return {link["index"]: link for link in links}


def _remove(netlink: Socket, indexes: Sequence[int]) -> dict[int, tuple[int, str]]:
    """Devices put into one link group go with one message, 3 to 100 times faster than singly.

    Some at a time: the kernel holds its one lock for links meanwhile, 19 ms for each bridge. If it
    refuses one device of a group, none goes: then one by one. Those that stay: why.
    """
    groups = [indexes[i : i + _GONE_AT_ONCE] for i in range(0, len(indexes), _GONE_AT_ONCE)]
    answers = iter(netlink.ask([r for group in groups for r in _removal_of(group)]))
    staying = [i for group in groups for i in _staying(group, islice(answers, len(group) + 1))]
    told = zip(staying, netlink.ask([LinkRequest(DELETE, index=i) for i in staying]), strict=True)
    return {i: (answer.errno, answer.text) for i, answer in told if answer.errno not in _WELL_GONE}


def _removal_of(indexes: Sequence[int]) -> Iterator[LinkRequest]:
    """The group is a random number, so that nobody else's device is in it."""
    group = number(iflink.GROUP, random.randrange(1 << 24, 1 << 31))
    yield from (LinkRequest(SET, group, i) for i in indexes)
    yield LinkRequest(DELETE, group)


def _staying(indexes: Sequence[int], answers: Iterable[Answer]) -> Iterable[int]:
    *joined, removed = answers
    if removed.errno not in _WELL_GONE:
        return indexes
    return [i for i, a in zip(indexes, joined, strict=True) if a.errno not in _WELL_GONE]


def _unmake(netlink: Socket, orders: Sequence[Order], failures: Failures) -> None:
    named = {order["index"]: order for order in orders}
    links = _by_index(netlink, list(named))
    foreign = {i: _NOT_OURS for i, link in links.items() if not is_ours(link, named[i]["alias"])}
    staying = foreign | _remove(netlink, [i for i in named if i not in foreign])
    failures |= {named[index]["name"]: told for index, told in staying.items()}


def _make_taps(netlink: Socket, orders: Iterable[Order], failures: Failures) -> None:
    """Each is stamped before it is made to last: a tap that nobody owns, nobody would remove."""
    for order in orders:
        if order["kind"] != "tun" or order["verb"] == "change":
            continue
        name, multi_queue = checked(order["name"]), bool(order["fields"].get("multi_queue"))
        try:
            with taps.creating(TAPS.device, name, multi_queue, TAPS.owner):
                (answer,) = netlink.ask([tagging(order, index_of(name, {}))])
                if answer.errno:
                    raise OSError(answer.errno, answer.text)
        except OSError as error:
            where = "" if error.errno == errno.EBUSY else f"{TAPS.device}: "
            failures[name] = (error.errno or errno.EIO, where + os.strerror(error.errno or 0))


def _with_masters(orders: Sequence[Order], failures: Failures) -> list[Order]:
    """What is to be in a bridge that is not there, nor made now, waits: the kernel would call it
    an invalid argument, as if it could never be."""
    made = {order["name"] for order in orders}
    for order in orders:
        master = order["fields"].get("master")
        if master and master not in made and index_of(master, {}) == NO_DEVICE:
            failures[order["name"]] = (errno.ENODEV, f"there is no {master}")
    return [order for order in orders if order["name"] not in failures]


def _with_devices_below(
    netlink: Socket, orders: Sequence[Order], failures: Failures
) -> list[Order]:
    """Tunnels of a group learn which device is below them; those whose address is nowhere fail."""
    new = [o for o in orders if o["kind"] == "vxlan" and o["verb"] != "change"]
    carried = addresses.dump(netlink) if new else []
    for order in new:
        fields = order["fields"]
        fields["below"] = addresses.at(carried, fields.get("local", ""))
        if fields.get("group") and not fields["below"]:
            said = f"no device carries {fields.get('local')}"
            failures[order["name"]] = (errno.ENODEV, said)
    return [order for order in orders if order["name"] not in failures]


def _move(netlink: Socket, order: Order, indexes: dict[str, int], failures: Failures) -> None:
    """Where its master has not changed, something that belongs to it has come back to it."""
    name, fields = order["name"], order["fields"]
    target = fields.get("master", fields.get("addressed"))
    if target is None:
        return
    bridge = index_of(target, indexes)
    try:
        answer = migrate.move(netlink, indexes[name], bridge)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        failures[name] = (error.errno or errno.EIO, f"{where}{error.strerror}")
    else:
        if answer.errno:
            failures[name] = (answer.errno, answer.text)


def _send_peers(
    netlink: Socket, orders: Iterable[Order], indexes: dict[str, int], failures: Failures
) -> None:
    for order in orders:
        name, wanted = order["name"], order["fields"].get("peers")
        if wanted is not None and name not in failures:
            present = vxlan.peers(netlink, indexes[name])
            changes = vxlan.changes_of_peers(indexes[name], wanted, present)
            _send(netlink, [(name, change) for change in changes], failures)


def _blame_masters(orders: Iterable[Order], failures: Failures) -> None:
    """What fails for want of its bridge, made in this same send, fails as the bridge did."""
    for order in orders:
        master = order["fields"].get("master")
        if order["name"] in failures and master in failures:
            failures[order["name"]] = failures[master]


def _send(
    netlink: Socket, requests: Sequence[tuple[str, NetlinkRequest]], failures: Failures
) -> None:
    """The first failure of a device is the one to tell: those after it follow from it."""
    answers = netlink.ask([request for _, request in requests])
    for (name, _), answer in zip(requests, answers, strict=True):
        if answer.errno:
            failures.setdefault(name, (answer.errno, answer.text))


def _write_sysctls(order: Order, index: int, failures: Failures) -> None:
    """Of the device that has this index, whatever the order calls it."""
    fields = [field for field in _SYSCTLS if field in order["fields"]]
    if not fields:
        return
    try:
        name = checked(socket.if_indextoname(index))
        for field in fields:
            directory = Path("/proc/sys/net", _SYSCTLS[field], "conf", name)
            if directory.exists():  # IPv6 is on no device with an MTU below 1280
                (directory / field).write_text(str(int(order["fields"][field])))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        text = where + os.strerror(error.errno or 0)
        failures.setdefault(order["name"], (error.errno or errno.EIO, text))
