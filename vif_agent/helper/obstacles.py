"""What is in the way of making a link, where the kernel's own words do not name it."""

import errno
import ipaddress
from collections.abc import Iterator, Sequence
from pathlib import Path

from vif_agent.helper.orders import Failures, Order, index_of
from vif_agent.host.netlink import decode, iflink
from vif_agent.host.netlink.rtnetlink import GET, LinkRequest, Socket, number, raw, text

#: of a tunnel: Ethernet, VXLAN, UDP and IPv4 or IPv6 headers (include/net/vxlan.h)
_ROOM = {4: 50, 6: 70}
_SOCKETS = ("udp", "udp6")


def too_large(netlink: Socket, orders: Sequence[Order], failures: Failures) -> list[Order]:
    """The orders without those whose MTU does not fit what they stand on, which fail so."""
    for order in orders:
        below, room = _below(netlink, order)
        if below and order["fields"].get("mtu", 0) > below["mtu"] - room:
            takes = f", and a tunnel takes {room} of it" if room else ""
            said = f"MTU {order['fields']['mtu']} does not fit: {below['name']} has {below['mtu']}"
            failures[order["name"]] = (errno.EMSGSIZE, said + takes)
    return [order for order in orders if order["name"] not in failures]


def _below(netlink: Socket, order: Order) -> tuple[decode.Raw | None, int]:
    """What it stands on, and how much of its MTU is needed besides."""
    fields = order["fields"]
    if order["kind"] not in ("vlan", "vxlan") or "mtu" not in fields:
        return None, 0
    if order["verb"] == "change":
        own = _link(netlink, order["index"])
        fields = {"below": own["link"], **own["data"]} if own else {}
    elif order["kind"] == "vlan":
        fields = {"below": index_of(fields["parent"], {})}
    room = _ROOM[ipaddress.ip_address(fields["group"]).version] if fields.get("group") else 0
    return _link(netlink, fields.get("below", 0)), room


def _link(netlink: Socket, index: int) -> decode.Raw | None:
    answers = netlink.ask([LinkRequest(GET, index=index)]) if index else []
    return next((decode.link(body) for answer in answers for body in answer.links), None)


def named(netlink: Socket, orders: Sequence[Order], failures: Failures) -> None:
    """Put into the failures' words who has what the kernel says is taken, or full."""
    for order in orders:
        if failure := failures.get(order["name"]):
            said = _said(netlink, order, *failure)
            failures[order["name"]] = (failure[0], said or failure[1])


def _said(netlink: Socket, order: Order, code: int, words: str) -> str:
    fields = order["fields"]
    if order["kind"] == "vxlan" and code in (errno.EEXIST, errno.EADDRINUSE):
        holder = next(_holders(netlink, order, fields), "")
        return f"{words}: {holder}" if holder else ""
    if code == errno.EXFULL and fields.get("master"):
        count = len(_members(netlink, fields["master"]))
        return f"the bridge {fields['master']} is full: it has {count} ports"
    return ""


def _holders(netlink: Socket, order: Order, fields: dict[str, object]) -> Iterator[str]:
    vni, port = fields.get("vni"), fields.get("port")
    kind = raw(iflink.LINKINFO, text(iflink.INFO_KIND, "vxlan"))
    for link in map(decode.link, netlink.dump(kind)):
        data, other = link["data"], link["name"] != order["name"]
        if other and data["port"] == port and data["vni"] == vni:
            yield f"VNI {vni} on UDP port {port} is that of {link['name']}"
        elif other and data["port"] == port and data["external"]:
            yield f"UDP port {port} is that of {link['name']}, for every VNI"
    for where in _SOCKETS:
        for owner in _bound(where, int(str(port))):
            yield f"UDP port {port} is that of a program of user {owner}"


def _bound(where: str, port: int) -> Iterator[str]:
    """proc_net_udp(5): the second field is the local address and port, the eighth the user."""
    lines = Path("/proc/thread-self/net", where).read_text().splitlines()[1:]
    fields = (line.split() for line in lines)
    return (f[7] for f in fields if int(f[1].rpartition(":")[2], 16) == port)


def _members(netlink: Socket, bridge: str) -> list[bytes]:
    return netlink.dump(number(iflink.MASTER, index_of(bridge, {})))
