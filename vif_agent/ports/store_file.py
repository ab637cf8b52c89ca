"""The store's file: opened, brought up to date, and held on to.

SQLite writes on into a file that was deleted or replaced under it, and all of that is lost at the
next start. So before anything is acknowledged, the file at the path must be the one that was
opened; if it is not, ours, which is whole, is put back. What was cut short cannot be: then no cast
is taken in.
"""

import contextlib
import logging
import operator
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from vif_agent.errors import StoreUnavailable, StoreUnusable

LOG = logging.getLogger(__name__)

#: of the form of the store; raised when an earlier release could not work with it
_VERSION = 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS ports (
    port_id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,           -- order of the wishes as they came in
    since INTEGER NOT NULL,         -- seq of the plug: the older of two with one name keeps it
    verb TEXT NOT NULL,
    generation INTEGER NOT NULL,
    instance TEXT NOT NULL,         -- JSON, as sent
    vif TEXT NOT NULL,              -- JSON, as sent
    vif_type TEXT NOT NULL,
    request_id TEXT NOT NULL,
    received_at REAL NOT NULL,      -- seconds since the epoch, as all times for people
    state TEXT NOT NULL,
    code TEXT, message TEXT, transient INTEGER,
    devices TEXT NOT NULL DEFAULT '[]',
    made TEXT NOT NULL DEFAULT '[]',
    done_at REAL, ready_at REAL, elapsed_ms REAL,
    formers TEXT NOT NULL DEFAULT '[]',
    source TEXT NOT NULL DEFAULT '',
    boot TEXT NOT NULL DEFAULT '',   -- of the host, when made was stored
    taken TEXT NOT NULL DEFAULT '[]',  -- generations of its last wishes
    left_at REAL                     -- age of the store when it was found unplugged
);
CREATE INDEX IF NOT EXISTS ports_by_seq ON ports (seq);
CREATE INDEX IF NOT EXISTS ports_unplugged ON ports (state) WHERE state = 'unplugged';
CREATE TABLE IF NOT EXISTS links (  -- those of ours that several ports share
    name TEXT PRIMARY KEY, idx INTEGER NOT NULL, kind TEXT NOT NULL, stamp TEXT NOT NULL,
    boot TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS seen (message_id TEXT PRIMARY KEY, at REAL NOT NULL);  -- at: age
-- seconds that this store was in use: no clock that somebody sets
CREATE TABLE IF NOT EXISTS age (seconds REAL NOT NULL);
INSERT INTO age SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM age);
"""

#: those that the stores of earlier releases did not have
_LATER_COLUMNS = {
    "formers": "TEXT NOT NULL DEFAULT '[]'",
    "source": "TEXT NOT NULL DEFAULT ''",
    "boot": "TEXT NOT NULL DEFAULT ''",
    "taken": "TEXT NOT NULL DEFAULT '[]'",
    "left_at": "REAL",
}

_SPOILT = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_SAVED, _SAVING, _ASIDE, _COUNT = ".saved", ".saving", ".replaced", ".count"
_NOBODY = os.stat_result([0] * 10)
_BESIDE = ("", "-wal", "-shm")  # what SQLite calls its files

#: of each of them device and inode, and in the same order their sizes
_Seen = tuple[list[tuple[int, int]], list[int]]


class StoreFile:
    """``db`` is SQLite's connection. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = [f"{path}{end}" for end in _BESIDE]
        self.db = _opened(path)
        self._seen = _look(self._names)
        self._closed = False
        self._count: int | None = None

    def close(self) -> None:
        """Once, at the end."""
        self.db.close()
        if self._count is not None:
            os.close(self._count)

    def hold(self) -> None:
        """Before something is written. StoreUnavailable if what was in the file is lost."""
        if self._closed:
            self._open_again()
        now = self._at_its_place()
        if any(map(operator.lt, now[1], self._seen[1])) and not self._whole():
            raise StoreUnavailable(
                f"store: {self._path} was cut short by somebody: stop the agent, remove "
                f"{self._path}*, start it, and cast the full set of ports"
            )

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """What is not committed in it is as if it had not been."""
        self.hold()
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._written()
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self.db.execute("ROLLBACK")
            with contextlib.suppress(sqlite3.Error):  # SQLite's own log may be what fills it
                self.checkpoint()
            with contextlib.suppress(sqlite3.Error, StoreUnavailable, OSError):
                self._written()
            raise

    def commit(self) -> None:
        """Durable when it returns."""
        self.db.execute("COMMIT")

    def checkpoint(self) -> None:
        """All into one file, and nothing in SQLite's log."""
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _written(self) -> None:
        """Something was: before anybody is told."""
        self._seen = self._at_its_place()

    def _at_its_place(self) -> _Seen:
        now = _look(self._names)
        if now[0] == self._seen[0]:
            return now
        self._put_back()
        LOG.error("%s was deleted or replaced under this agent: it was put back", self._path)
        return self._seen

    def _whole(self) -> bool:
        """Somebody may have run VACUUM. Only another connection has nothing of it in memory.

        But SQLite takes an empty file for a good one, and removes the log that goes with it.
        """
        if not self._path.stat().st_size:
            return False
        with contextlib.suppress(sqlite3.Error), contextlib.closing(_connected(self._path)) as db:
            return [tuple(row) for row in db.execute("PRAGMA quick_check(1)")] == [("ok",)]
        return False

    def _put_back(self) -> None:
        """Killed at any line, ``recover`` goes on from there."""
        saving = _beside(self._path, _SAVING)
        with told():
            saving.unlink(missing_ok=True)
            with contextlib.closing(sqlite3.connect(saving)) as copy:
                self.db.backup(copy)
        saving.rename(_beside(self._path, _SAVED))
        _set_aside(self._path)
        self._closed = True
        if self._count is not None:  # it may have gone too
            os.close(self._count)
            self._count = None
        self.db.close()  # before others come to be under its names
        self._open_again()

    def _open_again(self) -> None:
        with told():
            recover(self._path)
        self.db = _opened(self._path)
        self._seen = _look(self._names)
        self._closed = False

    # -- how far it goes, beside it ------------------------------------------------------------

    def note(self, seq: int) -> None:
        """The last wish that is stored. Needs not be durable: too low a number does no harm."""
        with contextlib.suppress(OSError):
            if self._count is None:
                path = _beside(self._path, _COUNT)
                self._count = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
            os.pwrite(self._count, b"%020d\n" % seq, 0)

    def noted(self) -> int:
        """The count in the file beside the store; 0 where there is none."""
        try:
            return int(_beside(self._path, _COUNT).read_bytes())
        except (OSError, ValueError):
            return 0


def recover(path: Path) -> None:
    """Finish what a process before this one has begun in ``_put_back``."""
    saved = _beside(path, _SAVED)
    if saved.exists():
        _set_aside(path)
        saved.rename(path)
        _sync(path.parent)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """What SQLite or the disk says becomes StoreUnavailable; a bug of ours stays what it is."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a bug of ours, not the disk's, nor of another release's columns
    except (sqlite3.DatabaseError, OSError) as error:
        raise StoreUnavailable(f"store: {error}") from error


def _opened(path: Path) -> sqlite3.Connection:
    try:
        db = _connected(path)
        _check_version(db, path)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.executescript(SCHEMA)
        _bring_up_to_date(db)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _SPOILT:
            raise StoreUnusable(
                f"store: {path}: {error}: move it away or put a good copy in its place, and cast "
                "the full set of ports"
            ) from error
        raise StoreUnavailable(f"store: {path}: {error}") from error
    return db


def _connected(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    db.row_factory = sqlite3.Row
    return db


def _check_version(db: sqlite3.Connection, path: Path) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION:
        raise StoreUnusable(
            f"store: {path} is of a newer release (form {version}; this one knows {_VERSION}): "
            "install that release again, or move the file away and cast the full set of ports"
        )


def _bring_up_to_date(db: sqlite3.Connection) -> None:
    """A store of an earlier release lacks the columns that came later."""
    there = {row["name"] for row in db.execute("PRAGMA table_info(ports)")}
    for name, declared in _LATER_COLUMNS.items():
        if name not in there:
            db.execute(f"ALTER TABLE ports ADD COLUMN {name} {declared}")
    if db.execute("PRAGMA user_version").fetchone()[0] < _VERSION:
        db.execute(f"PRAGMA user_version={_VERSION}")


def _look(names: Sequence[str]) -> _Seen:
    """Who SQLite's files are, and how long; of one that is not there nobody. Before and after each
    commit, so it is short."""
    found = [_stat(name) for name in names]
    return [(one.st_dev, one.st_ino) for one in found], [one.st_size for one in found]


def _stat(name: str) -> os.stat_result:
    try:
        return os.stat(name)
    except OSError:
        return _NOBODY


def _set_aside(path: Path) -> None:
    """What somebody has put there, perhaps with its own log, stays to be looked at."""
    aside = _beside(path, _ASIDE)
    for end in _BESIDE:
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{end}", f"{aside}{end}")


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def _sync(directory: Path) -> None:
    """A rename is on disk when the directory is."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
