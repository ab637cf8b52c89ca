"""What netlink tells of one family in this namespace, read without pyroute2 or a parser of the
agent's: a witness should not share one with what it watches."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

HEADER = struct.Struct("=IHHII")
ATTRIBUTE = struct.Struct("=HH")
LONGEST = 1 << 16
SO_RCVBUFFORCE = 33
ROOM = 32 << 20  # bytes in the kernel; a link's message is some 1.5 kB, thousands must fit

_T = TypeVar("_T")


class NetlinkListener(Generic[_T]):
    """Collects from the moment it is made, in the namespace of the thread that makes it. ``lost``:
    what is read where the kernel had to drop events."""

    def __init__(self, protocol: int, groups: int, lost: _T) -> None:
        self._lost = lost
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
        self._socket.bind((0, groups))

    def read(self) -> list[_T]:
        """What has come since the last read, without waiting."""
        found: list[_T] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found += self._receive()
        return found

    def close(self) -> None:
        """What has not been read is lost."""
        self._socket.close()

    def events_of(self, kind: int, body: bytes) -> Iterable[_T]:
        """What a message tells, if anything."""
        raise NotImplementedError

    def _receive(self) -> list[_T]:
        try:
            data = self._socket.recv(LONGEST)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            return [self._lost]
        return [event for kind, body in messages(data) for event in self.events_of(kind, body)]


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and body of each."""
    while len(data) >= HEADER.size:
        length, kind, *_ = HEADER.unpack_from(data)
        yield kind, data[HEADER.size : length]
        data = data[_aligned(length) :]


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind, with its flags, and value of each."""
    while len(data) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(data)
        yield kind, data[ATTRIBUTE.size : length]
        data = data[_aligned(length) :]


def _aligned(length: int) -> int:
    """To the next multiple of four; never zero, or a broken message would hold us for ever."""
    return max(length + 3 & ~3, 4)
