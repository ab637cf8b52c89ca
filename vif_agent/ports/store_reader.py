"""What stands in the store's file: all queries, each no wider than what it is asked for.

A row that is spoilt is set aside and named; no other port is the worse for it.
"""

import logging
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Protocol

from vif_agent.errors import brief
from vif_agent.ports import store_rows
from vif_agent.ports.port import PLUG, Port

LOG = logging.getLogger(__name__)

#: whatever else may stand there, for it is spoilt then
_LIVE = "SELECT * FROM ports WHERE state != 'unplugged'"
#: as in the index, which is of these alone
_UNPLUGGED = "SELECT * FROM ports WHERE state = 'unplugged'"
_COUNT = "SELECT COUNT(*) FROM ports WHERE state = 'unplugged'"
_PORT = "SELECT * FROM ports WHERE port_id = ?"
_LATEST = "SELECT COALESCE(MAX(seq), 0) FROM ports WHERE typeof(seq) = 'integer'"
_PLUGS = "SELECT port_id FROM ports WHERE verb = ? AND source = ?"


class File(Protocol):
    """The store's, or a copy."""

    db: sqlite3.Connection


class Reader:
    """``boot``: which boot of the host this is. Used by one thread at a time."""

    def __init__(self, file: File, boot: str) -> None:
        self._file = file
        self._boot = boot
        #: {port: what is wrong with its row}
        self.unreadable: dict[str, str] = {}

    def live(self) -> Iterator[Port]:
        """All that are to be plugged, or to be unplugged and are not yet."""
        return self._ports(_LIVE)

    def unplugged(self) -> Iterator[Port]:
        """Those of the last days, very many perhaps."""
        return self._ports(_UNPLUGGED)

    def port(self, port_id: str) -> Port | None:
        """None for one that is not in the store, or is unreadable."""
        return next(self._ports(_PORT, port_id), None)

    def has(self, port_id: str) -> bool:
        """Has it a row, be it unreadable?"""
        return bool(self._rows(_PORT, port_id))

    def unplugged_count(self) -> int:
        """Without reading their rows."""
        return self._number(_COUNT)

    def latest(self) -> int:
        """The ``seq`` of the last request."""
        return self._number(_LATEST)

    def version(self) -> int:
        """Another one when another connection has written."""
        return self._number("PRAGMA data_version")

    def age(self) -> float:
        """Seconds that the store was in use, up to the last start."""
        return float(self._rows("SELECT seconds FROM age")[0][0])

    def links(self) -> Mapping[str, tuple[int, str, str]]:
        """By name: index, kind and owner tag, of this boot."""
        rows = self._rows("SELECT * FROM links WHERE boot = ?", self._boot)
        return {row["name"]: (row["idx"], row["kind"], row["stamp"]) for row in rows}

    def unreadable_plugs(self, source: str) -> list[str]:
        """Ports that may be plugged by this source, though not all of their rows can be read."""
        rows = self._rows(_PLUGS, PLUG, source) if self.unreadable else ()
        return [row["port_id"] for row in rows if row["port_id"] in self.unreadable]

    def _number(self, query: str) -> int:
        return int(self._rows(query)[0][0])

    def _ports(self, query: str, *values: object) -> Iterator[Port]:
        for row in self._rows(query, *values):
            try:
                yield store_rows.port(row, self._boot)
            except store_rows.UNREADABLE as error:
                self._set_aside(str(row["port_id"]), brief(str(error)))

    def _set_aside(self, port_id: str, why: str) -> None:
        if port_id not in self.unreadable:
            self.unreadable[port_id] = why
            LOG.error(
                "Port %s is unreadable in the store and left alone until it is plugged or "
                "unplugged anew: %s", brief(port_id), why,
            )  # fmt: skip

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        database = self._file.db
        try:
            return database.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            if "decode" not in str(error):
                raise
        # a text that is none: only its own row is to be unreadable
        database.text_factory = lambda text: text.decode(errors="surrogateescape")
        return database.execute(query, values).fetchall()
