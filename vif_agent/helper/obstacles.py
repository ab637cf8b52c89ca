"""What is in the way of making a link, where the kernel's own words do not name it."""

import errno
import ipaddress
from collections.abc import Iterator, Sequence
from pathlib import Path

from vif_agent.helper.messages import Indexes
from vif_agent.helper.orders import ChangeLink, CreateVlan, CreateVxlan, Failures, LinkOrder
from vif_agent.host.netlink import decode, iflink
from vif_agent.host.netlink.rtnetlink import GET, LinkRequest, Socket, number, raw, text

#: of a tunnel: Ethernet, VXLAN, UDP and IPv4 or IPv6 headers (include/net/vxlan.h)
_ROOM = {4: 50, 6: 70}
_SOCKETS = ("udp", "udp6")


def too_large(
    netlink: Socket, orders: Sequence[LinkOrder], indexes: Indexes, below: Indexes
) -> Failures:
    """Those of the orders whose MTU does not fit what they stand on."""
    failures: Failures = {}
    for order in orders:
        under, room = _below(netlink, order, indexes, below)
        if under and order.mtu and order.mtu > under["mtu"] - room:
            takes = f", and a tunnel takes {room} of it" if room else ""
            text = f"MTU {order.mtu} does not fit: {under['name']} has {under['mtu']}"
            failures[order.name] = (errno.EMSGSIZE, text + takes)
    return failures


def _below(
    netlink: Socket, order: LinkOrder, indexes: Indexes, below: Indexes
) -> tuple[decode.Raw | None, int]:
    """What it stands on, and how much of its MTU is needed besides."""
    if order.mtu is None:
        return None, 0
    if isinstance(order, CreateVlan):
        return _link(netlink, indexes.get(order.parent, 0)), 0
    if isinstance(order, CreateVxlan):
        return _link(netlink, below.get(order.name, 0)), _room(order.group)
    if not isinstance(order, ChangeLink):
        return None, 0
    own = _link(netlink, order.index)
    if own and own["kind"] == "vlan":
        return _link(netlink, own["link"]), 0
    if own and own["kind"] == "vxlan":
        return _link(netlink, own["data"]["below"]), _room(own["data"]["group"])
    return None, 0


def _room(group: str | None) -> int:
    return _ROOM[ipaddress.ip_address(group).version] if group else 0


def _link(netlink: Socket, index: int) -> decode.Raw | None:
    answers = netlink.ask([LinkRequest(GET, index=index)]) if index else []
    return next((decode.link(body) for answer in answers for body in answer.links), None)


def named(
    netlink: Socket, orders: Sequence[LinkOrder], indexes: Indexes, failures: Failures
) -> None:
    """Put into the failures' words who has what the kernel says is taken, or full."""
    for order in orders:
        if failure := failures.get(order.name):
            text = _text(netlink, order, indexes, *failure)
            failures[order.name] = (failure[0], text or failure[1])


def _text(netlink: Socket, order: LinkOrder, indexes: Indexes, code: int, words: str) -> str:
    if isinstance(order, CreateVxlan) and code in (errno.EEXIST, errno.EADDRINUSE):
        holder = next(_holders(netlink, order), "")
        return f"{words}: {holder}" if holder else ""
    if code == errno.EXFULL and order.master:
        count = len(netlink.dump(number(iflink.MASTER, indexes.get(order.master, 0))))
        return f"the bridge {order.master} is full: it has {count} ports"
    return ""


def _holders(netlink: Socket, order: CreateVxlan) -> Iterator[str]:
    vni, port = order.vni, order.port or 0
    kind = raw(iflink.LINKINFO, text(iflink.INFO_KIND, "vxlan"))
    for link in map(decode.link, netlink.dump(kind)):
        data, other = link["data"], link["name"] != order.name
        if other and data["port"] == port and data["vni"] == vni:
            yield f"VNI {vni} on UDP port {port} is that of {link['name']}"
        elif other and data["port"] == port and data["external"]:
            yield f"UDP port {port} is that of {link['name']}, for every VNI"
    for where in _SOCKETS:
        for owner in _bound(where, port):
            yield f"UDP port {port} is that of a program of user {owner}"


def _bound(where: str, port: int) -> Iterator[str]:
    """proc_net_udp(5): the second field is the local address and port, the eighth the user."""
    lines = Path("/proc/thread-self/net", where).read_text().splitlines()[1:]
    fields = (line.split() for line in lines)
    return (f[7] for f in fields if int(f[1].rpartition(":")[2], 16) == port)
