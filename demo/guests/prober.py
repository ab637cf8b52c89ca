"""A machine on the guests' networks that is no guest: it asks each of them, many times a second."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import struct
import threading
import time
from collections.abc import Iterable
from typing import Self

from demo.guests.host import TRUNK
from demo.guests.vifs import KINDS, PROBER
from vif_agent.testing.neutron.guest import Machine
from vif_agent.testing.neutron.wires import ip

INTERVAL = 0.01  # seconds
_JUST_NOW = 0.5  # seconds
_REQUEST, _REPLY = 8, 0


class Prober:
    """``longest_gap`` tells how long an address was silent."""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._machine = stack.enter_context(Machine("prober", "", "master", "physical"))
            ip("link", "add", "prober-2", "up", "master", TRUNK, "type", "veth",
               "peer", "name", "eth1", "netns", self._machine.namespace.path)  # fmt: skip
            stack.callback(ip, "link", "delete", "prober-2")
            self._machine.run("ip", "link", "set", "eth1", "up")
            for kind in KINDS:
                nic = "eth1" if kind.on_ovs else "eth0"
                self._machine.run("ip", "address", "add", f"{kind.address(PROBER)}/24", "dev", nic)
            with self._machine.namespace.entered():
                self._socket = stack.enter_context(
                    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
                )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def asking(self, addresses: Iterable[str]) -> Asking:
        return Asking(self._socket, addresses)


class Asking:
    """While it is entered."""

    def __init__(self, through: socket.socket, addresses: Iterable[str]) -> None:
        self._socket = through
        self.arrivals: dict[str, list[float]] = {address: [] for address in addresses}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def answers(self) -> bool:
        """Has each of them answered just now?"""
        now = time.monotonic()
        return all(times and now - times[-1] < _JUST_NOW for times in self.arrivals.values())

    def longest_gap(self, address: str) -> float:
        """Seconds between two answers that followed each other."""
        times = self.arrivals[address]
        return max((b - a for a, b in itertools.pairwise(times)), default=float("inf"))

    def _ask(self) -> None:
        number, due = 0, time.monotonic()
        while not self._over.is_set():
            number, due = number + 1, due + INTERVAL
            for address in self.arrivals:
                with contextlib.suppress(OSError):  # its MAC is not known: nobody has answered
                    self._socket.sendto(_echo(number), (address, 0))
            self._hear_until(due)

    def _hear_until(self, due: float) -> None:
        while (left := due - time.monotonic()) > 0:
            self._socket.settimeout(left)
            with contextlib.suppress(TimeoutError):
                data, (address, _) = self._socket.recvfrom(2048)
                if data[20] == _REPLY and address in self.arrivals:
                    self.arrivals[address].append(time.monotonic())


def _echo(number: int) -> bytes:
    identity = os.getpid() & 0xFFFF
    head = struct.pack("!BBHHH", _REQUEST, 0, 0, identity, number & 0xFFFF)
    total = sum(struct.unpack("!4H", head))
    total = (total >> 16) + (total & 0xFFFF)
    return struct.pack("!BBHHH", _REQUEST, 0, ~(total + (total >> 16)) & 0xFFFF,
                       identity, number & 0xFFFF)  # fmt: skip
