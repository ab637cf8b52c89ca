"""Ports that are not unplugged, in memory as they are in the file, with results not saved yet.

Of those unplugged lately, which may be ten times as many, nothing is kept.
"""

import threading
from collections.abc import Iterable, Mapping

from vif_agent.ports.port import UNPLUGGED, Port
from vif_agent.ports.store_file import sqlite_errors
from vif_agent.ports.store_reader import Reader


class Memory:
    """``lock`` is held by whoever changes it or asks the reader; who looks up a port needs none.

    ``unsaved``: ports whose results are not in the file; ``seq``: of the last request.
    """

    def __init__(self, reader: Reader) -> None:
        self.lock = threading.RLock()
        self.live: dict[str, Port] = {}
        self.unsaved: dict[str, Port] = {}
        self.seq = 0
        self._reader = reader
        with sqlite_errors():
            self._read()

    def port(self, port_id: str) -> Port | None:
        """Without the lock where it is in memory: to look at a port waits for no disk."""
        if port := self.live.get(port_id):
            return port
        with self.lock, sqlite_errors():
            return self._reader.port(port_id)

    def unplugged(self) -> list[Port]:
        """Those of the last seven days, from the file."""
        with self.lock, sqlite_errors():
            self.notice_others()
            return [port for port in self._reader.unplugged() if port.port_id not in self.live]

    def notice_others(self) -> None:
        """All is read anew if somebody else has written to the file."""
        if self._reader.version() != self._version:
            self._read()

    def with_results(self, results: Iterable[Port]) -> list[Port]:
        """The ports as they are known, with what became of them."""
        known = ((self.port(result.port_id), result) for result in results)
        return [port.with_result(result) for port, result in known if port]

    def take_over(self, stored: Mapping[str, Port]) -> None:
        """These are in the file now, and so are all results."""
        self.unsaved.clear()
        self.live.update(stored)
        for port_id, port in stored.items():
            self._reader.unreadable.pop(port_id, None)
            if port.state == UNPLUGGED:
                del self.live[port_id]
            self.seq = max(self.seq, port.seq)

    def _read(self) -> None:
        self.live = {port.port_id: port for port in self._reader.live()}
        for port_id, result in self.unsaved.items():
            if known := self.live.get(port_id):
                self.live[port_id] = known.with_result(result)
        self.seq = self._reader.latest()
        self._version = self._reader.version()
