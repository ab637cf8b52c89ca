"""A NIC goes into its bridge with all that belongs to it, and comes back with it.

No step takes anything away before it is there at the other device, and no step is remembered: what
an interrupted move has left on a NIC that is in a bridge is there to be seen, and moves next time.
Steps, what is there when the helper dies after one, and who completes it:

into a bridge
1. our bridge gets the NIC's MAC and        nothing has moved. The next reconcile: the NIC is not
   sysctls                                  in its bridge, so all begins anew
2. the addresses are at the bridge too      on both; the NIC answers. The same
3. the NIC is in the bridge                 routes by the NIC lead nowhere: the host is cut off.
                                            The next reconcile, at the agent's start: in its
                                            bridge a NIC has addresses of its own (``addressed``)
4. neighbours, routes, rules are there too  the host is reached by the bridge; the NIC's are still
                                            there. The same
5. rules, routes, neighbours leave the NIC, some are still there. The same, for the addresses go
   and the addresses last                   last, and by them it is seen
6. a bridge in the stead of a lost one      part of it. Nobody: the helper alone knew what it was
   gets what that had (``lost_bridges``)

out of a bridge
1. addresses, neighbours, routes and rules  on both; the bridge answers. The next reconcile: the
   are at the NIC too                       NIC is still in the bridge, and goes out of it
2. rules, routes, neighbours leave it       the host is cut off until then. The same
3. the NIC has left                         it has all; the bridge has the addresses too
4. the bridge's addresses go                and stays with them, for no bridge goes that has
                                            addresses which no NIC takes back: by hand
"""

import errno
import struct
from collections.abc import Sequence
from pathlib import Path

from pyroute2.netlink import NLM_F_DUMP, NLM_F_REQUEST
from pyroute2.netlink.rtnl import RTM_GETNEIGH, RTM_GETROUTE, RTM_GETRULE

from vif_agent.host.netlink import addresses, decode, iflink
from vif_agent.host.netlink.rtnetlink import (
    GET,
    SET,
    Answer,
    LinkRequest,
    Message,
    NetlinkRequest,
    Socket,
    number,
    raw,
)
from vif_agent.host.nic_migration import lost_bridges
from vif_agent.host.nic_migration.network_state import (
    End,
    NetworkState,
    is_by_router,
    is_known,
    names_device,
)
from vif_agent.ownership import SHARED, owner_in_alias

_DUMP = NLM_F_REQUEST | NLM_F_DUMP
_FAMILIES = _INET, _INET6 = 2, 10
_RTA_OIF, _NDA_IFINDEX = 4, 8
_RTF_ADDRCONF = 0x40000  # include/uapi/linux/ipv6_route.h
#: not for a moment, so not to be tried again and again
_BUSY = "it is busy: a macvlan, macvtap or ipvlan device stands on it"
_WELL = (0, errno.EEXIST, errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL)

#: how the NIC takes in packets and configures itself, so that its bridge does it likewise. In an
#: order: forwarding changes what the kernel does with advertisements, and there is a mode of making
#: addresses that needs the secret
_SYSCTLS = (
    ("ipv4", "forwarding"),
    ("ipv4", "rp_filter"),
    ("ipv4", "accept_local"),
    ("ipv6", "forwarding"),
    ("ipv6", "accept_ra"),
    ("ipv6", "autoconf"),
    ("ipv6", "stable_secret"),
    ("ipv6", "addr_gen_mode"),
)


def move(netlink: Socket, nic: int, bridge: int) -> Answer:
    """Into this bridge, and out of the one it is in; 0: out of that one only.

    A bridge of ours takes the NIC's MAC for good: neighbours go on knowing the host by it.
    """
    device = _link(netlink, nic)
    current = device["master"]
    if current and current != bridge:
        answer = out_of_bridge(netlink, _end(device), _end(_link(netlink, current, "bridge")))
        if answer.errno or not bridge:
            return answer
    if not bridge:
        return Answer()
    target = _link(netlink, bridge, "bridge")
    if not target["up"]:  # no route goes by it: the host would be cut off
        raise OSError(errno.ENETDOWN, f"the bridge {target['name']} is down")
    ours = owner_in_alias(target["alias"]) == SHARED
    if ours:
        _behave_alike(device["name"], target["name"])
    if ours and target["mac"] != device["mac"]:  # even the same anew would flush its neighbours
        address = raw(iflink.ADDRESS, bytes.fromhex(device["mac"].replace(":", "")))
        netlink.ask([LinkRequest(SET, address, bridge)])
    heritage = lost_bridges.heritage(netlink, _end(device), _end(target)) if ours else None
    answer = into_bridge(netlink, _end(device), _end(target), joins=current != bridge)
    if heritage and not answer.errno:
        _write("ipv6", target["name"], "disable_ipv6", "0")
        answer = _until_one_fails(netlink, heritage)
    if ours and not answer.errno:
        remember(netlink, _end(target))
    return answer


def remember(netlink: Socket, bridge: End) -> None:
    """What the bridge has now, for the case that others delete it."""
    lost_bridges.keep(bridge, belonging_to(netlink, bridge))


def into_bridge(netlink: Socket, nic: End, bridge: End, joins: bool) -> Answer:
    """``joins``: it is not in this bridge yet, and if it cannot be it keeps what it has."""
    belongings = belonging_to(netlink, nic)
    if belongings.has_ipv6:
        _write("ipv6", bridge.name, "disable_ipv6", "0")
    joining = _until_one_fails(
        netlink, belongings.addresses_at(nic, bridge), [_into(nic, bridge.index)]
    )
    if joining.errno and joins:
        netlink.ask(belongings.no_addresses_at(nic, bridge))
    if joining.errno == errno.EBUSY:
        raise OSError(errno.EOPNOTSUPP, _BUSY)
    if joining.errno:
        return joining
    return _until_one_fails(
        netlink,
        belongings.ways_by(nic, bridge),
        [*belongings.no_ways_by(nic), *belongings.no_addresses_at(nic, nic)],
    )


def out_of_bridge(netlink: Socket, nic: End, bridge: End) -> Answer:
    """What the bridge has goes to the NIC, which leaves it; the first failure ends it."""
    belongings = belonging_to(netlink, bridge)
    lost_bridges.forget(bridge.name)
    return _until_one_fails(
        netlink,
        [*belongings.addresses_at(bridge, nic), *belongings.ways_by(bridge, nic)],
        belongings.no_ways_by(bridge),
        [_into(nic, 0)],
        belongings.no_addresses_at(bridge, bridge),
    )


def _link(netlink: Socket, index: int, kind: str | None = None) -> decode.Raw:
    (answer,) = netlink.ask([LinkRequest(GET, index=index)])
    if answer.errno:
        raise OSError(answer.errno, answer.text)
    link = decode.link(answer.links[0])
    if kind and link["kind"] != kind:
        raise OSError(errno.EOPNOTSUPP, f"{link['name']} is not a {kind}")
    return link


def _end(link: decode.Raw) -> End:
    return End(link["index"], link["name"])


def _into(nic: End, bridge: int) -> LinkRequest:
    return LinkRequest(SET, number(iflink.MASTER, bridge), nic.index)


def belonging_to(netlink: Socket, end: End) -> NetworkState:
    """Its addresses, neighbours, routes and rules, dumped with the filters that the kernel has."""
    routes = tuple(
        body
        for family in _FAMILIES
        for body in netlink.dump_of(_filtered(RTM_GETROUTE, family, _RTA_OIF, end.index))
    )
    return NetworkState(
        addresses=tuple(addresses.dump(netlink, end.index)),
        neighbours=tuple(
            body
            for family in _FAMILIES
            for body in netlink.dump_of(_filtered(RTM_GETNEIGH, family, _NDA_IFINDEX, end.index))
            if is_known(body)
        ),
        routes=routes,
        rules=tuple(
            body
            for family in _FAMILIES
            for body in netlink.dump_of(Message((RTM_GETRULE, _DUMP), _header(family)))
            if names_device(body, end.name)
        ),
        advertised=_advertised(end.name) if any(map(is_by_router, routes)) else frozenset(),
    )


def _advertised(device: str) -> frozenset[tuple[bytes, int, bytes, int]]:
    """Netlink does not tell them from what somebody else has made likewise (systemd-networkd)."""
    lines = Path("/proc/thread-self/net/ipv6_route").read_text().splitlines()
    return frozenset(
        (bytes.fromhex(to), int(length, 16), bytes.fromhex(gateway), int(metric, 16))
        for to, length, _, _, gateway, metric, _, _, flags, name in map(str.split, lines)
        if name == device and int(flags, 16) & _RTF_ADDRCONF
    )


def _until_one_fails(netlink: Socket, *sends: Sequence[NetlinkRequest]) -> Answer:
    """What is there already, or gone with something else by now, is well."""
    for requests in sends:
        for answer in netlink.ask(requests):
            if answer.errno not in _WELL:
                return answer
    return Answer()


def _filtered(kind: int, family: int, attribute: int, index: int) -> Message:
    return Message((kind, _DUMP), _header(family) + number(attribute, index))


def _header(family: int) -> bytes:
    """struct rtmsg, ndmsg and fib_rule_hdr alike: the family, and else nothing."""
    return struct.pack("=B11x", family)


def _behave_alike(nic: str, bridge: str) -> None:
    for family, name in _SYSCTLS:
        if value := _value_at(_sysctl(family, nic, name)):
            _write(family, bridge, name, value)


def _write(family: str, device: str, name: str, value: str) -> None:
    path = _sysctl(family, device, name)
    if path.exists() and _value_at(path) != value:
        path.write_text(value)


def _value_at(path: Path) -> str:
    """ "" where there is no such thing, or, as a secret may be, it is not set (EIO)."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _sysctl(family: str, device: str, name: str) -> Path:
    return Path("/proc/sys/net", family, "conf", device, name)
