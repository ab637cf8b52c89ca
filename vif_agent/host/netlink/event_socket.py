"""The socket by which the kernel tells of links that have changed, of their addresses and peers.

It takes no capability to listen; but only who has CAP_NET_ADMIN gets more room for what is sent and
not yet read than net.core.rmem_max allows (208 KiB by default, which is 40 ports made at once). So
it is opened before the capabilities are dropped.
"""

import ctypes
import socket
import struct
from collections.abc import Iterator

from pyroute2.netlink.rtnl import RTM_NEWNEIGH

from vif_agent.host.netlink.sockets import HearingSocket

_GROUPS = 0x1 | 0x4 | 0x10 | 0x100  # RTMGRP_LINK, _NEIGH, _IPV4_IFADDR, _IPV6_IFADDR
#: taken only as far as it is needed
ROOM = 32 << 20
_ONE_TIME = 1 << 16  # a message about a link has 1.5 KB, or some more with many alternative names

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
_HEADER = struct.Struct("=IH10x").unpack_from  # struct nlmsghdr


class Events(HearingSocket):
    """Opened at once, heard from ``listen`` on. ``room``: bytes for what is not yet heard."""

    def __init__(self, room: int = ROOM) -> None:
        super().__init__(socket.NETLINK_ROUTE, room)
        self._one = memoryview(bytearray(_ONE_TIME))  # to make it anew costs more than to fill it

    def listen(self) -> None:
        """From here on nothing is missed."""
        self.begin()
        _attach(self.raw)
        self.raw.bind((0, _GROUPS))

    def take(self) -> Iterator[tuple[int, bytes]]:
        """What was sent since the last time: kind and body of each message. OSError (ENOBUFS): some
        of it is lost; what is sent after that comes with the next call."""
        room = self._one
        while True:
            try:
                self.raw.recv_into(room)
            except BlockingIOError:
                return
            length, kind = _HEADER(room)
            yield kind, bytes(room[16:length])  # the kernel tells one thing at a time


def _attach(listener: socket.socket) -> None:
    program = b"".join(struct.pack("=HBBI", *instruction) for instruction in _FILTER)
    held = ctypes.create_string_buffer(program)
    described = struct.pack("HP", len(_FILTER), ctypes.addressof(held))  # struct sock_fprog
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)
