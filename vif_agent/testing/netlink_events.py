"""What the kernel says about links and addresses of this namespace, read without pyroute2: a
witness should not share a parser with what it watches."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

NETLINK_ROUTE = 0
GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
TYPES = {16: "RTM_NEWLINK", 17: "RTM_DELLINK", 20: "RTM_NEWADDR", 21: "RTM_DELADDR"}
IFLA_IFNAME = 3
SO_RCVBUFFORCE = 33
ROOM = 16 << 20  # bytes in the kernel; a link's message is some 1.5 kB, thousands must fit
LONGEST = 1 << 16
RTM_GETLINK, NLM_F_REQUEST_DUMP, NLMSG_DONE = 18, 0x301, 3
#: of a link's message what changes by itself, or is long: statistics, timers of bridges, sysctls
RESTLESS = {7, 18, 23, 26}
HEADER = struct.Struct("=IHHII")
LINK = struct.Struct("=BxHiII")
ADDRESS = struct.Struct("=BBBBI")
ATTRIBUTE = struct.Struct("=HH")


class NetlinkEvent(NamedTuple):
    """RTM_NEWLINK or RTM_DELLINK, and the name in it."""

    type: str
    ifname: str

    def __str__(self) -> str:
        return f"{self.type} {self.ifname}"


LOST = NetlinkEvent("LOST", "(the kernel dropped events: more came than its buffer holds)")


class NetlinkEvents:
    """Collects from the moment it is made, in the namespace of the thread that makes it.

    ``why``: of each link of which an event came, what its last message has that the one before had
    not: its flags, and attributes by their numbers (IFLA_…; 44 is the kernel's own word for the
    cause).
    """

    def __init__(self) -> None:
        self._names = dict(socket.if_nameindex())
        self.why: dict[str, str] = {}
        self._links: dict[tuple[int, int], dict[str, str]] = {}
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
        self._socket.bind((0, GROUPS))
        for body in _dumped():
            self._compare(body)

    def read(self) -> list[NetlinkEvent]:
        """What has come since the last read, without waiting."""
        found: list[NetlinkEvent] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found += self._receive()
        return found

    def close(self) -> None:
        """What has not been read is lost."""
        self._socket.close()

    def _receive(self) -> list[NetlinkEvent]:
        try:
            data = self._socket.recv(LONGEST)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            return [LOST]
        return [self._event(TYPES[kind], body) for kind, body in _messages(data) if kind in TYPES]

    def _event(self, kind: str, body: bytes) -> NetlinkEvent:
        if kind.endswith("ADDR"):
            *_, index = ADDRESS.unpack_from(body)
            return NetlinkEvent(kind, self._name(index))
        index = self._compare(body)
        for attribute, value in _attributes(body[LINK.size :]):
            if attribute == IFLA_IFNAME:
                self._names[index] = value.rstrip(b"\0").decode()
        return NetlinkEvent(kind, self._name(index))

    def _compare(self, body: bytes) -> int:
        family, _, index, flags, _ = LINK.unpack_from(body)
        now = {"flags": hex(flags)}
        for kind, value in _attributes(body[LINK.size :]):
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
            for kind, body in _messages(asking.recv(LONGEST)):
                if kind == NLMSG_DONE:
                    return
                yield body


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= HEADER.size:
        length, kind, *_ = HEADER.unpack_from(data)
        yield kind, data[HEADER.size : length]
        data = data[_aligned(length) :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(data)
        yield kind, data[ATTRIBUTE.size : length]
        data = data[_aligned(length) :]


def _aligned(length: int) -> int:
    """To the next multiple of four; never zero, or a broken message would hold us for ever."""
    return max(length + 3 & ~3, 4)
