"""What happened to each port: the last events of each, for who asks why it is as it is.

It is never in the way of the work. Nothing is committed for it: events wait in memory until the
store commits something else, some ms later, and are lost with the process. Where the store cannot
be written it rests, for it may be what fills the disk, or what is spoilt.
"""

import hashlib
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from vif_agent.errors import plain
from vif_agent.ports.event import Event
from vif_agent.ports.store_file import StoreFile

LOG = logging.getLogger(__name__)

#: events kept of a port, and of all ports together; characters of an event's text
MOST_OF_PORT, MOST, LONGEST = 64, 100_000, 600
_KEEP_SECONDS = 7 * 24 * 3600
_MOST_WAITING = 20_000  # of 2,000 ports that are all done anew, the most
_MOST_RECENT = 1_000
_TRIM_AFTER = 1_000  # so many events more than there may be are no harm
_REST_SECONDS, _LONGEST_REST_SECONDS = 60.0, 3600.0

_TABLE = """
CREATE TABLE IF NOT EXISTS events (  -- of ports; an agent of before it leaves it alone
    id INTEGER PRIMARY KEY,
    port INTEGER NOT NULL,           -- a hash of its UUID, for 8 bytes make a small index
    at REAL NOT NULL, age INTEGER NOT NULL,  -- age: of the store
    what TEXT NOT NULL, text TEXT NOT NULL
)
"""
_INDEX = "CREATE INDEX IF NOT EXISTS events_by_port ON events (port)"
_FORM = "SELECT id, port, at, age, what, text FROM events LIMIT 0"
_PUT = "INSERT INTO events (port, at, age, what, text) VALUES (?, ?, ?, ?, ?)"
_OF_PORT = "SELECT at, what, text FROM events WHERE port = ? ORDER BY id DESC LIMIT ?"
_TOO_MANY = "SELECT port FROM events GROUP BY port HAVING COUNT(*) > ?"
_KEEP_LAST = """
DELETE FROM events WHERE port = :port AND id <=
    (SELECT id FROM events WHERE port = :port ORDER BY id DESC LIMIT 1 OFFSET :most)
"""
_DROP_FIRST = "DELETE FROM events WHERE id <= (SELECT MAX(id) FROM events) - ?"
_DROP_OLD = "DELETE FROM events WHERE age < ?"


class Recent(NamedTuple):
    """``so_far``: how many events there were, to ask on from. ``lost``: so many are not kept any
    more; None: nobody knows how many."""

    events: Sequence[Event]
    so_far: int
    lost: int | None = 0


class History:
    """Safe to use from several threads. ``lock``: held by whoever uses the file; ``age``: the
    store's, in seconds."""

    def __init__(
        self, file: StoreFile, lock: AbstractContextManager[Any], age: Callable[[], float]
    ) -> None:
        self._file, self._file_lock, self._age = file, lock, age
        self._lock = threading.Lock()
        self._waiting: deque[Event] = deque(maxlen=_MOST_WAITING)
        self._recent: deque[Event] = deque(maxlen=_MOST_RECENT)
        #: no process before this one has counted so far
        self._first = self._count = time.time_ns() // 1000
        self._untrimmed = _TRIM_AFTER
        self._rest, self._rests_until = _REST_SECONDS, 0.0
        self._prepared = False
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._trouble(error)

    @property
    def count(self) -> int:
        """Of all events so far."""
        return self._count

    @property
    def waits(self) -> bool:
        """Is there something that is in no commit yet?"""
        return bool(self._waiting)

    def add(self, port_id: str, what: str, text: str = "", at: float | None = None) -> None:
        """It has happened now, or then."""
        event = Event(port_id, at or time.time(), what, plain(text, LONGEST))
        with self._lock:
            self._count += 1
            self._recent.append(event)
            if time.monotonic() >= self._rests_until:
                self._waiting.append(event)

    def since(self, count: int | None, port_id: str | None = None) -> Recent:
        """What has happened since there were ``count`` events, of all ports or of this; None:
        nothing, and where to begin."""
        with self._lock:
            now, recent = self._count, [*self._recent]
        if count is None:
            return Recent((), now)
        new = max(0, now - count)
        events = recent[-new:] if new else []
        lost = None if count < self._first else new - len(events)
        return Recent([e for e in events if port_id in (None, e.port_id)], now, lost)

    def of(self, port_id: str) -> list[Event]:
        """The last events of the port, the newest last. sqlite3.Error: they cannot be read."""
        with self._file_lock:
            with self._lock:
                waiting = [event for event in self._waiting if event.port_id == port_id]
            rows = self._file.db.execute(_OF_PORT, (_number(port_id), MOST_OF_PORT)).fetchall()
        stored = [Event(port_id, row["at"], row["what"], row["text"]) for row in reversed(rows)]
        return [*stored, *waiting][-MOST_OF_PORT:]

    # -- within the store's transactions -------------------------------------------------------

    def write(self) -> None:
        """What waits, into the transaction that runs; without it, if that cannot be."""
        with self._lock:
            events, self._waiting = self._waiting, deque(maxlen=_MOST_WAITING)
        if events:
            self._carefully(lambda: self._write(events))

    def committed(self) -> None:
        """What was written is there, and nothing was in the way, but where it rests."""
        if time.monotonic() >= self._rests_until:
            self._rest = _REST_SECONDS

    def rest(self) -> None:
        """What waits is forgotten, and what happens for a while: the store could not be written."""
        with self._lock:
            self._waiting.clear()
            self._rests_until = time.monotonic() + self._rest
        self._rest = min(2 * self._rest, _LONGEST_REST_SECONDS)
        self._prepared = False

    def forget_old(self) -> None:
        """What is older than a port that was unplugged may be."""
        self._carefully(lambda: self._file.db.execute(_DROP_OLD, (self._age() - _KEEP_SECONDS,)))

    def _carefully(self, act: Callable[[], object]) -> None:
        try:
            act()
        except sqlite3.Error as error:
            self._trouble(error)
            if not self._file.db.in_transaction:  # SQLite has undone all of it
                raise

    def _write(self, events: Collection[Event]) -> None:
        if not self._prepared:
            self._prepare()
        age = int(self._age())
        rows = [(_number(e.port_id), e.at, age, e.what, e.text) for e in events]
        self._file.db.executemany(_PUT, rows)
        self._untrimmed += len(rows)
        if self._untrimmed >= _TRIM_AFTER:
            self._trim()

    def _trim(self) -> None:
        """One look at the index, once in some hundred plugs."""
        database = self._file.db
        for row in database.execute(_TOO_MANY, (MOST_OF_PORT,)).fetchall():
            database.execute(_KEEP_LAST, {"port": row["port"], "most": MOST_OF_PORT})
        database.execute(_DROP_FIRST, (MOST,))
        self._untrimmed = 0

    def _prepare(self) -> None:
        """A table of this name that is none of ours, or of a form that we do not know, goes."""
        database = self._file.db
        database.execute(_TABLE)
        try:
            database.execute(_FORM)
        except sqlite3.OperationalError:
            database.execute("DROP TABLE events")
            database.execute(_TABLE)
        database.execute(_INDEX)
        self._prepared = True

    def _trouble(self, error: sqlite3.Error) -> None:
        LOG.warning("The history of ports rests for %d s: %s", self._rest, error)
        self.rest()


def _number(port_id: str) -> int:
    digest = hashlib.blake2b(port_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
