"""Runs in the guest: sends and hears frames, as the guests of that host do.

One process for all, for Python takes long to start there. Asked by the virtio port vm.probe: a
JSON list, a method and its arguments, and a NUL; answers so. An end is ["tap", NAME],
["queues", NAME] (a tap with several), ["macvtap", NAME] or ["device", NAME].
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

from vif_agent.testing import frames

EVERY = 0.05  # seconds

EndName = Sequence[str]


class MacvtapEnd(frames.End):
    """The guest's side of a macvtap: a character device of its own."""

    def __init__(self, name: str) -> None:
        device = f"/dev/tap{socket.if_nametoindex(name)}"
        super().__init__(os.open(device, os.O_RDWR | os.O_NONBLOCK))
        flags = frames.IFF_TAP | frames.IFF_NO_PI
        fcntl.ioctl(self._fd, frames.TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))

    def send(self, frame: bytes) -> None:
        os.write(self._fd, frame)

    def _read(self) -> bytes:
        with contextlib.suppress(BlockingIOError):
            return os.read(self._fd, frames.LONGEST)
        return b""


KINDS: dict[str, Callable[[str], frames.End]] = {
    "tap": frames.TapEnd,
    "queues": lambda name: frames.TapEnd(name, multi_queue=True),
    "macvtap": MacvtapEnd,
    "device": frames.PacketEnd,
}


class Probe:
    def __init__(self) -> None:
        self._held: dict[str, frames.End] = {}

    def hold(self, *ends: EndName) -> None:
        """As guests that run: until let go."""
        for kind, name in ends:
            if name not in self._held:
                self._held[name] = KINDS[kind](name)

    def release(self) -> None:
        """All of them."""
        while self._held:
            self._held.popitem()[1].close()

    def crosses(self, one: EndName, other: EndName, source: str, timeout: float) -> bool:
        """A frame from one to the other."""
        self.hold(one, other)
        ends = self._held[one[1]], self._held[other[1]]
        return frames.crosses(*ends, timeout=timeout, source_mac=source)

    def shout(self, end: EndName, source: str, mark: str, seconds: float) -> None:
        """A broadcast, again and again."""
        self.hold(end)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with frames.tolerating(*frames.DOWN):
                frame = frames.frame(source, frames.BROADCAST, bytes.fromhex(mark))
                self._held[end[1]].send(frame)
            time.sleep(EVERY)

    def hears(self, end: EndName, mark: str, timeout: float) -> bool:
        self.hold(end)
        return bool(self._held[end[1]].receive(bytes.fromhex(mark), timeout))


def main() -> None:
    probe = Probe()
    with open("/dev/virtio-ports/vm.probe", "r+b", buffering=0) as line:
        asked = b""
        while data := line.read(65536):
            *whole, asked = (asked + data).split(b"\0")
            for one in whole:
                method, *arguments = json.loads(one)
                try:
                    answer: Any = getattr(probe, method)(*arguments)
                except Exception as error:
                    answer = {"error": repr(error)}
                line.write(json.dumps(answer).encode() + b"\0")


if __name__ == "__main__":
    main()
