"""Where a NIC of the guest leads to: its frames, byte by byte, in this process."""

from __future__ import annotations

import collections
import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from vif_agent.testing.frames import BROADCAST, EXPERIMENTAL, frame

_TAGGED = 0x8100
_KEPT = 10_000  # frames
_EVERY = 0.1  # seconds


class Wire:
    """``netdev``: for QEMU's command line, the other end of it."""

    def __init__(self, directory: Path, name: str) -> None:
        here, self._there = directory / f"{name}.here", directory / f"{name}.there"
        self.netdev = (
            f"dgram,id={name},local.type=unix,local.path={self._there}"
            f",remote.type=unix,remote.path={here}"
        )
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(here))
        self._heard: collections.deque[bytes] = collections.deque(maxlen=_KEPT)
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._socket.close()

    def _read(self) -> None:
        while data := self._socket.recv(65536):
            self._heard.append(data)

    def vlans(self, mark: bytes) -> set[int]:
        """In which VLANs a frame with this mark has come; 0: without a tag."""
        return {_vlan(data) for data in list(self._heard) if mark in data}

    @contextlib.contextmanager
    def shouting(self, mark: bytes, vlan: int) -> Iterator[None]:
        """A broadcast, again and again."""
        plain = frame("02:00:00:00:00:99", BROADCAST, mark, EXPERIMENTAL)
        data = plain[:12] + struct.pack("!HH", _TAGGED, vlan) + plain[12:] if vlan else plain
        over = threading.Event()
        thread = threading.Thread(target=self._shout, args=(data, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _shout(self, data: bytes, over: threading.Event) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):  # the guest is slow to take them
                self._socket.sendto(data, socket.MSG_DONTWAIT, str(self._there))
            time.sleep(_EVERY)


def mark() -> bytes:
    """To know a frame by."""
    return os.urandom(12)


def _vlan(data: bytes) -> int:
    kind, tag = struct.unpack("!HH", data[12:16])
    return tag & 0xFFF if kind == _TAGGED else 0
