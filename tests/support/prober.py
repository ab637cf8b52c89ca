"""A guest that pretends to be another, all the time, and who hears whether it gets through."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import threading
import time
from collections.abc import Callable

from tests.support.casting import Vif, wait_for
from vif_agent.testing.frames import BROADCAST, TapEnd, frame, tolerating

ARP = 0x0806


def with_addresses(vif: Vif, fixed: str, *more: str) -> Vif:
    subnet = {"ips": [{"address": fixed}]}
    meta = {"allowed_address_pairs": [{"ip_address": address} for address in more]}
    return {**vif, "network": {**vif["network"], "subnets": [subnet]}, "meta": meta}


def arp(mac: str, address: str) -> bytes:
    """Who has 10.0.0.250? tell ``address``; with a mark of its own at its end."""
    sender = bytes.fromhex(mac.replace(":", "")) + bytes(map(int, address.split(".")))
    return struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + sender + bytes(6) + bytes((10, 0, 0, 250))


class Prober:
    """A guest that says what it may, and pretends to be the other, all the time, whenever there is
    a tap to send by."""

    def __init__(self, sender: Vif, receiver: Vif) -> None:
        mac, other, self._mark = sender["address"], receiver["address"], os.urandom(16)
        self._own = frame(mac, BROADCAST, arp(mac, "10.0.0.1") + self._mark, ARP)
        self._spoofed = [
            frame(mac, BROADCAST, arp(mac, "10.0.0.2") + self._mark, ARP),
            frame(other, BROADCAST, arp(other, "10.0.0.1") + self._mark, ARP),
        ]
        self._over = threading.Event()
        self.sent = 0
        self.passed = 0
        self.arrived: list[bytes] = []
        self._threads = [
            threading.Thread(target=self._again, args=(vif["devname"], act))
            for vif, act in ((sender, self._send), (receiver, self._hear))
        ]

    def __enter__(self) -> Prober:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def is_heard(self) -> None:
        """Returns when a frame that may pass has passed."""
        before = self.passed
        wait_for(lambda: self.passed > before, "a frame of its own")

    def _again(self, tap: str, act: Callable[[TapEnd], None]) -> None:
        """For as long as the tap is there; it may be made anew."""
        while not self._over.is_set():
            with contextlib.suppress(OSError), TapEnd(tap) as end:
                index = socket.if_nametoindex(tap)
                while not self._over.is_set() and socket.if_nametoindex(tap) == index:
                    act(end)
            time.sleep(0.001)

    def _send(self, end: TapEnd) -> None:
        with tolerating(errno.EIO, errno.ENETDOWN):
            for data in (*self._spoofed, self._own):
                end.send(data)
            self.sent += len(self._spoofed)
        time.sleep(0.0005)

    def _hear(self, end: TapEnd) -> None:
        heard = end.receive(self._mark, 0.05)
        if heard == self._own:
            self.passed += 1
        elif heard:
            self.arrived.append(heard)
