"""The kernel's own word of links that have changed, or whose addresses or tunnel's peers have.

Takes no capability.

Keys only: whoever is told looks at the link himself. A lost event costs nothing but a look at
everything.
"""

import contextlib
import ctypes
import errno
import logging
import select
import socket
import struct
import threading
from collections.abc import Iterator

from pyroute2.netlink.rtnl import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELNEIGH,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWNEIGH,
)

from vif_agent.host.netlink import addresses, iflink
from vif_agent.host.netlink.rtnetlink import DUMP, LinkRequest, attributes, each_attribute
from vif_agent.host.ovs.ovsdb import EVERYTHING, OnChange
from vif_agent.resources import ADDRESS, LINK, Key

LOG = logging.getLogger(__name__)

_GROUPS = 0x1 | 0x4 | 0x10 | 0x100  # RTMGRP_LINK, _NEIGH, _IPV4_IFADDR, _IPV6_IFADDR
_BUFFER = 4 << 20

_AF_BRIDGE = 7
_SO_ATTACH_FILTER = 26
_LOAD_BYTE, _AND, _IF_IS, _IF_HAS, _RETURN = 0x30, 0x54, 0x15, 0x45, 0x06
#: Of neighbours what a device is given for good: a tunnel's peers. What bridges and tunnels learn
#: and what ARP finds out is thousands a second, and is not even shown to us. (linux/filter.h: code,
#: how many to skip if so and if not, number. Offsets: struct nlmsghdr, and ndmsg after it.)
_FILTER = (
    (_LOAD_BYTE, 0, 0, 4),
    (_AND, 0, 0, 0xFE),
    (_IF_IS, 0, 7, RTM_NEWNEIGH),  # or RTM_DELNEIGH, the next one
    (_LOAD_BYTE, 0, 0, 16),
    (_IF_IS, 0, 4, 7),  # AF_BRIDGE
    (_LOAD_BYTE, 0, 0, 24),
    (_IF_HAS, 0, 2, 0x80),  # NUD_PERMANENT
    (_LOAD_BYTE, 0, 0, 26),
    (_IF_HAS, 1, 0, 0x02),  # NTF_SELF
    (_RETURN, 0, 0, 0),
    (_RETURN, 0, 0, 0xFFFFFFFF),
)


class LinkEvents:
    """``on_change`` is called on the watching thread, and must only take note."""

    def __init__(self, on_change: OnChange) -> None:
        self._on_change = on_change
        self._port = 0
        self._names: dict[int, frozenset[str]] = {}
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._waking, self._wake = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="link-watch", daemon=True)

    def start(self) -> None:
        """From here on no change is missed."""
        _attach(self._socket)
        self._socket.bind((0, _GROUPS))
        self._port = self._socket.getsockname()[0]
        self._socket.send(LinkRequest(DUMP).encode(sequence=1))
        self._thread.start()

    def stop(self) -> None:
        self._wake.close()
        self._thread.join()
        self._waking.close()
        self._socket.close()

    def _run(self) -> None:
        while self._waking not in select.select([self._socket, self._waking], [], [])[0]:
            try:
                keys = frozenset(self._changed(self._socket.recv(1 << 20)))
            except OSError as error:
                LOG.log(
                    logging.DEBUG if error.errno == errno.ENOBUFS else logging.WARNING,
                    "Link events lost, looking at everything: %s",
                    error,
                )
                self._on_change(EVERYTHING)
                continue
            if keys:  # the answer to our own question has none
                self._on_change(keys)

    def _changed(self, data: bytes) -> Iterator[Key]:
        """The links in these events, by all names that they have or had; and the addresses."""
        offset = 0
        while offset < len(data):
            length, kind, _, _, asker = struct.unpack_from("=IHHII", data, offset)
            if asker == self._port:  # the answer to our one question
                self._note(kind, data[offset + 16 : offset + length])
            elif kind in (RTM_NEWLINK, RTM_DELLINK):
                for name in self._names_of(kind, data[offset + 16 : offset + length]):
                    yield Key(LINK, name)
            elif kind in (RTM_NEWADDR, RTM_DELADDR, RTM_NEWNEIGH, RTM_DELNEIGH):
                yield from self._bearer(data[offset + 16 : offset + length])
            if kind in (RTM_NEWADDR, RTM_DELADDR):
                yield Key(ADDRESS, addresses.parsed(data[offset + 16 : offset + length]).text)
            offset += (length + 3) & ~3

    def _note(self, kind: int, body: bytes) -> None:
        """Who was there before the first event: an event may have told better by now."""
        if kind == RTM_NEWLINK:
            (index,) = struct.unpack_from("=i", body, 4)
            self._names.setdefault(index, _names(body))

    def _bearer(self, body: bytes) -> Iterator[Key]:
        """Who has the address, which may have to move to another device; or the peer."""
        (index,) = struct.unpack_from("=i", body, 4)
        with contextlib.suppress(OSError):  # gone by now
            names = self._names.get(index) or {socket.if_indextoname(index)}
            yield from (Key(LINK, name) for name in names)

    def _names_of(self, kind: int, body: bytes) -> frozenset[str]:
        (index,) = struct.unpack_from("=i", body, 4)
        names = _names(body)
        if body[0] == _AF_BRIDGE:  # of a bridge's port, told by one name; the device stays
            return names | self._names.get(index, names)
        before = self._names.pop(index, names)
        if kind == RTM_NEWLINK:
            self._names[index] = names
        return names | before


def _names(body: bytes) -> frozenset[str]:
    """Its name and its alternative ones: for the kernel one is as taken as the other."""
    found = attributes(body, 16)
    others = each_attribute(found.get(iflink.PROP_LIST, b""))
    names = [found.get(iflink.IFNAME, b""), *(n for kind, n in others if kind == iflink.ALT_IFNAME)]
    return frozenset(name.rstrip(b"\0").decode(errors="replace") for name in names)


def _attach(listener: socket.socket) -> None:
    program = b"".join(struct.pack("=HBBI", *instruction) for instruction in _FILTER)
    held = ctypes.create_string_buffer(program)
    described = struct.pack("HP", len(_FILTER), ctypes.addressof(held))  # struct sock_fprog
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)
