"""The wishes on disk, with what became of each port: SQLite, one file, one row a port.

A cast is acknowledged to the broker only after ``put`` has returned, so ``put`` is the moment
from which a wish cannot be lost. Every method may raise StoreUnavailable (disk full, I/O error);
the file is then as it was before.
"""

import contextlib
import dataclasses
import json
import sqlite3
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from vif_agent.errors import Problem, StoreUnavailable
from vif_agent.ports import (
    ERROR,
    OLDEST,
    PENDING,
    PLUG,
    READY,
    RETRYING,
    UNPLUG,
    UNPLUGGED,
    FullSet,
    Port,
    Wish,
)
from vif_agent.resources import Key

__all__ = [
    "ERROR", "OLDEST", "PENDING", "PLUG", "READY", "RETRYING", "UNPLUG", "UNPLUGGED", "FullSet",
    "Port", "Store", "Wish",
]  # fmt: skip

#: how long an unplugged port's generation, and a message's id, are remembered
_REMEMBER_SECONDS = 7 * 24 * 3600

_SCHEMA = """
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
    received_at REAL NOT NULL,      -- seconds since the epoch, as all times here
    state TEXT NOT NULL,
    code TEXT, message TEXT, transient INTEGER,
    devices TEXT NOT NULL DEFAULT '[]',
    made TEXT NOT NULL DEFAULT '[]',
    done_at REAL, ready_at REAL, elapsed_ms REAL,
    formers TEXT NOT NULL DEFAULT '[]',
    source TEXT NOT NULL DEFAULT '',
    boot TEXT NOT NULL DEFAULT ''    -- of the host, when made was stored
);
CREATE INDEX IF NOT EXISTS ports_by_seq ON ports (seq);
CREATE TABLE IF NOT EXISTS seen (message_id TEXT PRIMARY KEY, at REAL NOT NULL);
"""

#: those that the store of release 0.1.0 did not have
_LATER_COLUMNS = {
    "formers": "TEXT NOT NULL DEFAULT '[]'",
    "source": "TEXT NOT NULL DEFAULT ''",
    "boot": "TEXT NOT NULL DEFAULT ''",
}

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

#: of a port that is never ready between ever new wishes, the last ones count
_MOST_FORMERS = 16


class Store:
    """Safe to use from several threads; a write is durable when the method returns.

    ``boot``: which boot of the host this is.
    """

    def __init__(self, path: Path, boot: str | None = None) -> None:
        self._lock = threading.Lock()
        self._boot = _BOOT_ID.read_text().strip() if boot is None else boot
        with _told():
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            self._bring_up_to_date()

    def _bring_up_to_date(self) -> None:
        """A store of an earlier release lacks the columns that came later."""
        there = {row["name"] for row in self._db.execute("PRAGMA table_info(ports)")}
        for name, declared in _LATER_COLUMNS.items():
            if name not in there:
                self._db.execute(f"ALTER TABLE ports ADD COLUMN {name} {declared}")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def put(self, items: Sequence[Wish | FullSet]) -> list[Wish]:
        """Store the wishes in order, in one commit; answer those that are stale.

        A wish with a lower generation than the stored one is stale and dropped. A message seen
        before (redelivered after a crash between commit and acknowledgement) is passed over.
        """
        with self._transaction():
            return self._take(items)

    def preview(self, items: Sequence[Wish | FullSet]) -> list[Port]:
        """The ports whose wishes ``put`` would change, as they would be; nothing is stored."""
        with self._transaction(keep=False):
            before = self._next_seq()
            self._take(items)
            rows = self._db.execute("SELECT * FROM ports WHERE seq >= ?", (before,)).fetchall()
        return [_port(row, self._boot) for row in rows]

    def ports(
        self, port_ids: Collection[str] | None = None, known: Mapping[str, int] | None = None
    ) -> dict[str, Port]:
        """The ports, all or the given ones, the oldest first; unplugged ones included.

        ``known``: {port: seq}; a port that still has that seq is left out.
        """
        with self._lock, _told():
            if port_ids is None:
                rows = self._db.execute("SELECT * FROM ports").fetchall()
            else:
                rows = list(self._select(port_ids, known or {}))
        return {
            row["port_id"]: _port(row, self._boot)
            for row in sorted(rows, key=lambda r: int(r["since"]))
        }

    def save(self, ports: Iterable[Port]) -> None:
        """Store what became of the ports; a port whose wish has changed since only its ``made``."""
        with self._transaction():
            for port in ports:
                self._save(port)

    def keep_made(self, ports: Iterable[Port]) -> None:
        """Store of these ports only what is theirs on the host."""
        with self._transaction():
            for port in ports:
                self._save_made(port)

    def _select(self, port_ids: Iterable[str], known: Mapping[str, int]) -> Iterator[sqlite3.Row]:
        for port_id in port_ids:
            yield from self._db.execute(
                "SELECT * FROM ports WHERE port_id = ? AND seq != ?",
                (port_id, known.get(port_id, -1)),
            )

    def _take(self, items: Iterable[Wish | FullSet]) -> list[Wish]:
        stale = []
        for item in items:
            if item.message_id and not self._first_time(item):
                continue
            if isinstance(item, FullSet):
                self._put_set(item)
            elif not self._put(item):
                stale.append(item)
        return stale

    def _put_set(self, full: FullSet) -> None:
        rows = {row["port_id"]: row for row in self._db.execute("SELECT * FROM ports")}
        for wish in full.plugs:
            row = rows.get(wish.port_id)
            plug = _with_instance(wish, row)
            if row and row["verb"] == PLUG and _says(row, plug):
                self._raise_generation(plug)
            else:
                self._put(plug)
        for row in rows.values() if full.deletes else ():
            if _left_out(row, full):
                self._put(_unplug(row, full))

    def _raise_generation(self, wish: Wish) -> None:
        """The wish stands, and is as new as this."""
        self._db.execute(
            "UPDATE ports SET generation = MAX(generation, ?) WHERE port_id = ?",
            (wish.generation or 0, wish.port_id),
        )

    def _put(self, wish: Wish) -> bool:
        row = self._db.execute(
            "SELECT verb, generation, since, vif_type, instance, vif, formers FROM ports"
            " WHERE port_id = ?",
            (wish.port_id,),
        ).fetchone()
        if row and wish.generation is not None and wish.generation < row["generation"]:
            return False
        generation = wish.generation
        if generation is None:
            generation = row["generation"] if row else 0
        seq = self._next_seq()
        since = row["since"] if row and row["verb"] == PLUG else seq
        vif, vif_type = json.dumps(wish.vif), wish.vif_type or (row["vif_type"] if row else "")
        self._db.execute(
            "INSERT INTO ports (port_id, seq, since, verb, generation, instance, vif, vif_type,"
            " request_id, received_at, state, formers, source)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
            " ON CONFLICT (port_id) DO UPDATE SET seq=excluded.seq, since=excluded.since,"
            " verb=excluded.verb,"
            " generation=excluded.generation, instance=excluded.instance, vif=excluded.vif,"
            " vif_type=excluded.vif_type, request_id=excluded.request_id,"
            " received_at=excluded.received_at, state=excluded.state,"
            " formers=excluded.formers, source=excluded.source, code=NULL, message=NULL,"
            " transient=NULL, done_at=NULL, ready_at=NULL, elapsed_ms=NULL",
            (
                wish.port_id, seq, since, wish.verb, generation, json.dumps(wish.instance), vif,
                vif_type, wish.request_id, wish.received_at, PENDING, _formers(row, wish),
                wish.source,
            ),
        )  # fmt: skip
        return True

    def _first_time(self, item: Wish | FullSet) -> bool:
        cursor = self._db.execute(
            "INSERT OR IGNORE INTO seen VALUES (?, ?)", (item.message_id, item.received_at)
        )
        return cursor.rowcount == 1

    def _next_seq(self) -> int:
        return int(self._db.execute("SELECT COALESCE(MAX(seq), 0) + 1 FROM ports").fetchone()[0])

    def _save(self, port: Port) -> None:
        self._save_made(port)
        problem = port.problem
        self._db.execute(
            "UPDATE ports SET state=?, code=?, message=?, transient=?, devices=?, done_at=?,"
            " ready_at=?, elapsed_ms=? WHERE port_id=? AND seq=?",
            (
                port.state, problem and problem.code, problem and problem.message,
                problem and problem.transient, json.dumps(port.devices), port.done_at,
                port.ready_at, port.elapsed_ms, port.port_id, port.seq,
            ),
        )  # fmt: skip
        if problem is None:
            self._db.execute(
                "UPDATE ports SET formers='[]' WHERE port_id=? AND seq=? AND formers!='[]'",
                (port.port_id, port.seq),
            )

    def _save_made(self, port: Port) -> None:
        self._db.execute(
            "UPDATE ports SET made=?, boot=? WHERE port_id=?",
            (json.dumps(sorted(port.made)), self._boot, port.port_id),
        )

    def forget(self, now: float | None = None) -> None:
        """Drop what is only kept against late messages, once it is old."""
        before = (time.time() if now is None else now) - _REMEMBER_SECONDS
        with self._transaction():
            self._db.execute("DELETE FROM seen WHERE at < ?", (before,))
            self._db.execute(
                "DELETE FROM ports WHERE state = ? AND done_at < ?", (UNPLUGGED, before)
            )

    @contextlib.contextmanager
    def _transaction(self, keep: bool = True) -> Iterator[None]:
        with self._lock, _told():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT" if keep else "ROLLBACK")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                with contextlib.suppress(sqlite3.Error):  # SQLite's own log may be what fills it
                    self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                raise


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.ProgrammingError):
            raise  # a bug of ours, not the disk's, nor of another release's columns
        raise StoreUnavailable(f"store: {error}") from error


def _formers(row: sqlite3.Row | None, wish: Wish) -> str:
    """What is undone only from the wish it was done for: a new wish must not make it forgotten."""
    if row is None:
        return "[]"
    formers = json.loads(row["formers"])
    former = [json.loads(row["instance"]), json.loads(row["vif"])]
    stands = wish.verb == PLUG and former == [wish.instance, wish.vif]
    if row["verb"] != PLUG or stands or former in formers:
        return str(row["formers"])
    return json.dumps([*formers, former][-_MOST_FORMERS:])


def _with_instance(wish: Wish, row: sqlite3.Row | None) -> Wish:
    if wish.instance or row is None:
        return wish
    return dataclasses.replace(wish, instance=json.loads(row["instance"]))


def _says(row: sqlite3.Row, wish: Wish) -> bool:
    """Is this very plug stored already?"""
    stored = (json.loads(row["instance"]), json.loads(row["vif"]))
    return stored == (wish.instance, wish.vif)


def _left_out(row: sqlite3.Row, full: FullSet) -> bool:
    mine = row["verb"] == PLUG and row["source"] == full.source
    return mine and row["port_id"] not in full.named


def _unplug(row: sqlite3.Row, full: FullSet) -> Wish:
    return Wish(
        port_id=row["port_id"],
        verb=UNPLUG,
        instance=json.loads(row["instance"]),
        vif=json.loads(row["vif"]),
        generation=full.generation,
        request_id=full.request_id,
        received_at=full.received_at,
        source=full.source,
    )


def _port(row: sqlite3.Row, boot: str) -> Port:
    problem = None
    if row["code"]:
        problem = Problem(row["code"], row["message"], bool(row["transient"]))
    return Port(
        port_id=row["port_id"],
        seq=row["seq"],
        since=row["since"],
        verb=row["verb"],
        generation=row["generation"],
        instance=json.loads(row["instance"]),
        vif=json.loads(row["vif"]),
        vif_type=row["vif_type"],
        request_id=row["request_id"],
        received_at=row["received_at"],
        state=row["state"],
        problem=problem,
        devices=tuple(json.loads(row["devices"])),
        made=frozenset(Key(*key) for key in json.loads(row["made"])),
        done_at=row["done_at"],
        ready_at=row["ready_at"],
        elapsed_ms=row["elapsed_ms"],
        formers=tuple((instance, vif) for instance, vif in json.loads(row["formers"])),
        source=row["source"],
        rebooted=row["boot"] not in ("", boot),
    )
