"""What is stored of ports, as everybody may read it.

Of those that are not unplugged all is in memory, as it is in the file; of those unplugged lately,
which may be ten times as many, nothing is.
"""

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from vif_agent.ports.port import UNPLUGGED, Port
from vif_agent.ports.store_file import StoreFile, told
from vif_agent.ports.store_reader import Reader


class Stored:
    """Safe to use from several threads. ``boot``: which boot of the host this is."""

    def __init__(self, file: StoreFile, boot: str) -> None:
        self._lock = threading.RLock()
        self._file = file
        self._reader = Reader(file, boot)
        self._live: dict[str, Port] = {}
        self._seq = 0  # of the last request
        self._unsaved: dict[str, Port] = {}
        with told():
            self._read()

    def live(self) -> dict[str, Port]:
        """The ports that are not unplugged, the oldest first."""
        with self._lock, told():
            self._notice_others()
            return _in_order(p for p in self._live.values() if p.state != UNPLUGGED)

    def ports(
        self, port_ids: Collection[str] | None = None, known: Mapping[str, int] | None = None
    ) -> dict[str, Port]:
        """The ports, all or the given ones, the oldest first; unplugged ones included.

        ``known``: {port: seq}; a port that still has that seq is left out.
        """
        if port_ids is None:
            return _in_order([*self._unplugged(), *self._live.values()])
        known = known or {}
        ports = filter(None, map(self._stored, port_ids))
        return _in_order(port for port in ports if known.get(port.port_id) != port.seq)

    def states(self) -> Counter[str]:
        """How many ports are in which state."""
        with self._lock, told():
            states = Counter(port.state for port in self._live.values())
            if count := self._reader.unplugged_count():
                states[UNPLUGGED] += count
            return states

    def known(self, port_ids: Iterable[str]) -> set[str]:
        """Those that have a row, be it unreadable: what is theirs on the host is no orphan's."""
        with self._lock, told():
            return {i for i in port_ids if i in self._live or self._reader.has(i)}

    @property
    def unreadable(self) -> Mapping[str, str]:
        """{port: what is wrong with its row}. It is left as it is, until a new wish comes."""
        return self._reader.unreadable

    def links(self) -> Mapping[str, tuple[int, str, str]]:
        """Index, kind and stamp of shared links, by name, as far as they were made in this boot."""
        with self._lock, told():
            return self._reader.links()

    def _stored(self, port_id: str) -> Port | None:
        """Without the lock where it is in memory: to look at a port waits for no disk."""
        if port := self._live.get(port_id):
            return port
        with self._lock, told():
            return self._reader.port(port_id)

    def _unplugged(self) -> list[Port]:
        with self._lock, told():
            self._notice_others()
            return [p for p in self._reader.unplugged() if p.port_id not in self._live]

    def _read(self) -> None:
        """Into memory, at the start; and when somebody else has written to the file."""
        self._live = {port.port_id: port for port in self._reader.live()}
        for port_id, result in self._unsaved.items():
            if known := self._live.get(port_id):
                self._live[port_id] = known.with_result(result)
        self._seq = self._reader.latest()
        self._version = self._reader.version()

    def _notice_others(self) -> None:
        if self._reader.version() != self._version:
            self._read()


def _in_order(ports: Iterable[Port]) -> dict[str, Port]:
    return {port.port_id: port for port in sorted(ports, key=lambda port: port.since)}
