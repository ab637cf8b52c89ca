"""Numbered frames between two guests, both ways at a steady rate, and what became of each."""

from __future__ import annotations

import struct
import threading
import time
from collections import Counter
from typing import Self

from tests.support import packets
from vif_agent.testing.frames import DOWN, End, frame, tolerating

MARK = b"numbered frame"
NUMBER = struct.Struct("!I")
_PORTS = 7, 7


class Flow:
    """One direction. A reader that sleeps no longer than the queue of a tap (500) is filled."""

    def __init__(
        self,
        source: End,
        sink: End,
        source_mac: str,
        sink_mac: str,
        interval: float,
        addresses: tuple[str, str] | None = None,
    ) -> None:
        self._source, self._sink = source, sink
        self._macs, self._interval = (source_mac, sink_mac), interval
        self._addresses = addresses
        self._mark = MARK + bytes.fromhex(source_mac.replace(":", ""))
        self._sending, self._reading = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=run) for run in (self._read, self._send)]
        self.sent = 0
        self.arrived: Counter[int] = Counter()

    def start(self) -> None:
        self._sending.set()
        self._reading.set()
        for thread in self._threads:
            thread.start()

    def stop(self, patience: float = 3) -> None:
        """What is on its way may arrive yet."""
        reader, sender = self._threads
        self._sending.clear()
        sender.join()
        deadline = time.monotonic() + patience
        while len(self.arrived) < self.sent and time.monotonic() < deadline:
            time.sleep(0.01)
        self._reading.clear()
        reader.join()

    @property
    def wrong(self) -> list[str]:
        lost = [n for n in range(self.sent) if n not in self.arrived]
        twice = [n for n, times in self.arrived.items() if times > 1]
        reported = [f"{len(lost)} of {self.sent} lost: {_some(lost)}"] if lost else []
        return reported + ([f"{len(twice)} came more than once: {_some(twice)}"] if twice else [])

    def _send(self) -> None:
        while self._sending.is_set():
            with tolerating(*DOWN):  # then it is lost
                self._source.send(self._frame(self._mark + NUMBER.pack(self.sent)))
            self.sent += 1
            time.sleep(self._interval)

    def _frame(self, payload: bytes) -> bytes:
        if not self._addresses:
            return frame(*self._macs, payload)
        datagram = packets.udp(*_PORTS, payload)
        packet = packets.ip4(*self._addresses, packets.UDP, datagram)
        return packets.ether(*self._macs, packets.IPV4, packet)

    def _read(self) -> None:
        while self._reading.is_set():
            if data := self._sink.receive(self._mark, 0.1):
                start = data.index(self._mark) + len(self._mark)
                self.arrived.update(NUMBER.unpack_from(data, start))


def _some(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:5])) + (" …" if len(numbers) > 5 else "")


class Traffic:
    """Both directions. ``interval``: seconds between two frames of one. ``addresses`` of the two:
    what they say is UDP then, which every firewall knows."""

    def __init__(
        self,
        one: tuple[End, str],
        two: tuple[End, str],
        interval: float,
        addresses: tuple[str, str] | None = None,
    ) -> None:
        (a, a_mac), (b, b_mac) = one, two
        back = addresses and (addresses[1], addresses[0])
        self.flows = (
            Flow(a, b, a_mac, b_mac, interval, addresses),
            Flow(b, a, b_mac, a_mac, interval, back),
        )

    def __enter__(self) -> Self:
        for flow in self.flows:
            flow.start()
        return self

    def __exit__(self, *_: object) -> None:
        for flow in self.flows:
            flow.stop()

    @property
    def wrong(self) -> list[str]:
        """After the end: what was lost or came twice."""
        return [text for flow in self.flows for text in flow.wrong]

    @property
    def sent(self) -> int:
        return sum(flow.sent for flow in self.flows)
