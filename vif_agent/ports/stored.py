"""What is stored of ports, as everybody may read it."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from vif_agent.ports.memory import Memory
from vif_agent.ports.port import UNPLUGGED, Port
from vif_agent.ports.store_file import sqlite_errors
from vif_agent.ports.store_reader import Reader


class Stored:
    """Safe to use from several threads."""

    def __init__(self, memory: Memory, reader: Reader) -> None:
        self._memory = memory
        self._reader = reader

    def glance(self) -> list[Port]:
        """The same as last known here: waits for no disk, and for nobody who writes to it."""
        return [*self._memory.live.values()]

    def live(self) -> dict[str, Port]:
        """The ports that are not unplugged, the oldest first."""
        with self._memory.lock, sqlite_errors():
            self._memory.notice_others()
            return _in_order(p for p in self._memory.live.values() if p.state != UNPLUGGED)

    def ports(
        self, port_ids: Collection[str] | None = None, known: Mapping[str, int] | None = None
    ) -> dict[str, Port]:
        """The ports, all or the given ones, the oldest first; unplugged ones included.

        ``known``: {port: seq}; a port that still has that seq is left out.
        """
        if port_ids is None:
            return _in_order([*self._memory.unplugged(), *self._memory.live.values()])
        known = known or {}
        ports = filter(None, map(self._memory.port, port_ids))
        return _in_order(port for port in ports if known.get(port.port_id) != port.seq)

    def states(self) -> Counter[str]:
        """How many ports are in which state."""
        with self._memory.lock, sqlite_errors():
            states = Counter(port.state for port in self._memory.live.values())
            if count := self._reader.unplugged_count():
                states[UNPLUGGED] += count
            return states

    def known(self, port_ids: Iterable[str]) -> set[str]:
        """Those that have a row, be it unreadable: what is theirs on the host is no orphan's."""
        with self._memory.lock, sqlite_errors():
            return {i for i in port_ids if i in self._memory.live or self._reader.has(i)}

    @property
    def unreadable(self) -> Mapping[str, str]:
        """{port: what is wrong with its row}. It is left as it is, until a new request comes."""
        return self._reader.unreadable

    def links(self) -> Mapping[str, tuple[int, str, str]]:
        """Index, kind and owner tag of shared links, by name, as far as they were made in this
        boot."""
        with self._memory.lock, sqlite_errors():
            return self._reader.links()


def _in_order(ports: Iterable[Port]) -> dict[str, Port]:
    return {port.port_id: port for port in sorted(ports, key=lambda port: port.since)}
