"""What our netlink sockets have in common, of whatever family: how they are opened, what a datagram
holds, how a refusal reads, and how to wait for what the kernel tells by itself.
"""

import contextlib
import mmap
import os
import select
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import Self

from vif_agent.host.netlink.attributes import attributes

CAP_ACK, EXT_ACK = 10, 11
INTERRUPTED = 0x10

_SOL_NETLINK = 270
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_CAPPED, _HAS_TLVS = 0x100, 0x200
_HEADER = struct.Struct("=IHHII").unpack_from  # struct nlmsghdr

#: acks of one send all wait in the socket, and a lost one would be a lost error; a batch of guards
#: goes in one send, 6 MB for 10,000 ports
_BUFFER = 64 << 20
_ONE_ANSWER = 1 << 20


class AskingSocket:
    """For requests and their answers. Not for use by two threads at once.

    ``is_large``: has the kernel given all the room that was asked for? It takes CAP_NET_ADMIN.
    """

    def __init__(self, family: int, options: Sequence[int]) -> None:
        self.raw = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)
        for option in options:
            self.raw.setsockopt(_SOL_NETLINK, option, 1)
        self.is_large = True
        try:
            for option in (_SO_SNDBUFFORCE, _SO_RCVBUFFORCE):
                self.raw.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        except PermissionError:
            self.is_large = False
        self.raw.bind((0, 0))
        self._sequence = 0
        # pages, of which only those are taken that answers fill: recv() would take all each time
        self._room = memoryview(mmap.mmap(-1, _ONE_ANSWER, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))

    def receive(self, flags: int = 0) -> Iterator[tuple[int, int, int, int, bytes]]:
        """A datagram's messages: see ``unpacked``. ``flags`` of recv(2)."""
        return unpacked(bytes(self._room[: self.raw.recv_into(self._room, 0, flags)]))

    def close(self) -> None:
        """What has not been read is lost, and what it has held it holds no longer."""
        self.raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class HearingSocket:
    """For what the kernel tells by itself. ``room``: bytes for what is not yet heard; more than
    net.core.rmem_max only with CAP_NET_ADMIN."""

    def __init__(self, family: int, room: int) -> None:
        self.raw = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        with contextlib.suppress(PermissionError):
            self.raw.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, room)
        self.raw.setblocking(False)

    @property
    def room(self) -> int:
        """As the kernel counts it: twice what was asked for."""
        return self.raw.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    def begin(self) -> None:
        """Not in the constructor: the helper, forked meanwhile, would have this pair too."""
        self._waking, self._wake = socket.socketpair()

    def wait(self) -> bool:
        """Until there is something to take; False: ``end`` was called."""
        return self._waking not in select.select([self.raw, self._waking], [], [])[0]

    def end(self) -> None:
        """Whoever waits for events is woken."""
        self._wake.close()

    def close(self) -> None:
        """When nobody waits any more."""
        for one in (self._waking, self._wake, self.raw):
            one.close()


def unpacked(data: bytes) -> Iterator[tuple[int, int, int, int, bytes]]:
    """Of each message of a datagram kind, flags, sequence, port (of the socket that has caused it)
    and body, without its header."""
    offset = 0
    while offset < len(data):
        length, kind, flags, sequence, port = _HEADER(data, offset)
        yield kind, flags, sequence, port, data[offset + 16 : offset + length]
        offset += (length + 3) & ~3


def errno_of(body: bytes) -> int:
    """Of an acknowledgement, or of the end of a dump; 0: done."""
    return -int(struct.unpack_from("=i", body)[0])


def reason_of(flags: int, body: bytes) -> str:
    """The kernel's own words for a refusal; "" where it has none."""
    if not flags & _HAS_TLVS or not flags & _CAPPED:
        return ""
    return attributes(body, 20).get(1, b"").rstrip(b"\0").decode(errors="replace")


def refusal(code: int, reason: str) -> str:
    """In words."""
    return os.strerror(code) + (f" ({reason})" if reason else "")
