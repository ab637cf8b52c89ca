"""Network namespaces without forking `ip`: for one thread, or for a whole process."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 1
_OWN = "/proc/thread-self/ns/net"

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, call: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def _unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def _setns(fd: int) -> None:
    _check(_libc.setns(fd, CLONE_NEWNET), "setns")


def _mount(source: bytes | None, target: bytes, kind: bytes | None, flags: int) -> None:
    _check(_libc.mount(source, target, kind, ctypes.c_ulong(flags), None), "mount")


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = fcntl.ioctl(sock, SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0))
        _, flags = struct.unpack("16sH14x", request)
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


@contextlib.contextmanager
def fresh_netns() -> Iterator[None]:
    """The calling thread is in a new, empty namespace with `lo` up, and back in the old one after.

    Processes and threads started meanwhile inherit it; the kernel removes it, and every device in
    it, when the last of them is gone. /sys still shows the old namespace: see isolate_process().
    """
    with _coming_home():
        _unshare(CLONE_NEWNET)
        _loopback_up()
        yield


class Namespace:
    """A new, empty namespace to go to and come back to; it stays until it is closed."""

    def __init__(self) -> None:
        with fresh_netns():
            self._fd = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """As in fresh_netns(), for the calling thread and what it starts meanwhile."""
        with _coming_home():
            _setns(self._fd)
            yield

    @property
    def path(self) -> str:
        """For `ip link set DEVICE netns PATH`, while this process lives."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    def close(self) -> None:
        """What still runs in it keeps it."""
        os.close(self._fd)


@contextlib.contextmanager
def _coming_home() -> Iterator[None]:
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


def isolate_process() -> None:
    """This process, for good: a new network namespace and a /sys that shows it; `lo` up.

    Only the calling thread moves, hence an error if there is another one. A /sys that may not be
    mounted (a container) is left as it is: it then shows the devices of the old namespace. What
    was mounted below the old /sys, such as cgroups, is out of sight.
    """
    if len(os.listdir("/proc/self/task")) != 1:
        raise RuntimeError("isolate_process() must be called before any thread is started")
    _unshare(CLONE_NEWNET | CLONE_NEWNS)
    _mount(None, b"/", None, MS_REC | MS_PRIVATE)
    try:
        _mount(b"sysfs", b"/sys", b"sysfs", 0)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EBUSY):
            raise
    _loopback_up()


def bind_file(file: Path, over: Path) -> None:
    """In an isolated process, and what it starts: ``file`` is seen in the place of ``over``."""
    _mount(bytes(file), bytes(over), None, MS_BIND)
