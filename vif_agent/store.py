"""The wishes on disk, with what became of each port: SQLite, one file, one row a port.

A cast is acknowledged to the broker only after ``put`` has returned, so ``put`` is the moment
from which a wish cannot be lost. Every method may raise StoreUnavailable (disk full, I/O error);
the file is then as it was before.
"""

import contextlib
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from vif_agent import store_rows
from vif_agent.errors import StoreUnavailable, brief
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
    counts,
)
from vif_agent.store_file import StoreFile, told

__all__ = [
    "ERROR", "OLDEST", "PENDING", "PLUG", "READY", "RETRYING", "UNPLUG", "UNPLUGGED", "FullSet",
    "Port", "Store", "Wish",
]  # fmt: skip

LOG = logging.getLogger(__name__)

#: how long an unplugged port's generation, and a message's id, are remembered
_REMEMBER_SECONDS = 7 * 24 * 3600

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Store:
    """Safe to use from several threads; a write is durable when the method returns.

    ``boot``: which boot of the host this is. ``clock``: one that cannot be set. ``notice``: what is
    wrong with the store as it was found.
    """

    def __init__(
        self, path: Path, boot: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lock = threading.Lock()
        self._boot = _BOOT_ID.read_text().strip() if boot is None else boot
        self._file = StoreFile(path)
        self._clock = clock
        with told():
            before = float(self._db.execute("SELECT seconds FROM age").fetchone()[0])
            self._last_seq = self._next_seq() - 1
        self._born = clock() - before
        self._outrun: list[str] = []  # this, and the next, of what is being put
        self._anew: list[str] = []
        self._unreadable: dict[str, str] = {}
        self.notice = self._older_copy()

    @property
    def _db(self) -> sqlite3.Connection:
        return self._file.db

    def _older_copy(self) -> str | None:
        """Somebody may have put back a backup: what was asked since is not in it."""
        noted = self._file.noted()
        if noted <= self._last_seq:
            return None
        return (
            f"the store is an older copy: it ends at wish {self._last_seq}, and {noted} were "
            "stored; cast the full set of ports, or restart nova-compute"
        )

    def close(self) -> None:
        with self._lock:
            self._file.close()

    def leave(self) -> None:
        """At the end of the process: all in one file, so that a copy of that is a whole one."""
        self.guard()
        with self._lock, contextlib.suppress(StoreUnavailable), told():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def guard(self) -> None:
        """Put the file back if somebody has taken it away; also where nothing is to be written."""
        try:
            with self._lock, told():
                self._file.hold()
        except StoreUnavailable as error:
            if self.notice != str(error):
                LOG.error("%s", error)
            self.notice = str(error)

    def put(self, items: Sequence[Wish | FullSet]) -> list[Wish]:
        """Store the wishes in order, in one commit; answer those that are stale.

        A wish with a lower generation than the stored one is stale and dropped. A message seen
        before (redelivered after a crash between commit and acknowledgement) is passed over.
        """
        with self._transaction():
            stale = self._take(items)
            last = self._next_seq() - 1
        with self._lock:
            self._file.note(last)
        for port_id in self._anew:
            self._unreadable.pop(port_id, None)
        for text in self._outrun:
            LOG.warning("%s", text)
        return stale

    def preview(self, items: Sequence[Wish | FullSet]) -> list[Port]:
        """The ports whose wishes ``put`` would change, as they would be; nothing is stored."""
        with self._transaction(keep=False):
            before = self._next_seq()
            self._take(items)
            rows = self._db.execute("SELECT * FROM ports WHERE seq >= ?", (before,)).fetchall()
        return [store_rows.port(row, self._boot) for row in rows]

    def ports(
        self, port_ids: Collection[str] | None = None, known: Mapping[str, int] | None = None
    ) -> dict[str, Port]:
        """The ports, all or the given ones, the oldest first; unplugged ones included.

        ``known``: {port: seq}; a port that still has that seq is left out.
        """
        with self._lock, told():
            if port_ids is None:
                rows = self._rows("SELECT * FROM ports")
            else:
                rows = list(self._select(port_ids, known or {}))
        ports = map(self._port, sorted(rows, key=store_rows.order))
        return {port.port_id: port for port in ports if port}

    def known(self, port_ids: Iterable[str]) -> set[str]:
        """Those that have a row, be it unreadable: what is theirs on the host is no orphan's."""
        ids = set(port_ids)
        return self.ports(ids).keys() | (ids & self.unreadable.keys())

    @property
    def unreadable(self) -> Mapping[str, str]:
        """{port: what is wrong with its row}. It is left as it is, until a new wish comes."""
        return self._unreadable

    def _port(self, row: sqlite3.Row) -> Port | None:
        try:
            return store_rows.port(row, self._boot)
        except store_rows.UNREADABLE as error:
            port_id = str(row["port_id"])
            if port_id not in self._unreadable:
                self._unreadable[port_id] = brief(str(error))
                LOG.error(
                    "Port %s is unreadable in the store and left alone until it is plugged or "
                    "unplugged anew: %s", brief(port_id), brief(str(error)),
                )  # fmt: skip
            return None

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            if "decode" not in str(error):
                raise
        # a text that is none: only its own row is to be unreadable
        self._db.text_factory = lambda text: text.decode(errors="surrogateescape")
        return self._db.execute(query, values).fetchall()

    def save(
        self, ports: Iterable[Port], links: Mapping[str, tuple[int, str, str]] | None = None
    ) -> None:
        """Store what became of the ports; a port whose wish has changed since only its ``made``.

        ``links``: as ``links`` is to answer from now on; None: as before.
        """
        with self._transaction():
            for port in ports:
                self._save(port)
            if links is not None:
                self._db.execute("DELETE FROM links")
                rows = [(name, *link, self._boot) for name, link in links.items()]
                self._db.executemany("INSERT INTO links VALUES (?, ?, ?, ?, ?)", rows)

    def links(self) -> dict[str, tuple[int, str, str]]:
        """Index, kind and stamp of shared links, by name, as far as they were made in this boot."""
        with self._lock, told():
            rows = self._db.execute("SELECT * FROM links WHERE boot = ?", (self._boot,)).fetchall()
        return {row["name"]: (row["idx"], row["kind"], row["stamp"]) for row in rows}

    def keep_made(self, ports: Iterable[Port]) -> None:
        """Store of these ports only what is theirs on the host."""
        with self._transaction():
            for port in ports:
                self._save_made(port)

    def _select(self, port_ids: Iterable[str], known: Mapping[str, int]) -> Iterator[sqlite3.Row]:
        for port_id in port_ids:
            seq = known.get(port_id, -1)
            yield from self._rows(
                "SELECT * FROM ports WHERE port_id = ? AND seq != ?", (port_id, seq)
            )

    def _take(self, items: Iterable[Wish | FullSet]) -> list[Wish]:
        self._outrun, self._anew = [], []
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
        rows = {row["port_id"]: row for row in self._rows("SELECT * FROM ports")}
        for wish in full.plugs:
            row = rows.get(wish.port_id)
            plug = store_rows.with_instance(wish, row)
            if row and row["verb"] == PLUG and store_rows.says(row, plug):
                self._raise_generation(plug)
            else:
                self._put(plug)
        for row in rows.values() if full.deletes else ():
            if store_rows.left_out(row, full):
                self._put(store_rows.unplug(row, full))

    def _raise_generation(self, wish: Wish) -> None:
        """The wish stands, and is as new as this."""
        self._db.execute(
            "UPDATE ports SET generation = MAX(generation, ?) WHERE port_id = ?",
            (wish.generation or 0, wish.port_id),
        )

    def _put(self, wish: Wish) -> bool:
        row = self._readable(wish.port_id)
        generation = wish.generation
        if generation is None:
            generation = row["generation"] if row else 0
        elif row and not counts(generation, row["generation"], wish.received_at):
            return False
        self._note_outrun(wish, row)
        seq = self._next_seq()
        since = row["since"] if row and row["verb"] == PLUG else seq
        vif, vif_type = json.dumps(wish.vif), wish.vif_type or (row["vif_type"] if row else "")
        self._db.execute(
            "INSERT INTO ports (port_id, seq, since, verb, generation, instance, vif, vif_type,"
            " request_id, received_at, state, formers, source, taken)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
            " ON CONFLICT (port_id) DO UPDATE SET seq=excluded.seq, since=excluded.since,"
            " verb=excluded.verb,"
            " generation=excluded.generation, instance=excluded.instance, vif=excluded.vif,"
            " vif_type=excluded.vif_type, request_id=excluded.request_id,"
            " received_at=excluded.received_at, state=excluded.state,"
            " formers=excluded.formers, source=excluded.source, taken=excluded.taken, code=NULL,"
            " message=NULL, transient=NULL, done_at=NULL, ready_at=NULL, elapsed_ms=NULL,"
            " left_at=NULL",
            (
                wish.port_id, seq, since, wish.verb, generation, json.dumps(wish.instance), vif,
                vif_type, wish.request_id, wish.received_at, PENDING,
                store_rows.formers(row, wish), wish.source, store_rows.taken(row, wish),
            ),
        )  # fmt: skip
        return True

    def _readable(self, port_id: str) -> sqlite3.Row | None:
        """The port's row; one that cannot be read makes room."""
        for row in self._rows("SELECT * FROM ports WHERE port_id = ?", (port_id,)):
            if self._port(row):
                return row
            self._db.execute("DELETE FROM ports WHERE port_id = ?", (port_id,))
            self._anew.append(port_id)
        return None

    def _note_outrun(self, wish: Wish, row: sqlite3.Row | None) -> None:
        if row and wish.generation is not None and wish.generation < row["generation"]:
            ahead = row["generation"] / 1e9 - wish.received_at
            self._outrun.append(
                f"Port {wish.port_id}: generation {row['generation']} is {ahead:.0f} s ahead of "
                f"this host's clock: {wish.generation} counts as later"
            )

    def _first_time(self, item: Wish | FullSet) -> bool:
        cursor = self._db.execute(
            "INSERT OR IGNORE INTO seen VALUES (?, ?)", (item.message_id, self._age())
        )
        return cursor.rowcount == 1

    def _next_seq(self) -> int:
        return int(self._db.execute("SELECT COALESCE(MAX(seq), 0) + 1 FROM ports").fetchone()[0])

    def _save(self, port: Port) -> None:
        self._save_made(port)
        problem = port.problem
        self._db.execute(
            "UPDATE ports SET state=?, code=?, message=?, transient=?, devices=?, done_at=?,"
            " ready_at=?, elapsed_ms=?, left_at=? WHERE port_id=? AND seq=?",
            (
                port.state, problem and problem.code, problem and problem.message,
                problem and problem.transient, json.dumps(port.devices), port.done_at,
                port.ready_at, port.elapsed_ms,
                self._age() if port.state == UNPLUGGED else None, port.port_id, port.seq,
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

    def _age(self) -> float:
        """Seconds that this store was in use: ages go by it, for a host's clock may jump."""
        return self._clock() - self._born

    def forget(self) -> None:
        """Drop what is only kept against late messages, once it is old.

        What an earlier release has stored carries no age: it is as old as it is found here.
        """
        age = self._age()
        with self._transaction():
            self._db.execute("UPDATE age SET seconds = ?", (age,))
            self._db.execute("UPDATE seen SET at = ? WHERE at > ?", (age, age))
            self._db.execute("DELETE FROM seen WHERE at < ?", (age - _REMEMBER_SECONDS,))
            self._db.execute(
                "UPDATE ports SET left_at = ? WHERE state = ?"
                " AND (left_at IS NULL OR left_at > ?)", (age, UNPLUGGED, age),
            )  # fmt: skip
            self._db.execute(  # the last one's seq tells how many there were
                "DELETE FROM ports WHERE state = ? AND left_at < ?"
                " AND seq < (SELECT MAX(seq) FROM ports)", (UNPLUGGED, age - _REMEMBER_SECONDS),
            )  # fmt: skip

    def forget_port(self, port_id: str) -> str:
        """By an operator: the next cast counts, whatever its generation. Answers what was done."""
        with self._transaction():
            for row in self._rows("SELECT * FROM ports WHERE port_id = ?", (port_id,)):
                if (port := self._port(row)) and port.state != UNPLUGGED:
                    self._db.execute(
                        "UPDATE ports SET generation = 0 WHERE port_id = ?", (port_id,)
                    )
                    return f"generation {port.generation} is forgotten; the wish stands"
                self._db.execute("DELETE FROM ports WHERE port_id = ?", (port_id,))
                self._unreadable.pop(port_id, None)
                return "forgotten"
        return "unknown port"

    @contextlib.contextmanager
    def _transaction(self, keep: bool = True) -> Iterator[None]:
        with self._lock, told():
            self._file.hold()
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT" if keep else "ROLLBACK")
                self._file.written()
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                with contextlib.suppress(sqlite3.Error):  # SQLite's own log may be what fills it
                    self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                with contextlib.suppress(sqlite3.Error, StoreUnavailable, OSError):
                    self._file.written()
                raise
