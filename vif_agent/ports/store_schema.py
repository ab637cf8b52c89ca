"""The form of the store's file: made, and brought up to date, when it is opened."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from vif_agent.errors import StoreUnavailable, StoreUnusable

#: of the form of the store; raised when an earlier release could not work with it
_VERSION = 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS ports (
    port_id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,           -- order of the requests as they came in
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
    taken TEXT NOT NULL DEFAULT '[]',  -- generations of its last requests
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


def opened(path: Path) -> sqlite3.Connection:
    """StoreUnusable for what is no store, or one of a later release; else StoreUnavailable."""
    with _named(path), _closed_if_it_fails(connected(path)) as db:
        _check_version(db, path)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")  # a commit is not on disk yet: StoreFile.sync
        _bring_up_to_date(db)
    return db


def copied(path: Path) -> sqlite3.Connection:
    """The same in memory, for who only looks: the file, which may be in use, stays as it is."""
    with _named(path), contextlib.closing(_to_read(path)) as file:
        _check_version(file, path)
        ((found,),) = file.execute("PRAGMA quick_check(1)")
        if found != "ok":
            raise _spoilt(path, found)
        with _closed_if_it_fails(connected(Path(":memory:"))) as db:
            file.backup(db)
            _bring_up_to_date(db)
    return db


@contextlib.contextmanager
def _closed_if_it_fails(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """At once, and not when nobody knows of the failure any more."""
    try:
        yield db
    except BaseException:
        db.close()
        raise


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _SPOILT:
            raise _spoilt(path, error) from error
        raise StoreUnavailable(f"store: {path}: {error}") from error


def _spoilt(path: Path, why: object) -> StoreUnusable:
    return StoreUnusable(
        f"store: {path}: {why}: move it away or put a good copy in its place, and cast the full "
        "set of ports"
    )


def _to_read(path: Path) -> sqlite3.Connection:
    """SQLite would make files beside one that nobody has open: root's, where the agent is not."""
    in_use = path.with_name(path.name + "-wal").exists()
    how = "mode=ro" if in_use else "immutable=1"
    db = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)
    db.row_factory = sqlite3.Row
    return db


def connected(path: Path) -> sqlite3.Connection:
    """To the file as it is."""
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    with _closed_if_it_fails(db):
        db.execute("PRAGMA cache_size=-256")  # KiB, not 2,000: what is live is in memory anyhow
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
    db.executescript(SCHEMA)
    there = {row["name"] for row in db.execute("PRAGMA table_info(ports)")}
    for name, declared in _LATER_COLUMNS.items():
        if name not in there:
            db.execute(f"ALTER TABLE ports ADD COLUMN {name} {declared}")
    if db.execute("PRAGMA user_version").fetchone()[0] < _VERSION:
        db.execute(f"PRAGMA user_version={_VERSION}")
