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
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vif_agent.errors import StoreUnavailable
from vif_agent.ports import store_schema

LOG = logging.getLogger(__name__)

_SAVED, _SAVING, _ASIDE, _COUNT = ".saved", ".saving", ".replaced", ".count"
_NOBODY = os.stat_result([0] * 10)
_BESIDE = ("", "-wal", "-shm")  # what SQLite calls its files

#: of each of them device and inode, and in the same order their sizes
_Seen = tuple[list[tuple[int, int]], list[int]]


def path(conf: Any) -> Path:
    """Of the agent and vif-agentctl."""
    return Path(conf.state_path, "vif-agent.sqlite")


class StoreFile:
    """``db`` is SQLite's connection. Used by one thread at a time, but for ``sync``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = [f"{path}{end}" for end in _BESIDE]
        self.db = store_schema.opened(path)
        self._seen = _look(self._names)
        self._closed = False
        self._count: int | None = None
        self._syncing = threading.Lock()
        self._log = self._opened_log()

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(_look(self._names)[1])

    def close(self) -> None:
        """Once, at the end."""
        with self._syncing:
            os.close(self._log)
            self._log = -1
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
        """What is committed outlives this process; the host, once it is synced."""
        self.db.execute("COMMIT")

    def sync(self) -> None:
        """Until what is committed is on disk, as SQLite itself would do in each commit.

        A commit that is not outlives this process, but perhaps not the host. The file is SQLite's
        write-ahead log; of the database itself none may be opened here, for to close it drops
        SQLite's locks.
        """
        with self._syncing:
            if self._closed:
                raise StoreUnavailable(f"store: {self._path} is to be put back first")
            os.fdatasync(self._log)

    def renew(self) -> None:
        """What a disk has failed to take once, the kernel may have dropped: all goes there anew."""
        self._put_back()
        LOG.error("%s could not be written to disk: it was written anew", self._path)

    def _opened_log(self) -> int:
        return os.open(self._names[1], os.O_RDONLY | os.O_CLOEXEC)

    def checkpoint(self) -> None:
        """All into one file, and nothing in SQLite's log."""
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _written(self) -> None:
        """Something was: before anybody hears of it."""
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
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(store_schema.connected(self._path)) as db,
        ):
            return [tuple(row) for row in db.execute("PRAGMA quick_check(1)")] == [("ok",)]
        return False

    def _put_back(self) -> None:
        """Killed at any line, ``recover`` goes on from there."""
        saving = _beside(self._path, _SAVING)
        with sqlite_errors():
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
        with sqlite_errors():
            recover(self._path)
        self.db = store_schema.opened(self._path)
        self._seen = _look(self._names)
        with self._syncing:
            os.close(self._log)
            self._log = self._opened_log()
        self._closed = False

    # -- how far it goes, beside it ------------------------------------------------------------

    def note(self, seq: int) -> None:
        """The last request that is stored. Needs not be durable: too low a number does no harm."""
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


def to_be_opened(path: Path) -> Path:
    """What will be there when ``recover`` has been."""
    saved = _beside(path, _SAVED)
    return saved if saved.exists() else path


def recover(path: Path) -> None:
    """Finish what a process before this one has begun in ``_put_back``."""
    saved = _beside(path, _SAVED)
    if saved.exists():
        _set_aside(path)
        saved.rename(path)
        _sync(path.parent)


@contextlib.contextmanager
def sqlite_errors() -> Iterator[None]:
    """What SQLite or the disk says becomes StoreUnavailable; a bug of ours stays what it is."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a bug of ours, not the disk's, nor of another release's columns
    except (sqlite3.DatabaseError, OSError) as error:
        raise StoreUnavailable(f"store: {error}") from error


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
