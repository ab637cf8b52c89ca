"""How old casts are when they are on disk, each by itself: metrics have buckets only."""

from __future__ import annotations

import contextlib
import struct
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from vif_agent.ports.counted import Counted, Item
from vif_agent.ports.port import PortRequest

RECORD = struct.Struct("=qq")  # time.time_ns: when it was on disk; and when it was cast


class Noted(Counted):
    """Casts are acknowledged just after this. One that was seen before is not noted again."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("ab", buffering=0)
        self._committed: deque[int] = deque()

    def stored(
        self, items: Sequence[Item], first: Collection[Item], stale: Sequence[PortRequest]
    ) -> None:
        super().stored(items, first, stale)
        self._committed.extend(item.generation for item in first if item.generation)

    @contextlib.contextmanager
    def write(self, kind: str) -> Iterator[None]:
        count = len(self._committed)
        with super().write(kind):
            yield
        if kind == "sync" and count:
            now, records = time.time_ns(), list[bytes]()
            with contextlib.suppress(IndexError):  # another thread tells of the rest
                for _ in range(count):
                    records.append(RECORD.pack(now, self._committed.popleft()))
            self._file.write(b"".join(records))


def read(path: Path) -> Iterator[tuple[int, int]]:
    """When each was on disk and when it was cast, in ns, in the order of the first."""
    data = path.read_bytes() if path.exists() else b""
    whole = len(data) - len(data) % RECORD.size
    return RECORD.iter_unpack(data[:whole])
