"""Real Ethernet frames, in and out of a tap as a guest does it or of any device by name."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import socket
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Self

TUNSETIFF = 0x400454CA
TUNGETVNETHDRSZ = 0x800454D7
IFF_TAP = 0x0002
IFF_MULTI_QUEUE = 0x0100
IFF_NO_PI = 0x1000
IFF_VNET_HDR = 0x4000

ETH_P_ALL = 0x0003
EXPERIMENTAL = 0x88B5  # IEEE 802 "local experimental": no stack answers it
BROADCAST = "ff:ff:ff:ff:ff:ff"
SHORTEST = 60  # bytes, without the checksum
LONGEST = 65536 + 64
DOWN = (errno.EIO, errno.ENETDOWN)  # a tap says the one, a packet socket the other


@contextlib.contextmanager
def tolerating(*numbers: int) -> Iterator[None]:
    """These errnos, and no others, count as done."""
    try:
        yield
    except OSError as error:
        if error.errno not in numbers:
            raise


def frame(
    source_mac: str, destination_mac: str, payload: bytes, ethertype: int = EXPERIMENTAL
) -> bytes:
    """An Ethernet frame, filled up to the shortest there is."""
    addresses = bytes.fromhex((destination_mac + source_mac).replace(":", ""))
    return (addresses + struct.pack("!H", ethertype) + payload).ljust(SHORTEST, b"\0")


class End(ABC):
    """One place where frames go in and come out. Works in the namespace it was made in."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @abstractmethod
    def send(self, frame: bytes) -> None:
        """Returns when the kernel has taken it."""

    @abstractmethod
    def _read(self) -> bytes:
        """One frame that has come in; empty for one that is none of ours."""

    def receive(self, match: bytes, timeout: float) -> bytes | None:
        """The first frame that contains `match`; others (IPv6 neighbour discovery) are skipped."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._fd], [], [], left)[0]:
                data = self._read()
                if data and match in data:
                    return data
        return None

    def close(self) -> None:
        """Again and again is well."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class TapEnd(End):
    """The guest's side of an existing persistent tap, which has a carrier while this is open.

    `multi_queue` must be as the tap was made, or the kernel refuses (EINVAL); `vnet_hdr` the kernel
    changes to whatever the last one to attach says.
    """

    def __init__(
        self,
        name: str,
        tun_device: str | os.PathLike[str] = "/dev/net/tun",
        multi_queue: bool = False,
        vnet_hdr: bool = False,
    ) -> None:
        socket.if_nametoindex(name)  # else the kernel would make a new tap of that name
        super().__init__(os.open(tun_device, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK))
        flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE * multi_queue | IFF_VNET_HDR * vnet_hdr
        try:
            fcntl.ioctl(self._fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
            self._header = self._header_length() if vnet_hdr else 0
        except BaseException:
            self.close()
            raise

    def _header_length(self) -> int:
        """10, or 12 where somebody asked for merged receive buffers."""
        (length,) = struct.unpack("i", fcntl.ioctl(self._fd, TUNGETVNETHDRSZ, bytes(4)))
        return int(length)

    def send(self, frame: bytes) -> None:
        """As a guest does."""
        os.write(self._fd, bytes(self._header) + frame)

    def _read(self) -> bytes:
        with tolerating(errno.EAGAIN):
            return os.read(self._fd, LONGEST)[self._header :]
        return b""


class PacketEnd(End):
    """A device by name, through an AF_PACKET socket: for the far end of a veth pair, or to listen.

    Sees what comes in and, with `outgoing`, what the host sends out through the device. The kernel
    takes a VLAN tag off before a packet socket sees the frame.
    """

    def __init__(self, name: str, outgoing: bool = False) -> None:
        self._socket = socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(ETH_P_ALL)
        )
        self._outgoing = outgoing
        super().__init__(self._socket.fileno())
        try:
            self._socket.bind((name, ETH_P_ALL))
        except BaseException:
            self.close()
            raise

    def send(self, frame: bytes) -> None:
        """As from the device itself."""
        self._socket.send(frame)

    def _read(self) -> bytes:
        with tolerating(errno.EAGAIN, errno.ENETDOWN):
            data, address = self._socket.recvfrom(LONGEST)
            if self._outgoing or address[2] != socket.PACKET_OUTGOING:
                return data
        return b""

    def close(self) -> None:
        """See End."""
        self._socket.close()


def crosses(
    a: End, b: End, timeout: float = 20, source_mac: str = "02:00:00:00:00:01", again: float = 0.05
) -> bool:
    """Whether a broadcast sent at `a` arrives at `b`; sent anew every `again` seconds, for a port
    just plugged may need a moment, or be still down. A False costs the whole `timeout`.

    One just unplugged needs a moment too: see stops_crossing().
    """
    mark = os.urandom(16)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        with tolerating(*DOWN):
            a.send(frame(source_mac, BROADCAST, mark))
        if b.receive(mark, again):
            return True
    return False


def stops_crossing(a: End, b: End, timeout: float = 20) -> bool:
    """Whether `b` comes to hear nothing of `a`.

    Open vSwitch forwards by its flow cache for a moment after a port has changed (seen: 3 ms;
    max-revalidator allows 500), so one look right after proves nothing.
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not crosses(a, b, timeout=0.2):
            return True
    return False
