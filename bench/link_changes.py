"""Links that are no port's: changed by hand, and the events that the kernel tells of it."""

from __future__ import annotations

import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

NAME, OTHER_END = "foreign0", "foreign1"
AT_ONCE = 40  # changes; far fewer than fit into the buffer of whoever hears of them
PAUSE = 0.05  # seconds
_GROUP_LINK = 1
_LINK_MESSAGES = (16, 17)  # RTM_NEWLINK, RTM_DELLINK
_BUFFER = 64 << 20


class Events:
    """Counts the events of links since it was made."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33), _BUFFER)
        self._socket.bind((0, _GROUP_LINK))
        self._socket.setblocking(False)

    def close(self) -> int:
        """How many there were."""
        count = 0
        with self._socket, suppress(BlockingIOError):
            while True:
                count += _link_messages(self._socket.recv(1 << 17))
        return count


def _link_messages(data: bytes) -> int:
    count = offset = 0
    while offset < len(data):
        length, kind = struct.unpack_from("=IH", data, offset)
        count += kind in _LINK_MESSAGES
        offset += (length + 3) & ~3
    return count


@contextmanager
def foreign_link() -> Iterator[None]:
    """A veth pair of nobody."""
    _ip(f"link add {NAME} type veth peer name {OTHER_END}")
    try:
        yield
    finally:
        _ip(f"link del {NAME}")


def change(times: int) -> None:
    """Its MTU, to and fro, at a pace that no buffer is too small for."""
    for first in range(0, times, AT_ONCE):
        sizes = (1400 + n % 2 for n in range(first, min(first + AT_ONCE, times)))
        _ip("\n".join(f"link set {NAME} mtu {size}" for size in sizes))
        time.sleep(PAUSE)


def _ip(lines: str) -> None:
    subprocess.run(["ip", "-batch", "-"], input=lines, text=True, check=True)
