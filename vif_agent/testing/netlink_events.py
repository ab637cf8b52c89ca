"""What the kernel says about links and addresses of this namespace, read without pyroute2: a
witness should not share a parser with what it watches."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from vif_agent.testing.netlink_listener import (
    HEADER,
    LONGEST,
    NetlinkListener,
    attributes,
    messages,
)

NETLINK_ROUTE = 0
GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
TYPES = {16: "RTM_NEWLINK", 17: "RTM_DELLINK", 20: "RTM_NEWADDR", 21: "RTM_DELADDR"}
IFLA_IFNAME = 3
RTM_GETLINK, NLM_F_REQUEST_DUMP, NLMSG_DONE = 18, 0x301, 3
#: of a link's message what changes by itself, or is long: statistics, timers of bridges, sysctls
RESTLESS = {7, 18, 23, 26}
LINK = struct.Struct("=BxHiII")
ADDRESS = struct.Struct("=BBBBI")


class NetlinkEvent(NamedTuple):
    """RTM_NEWLINK or RTM_DELLINK, and the name in it."""

    type: str
    ifname: str

    def __str__(self) -> str:
        return f"{self.type} {self.ifname}"


LOST = NetlinkEvent("LOST", "(the kernel dropped events: more came than its buffer holds)")


class NetlinkEvents(NetlinkListener[NetlinkEvent]):
    """``why``: of each link of which an event came, what its last message has that the one before
    had not: its flags, and attributes by their numbers (IFLA_…; 44 is the kernel's own word for
    the cause).
    """

    def __init__(self) -> None:
        self._names = dict(socket.if_nameindex())
        self.why: dict[str, str] = {}
        self._links: dict[tuple[int, int], dict[str, str]] = {}
        super().__init__(NETLINK_ROUTE, GROUPS, LOST)
        for body in _dumped():
            self._compare(body)

    def events_of(self, kind: int, body: bytes) -> Iterator[NetlinkEvent]:
        """Of links and addresses."""
        if kind in TYPES:
            yield self._event(TYPES[kind], body)

    def _event(self, kind: str, body: bytes) -> NetlinkEvent:
        if kind.endswith("ADDR"):
            *_, index = ADDRESS.unpack_from(body)
            return NetlinkEvent(kind, self._name(index))
        index = self._compare(body)
        for attribute, value in attributes(body[LINK.size :]):
            if attribute == IFLA_IFNAME:
                self._names[index] = value.rstrip(b"\0").decode()
        return NetlinkEvent(kind, self._name(index))

    def _compare(self, body: bytes) -> int:
        family, _, index, flags, _ = LINK.unpack_from(body)
        now = {"flags": hex(flags)}
        for kind, value in attributes(body[LINK.size :]):
            name = str(kind & 0x3FFF)
            now |= {} if kind & 0x3FFF in RESTLESS else {name: value.hex()}
        before = self._links.get((family, index), {})
        changes = [f"{k}: {before.get(k, '-')} -> {now.get(k, '-')}"
                for k in before.keys() | now.keys() if before.get(k) != now.get(k)]  # fmt: skip
        self._links[family, index] = now
        self.why[self._name(index)] = "; ".join(sorted(changes))[:1000]
        return int(index)

    def _name(self, index: int) -> str:
        return self._names.get(index, f"#{index}")


def _dumped() -> Iterator[bytes]:
    """Of all links, as they are now."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE) as asking:
        asking.settimeout(10)
        asking.bind((0, 0))
        length = HEADER.size + LINK.size
        asking.send(HEADER.pack(length, RTM_GETLINK, NLM_F_REQUEST_DUMP, 1, 0) + bytes(LINK.size))
        while True:
            for kind, body in messages(asking.recv(LONGEST)):
                if kind == NLMSG_DONE:
                    return
                yield body
