"""The requests on disk, with what became of each port: SQLite, one file, one row a port.

A cast is acknowledged to the broker only after ``put`` has returned, so ``put`` is the moment
from which a request cannot be lost. Every method may raise StoreUnavailable (disk full, I/O
error); the file is then as it was before.

A commit outlives this process when it is written, which is before any other thread sees it; and
the host, once ``sync`` has returned.
"""

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from vif_agent.errors import StoreUnavailable
from vif_agent.ports.accepted import Accepted
from vif_agent.ports.counted import Counted
from vif_agent.ports.event import REFUSED, WISHED
from vif_agent.ports.history import History
from vif_agent.ports.memory import Memory
from vif_agent.ports.port import (
    UNPLUGGED,
    FullSet,
    Port,
    PortRequest,
)
from vif_agent.ports.store_file import StoreFile, sqlite_errors
from vif_agent.ports.store_reader import Reader
from vif_agent.ports.store_writer import Writer
from vif_agent.ports.stored import Stored
from vif_agent.wishes import NEUTRON

LOG = logging.getLogger(__name__)

_SOURCES = {"file": "the file", NEUTRON: "Neutron"}
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Store(Stored):
    """Safe to use from several threads.

    ``boot``: which boot of the host this is. ``clock``: one that cannot be set. ``notice``: what is
    wrong with the store as it was found. ``history``: what happened to ports, saved with all else.
    """

    def __init__(
        self, path: Path, boot: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        boot = _BOOT_ID.read_text().strip() if boot is None else boot
        self._file = StoreFile(path)
        self._reader = Reader(self._file, boot)
        self._memory = Memory(self._reader)
        super().__init__(self._memory, self._reader)
        with sqlite_errors():
            self._writer = Writer(self._file, boot, self._reader.age(), clock)
        self.history = History(self._file, self._memory.lock, self._writer.age)
        self._durable = self._memory.seq
        #: what was done, for metrics
        self.counted = Counted()
        self.notice = self._older_copy()

    def _older_copy(self) -> str | None:
        """Somebody may have put back a backup: what was asked since is not in it."""
        noted = self._file.noted()
        if noted <= self._memory.seq:
            return None
        return (
            f"the store is an older copy: it ends at request {self._memory.seq}, and {noted} were "
            "stored; cast the full set of ports, or restart nova-compute"
        )

    @property
    def size(self) -> int:
        """Bytes of its files. Asks the disk nothing that would wait for it."""
        return self._file.size

    def close(self) -> None:
        """Once, at the end; what is unsaved is lost, and seen again by looking."""
        with self._memory.lock:
            self._file.close()

    def leave(self) -> None:
        """At the end of the process: all in one file, so that a copy of that is a whole one."""
        self.guard()
        if self.history.waits:
            with contextlib.suppress(StoreUnavailable):
                self.save()
        with self._memory.lock, contextlib.suppress(StoreUnavailable), sqlite_errors():
            self._file.checkpoint()

    def guard(self) -> None:
        """Put the file back if somebody has taken it away; also where nothing is to be written."""
        try:
            with self._memory.lock, sqlite_errors():
                self._file.hold()
        except StoreUnavailable as error:
            if self.notice != str(error):
                LOG.error("Store: %s", error)
            self.notice = str(error)

    # -- what is to be stored ------------------------------------------------------------------

    def put(self, items: Sequence[PortRequest | FullSet]) -> list[PortRequest]:
        """Store the requests in order, and on disk; answer those that are stale."""
        stale = self.commit(items)
        self.sync()
        return stale

    def commit(self, items: Sequence[PortRequest | FullSet]) -> list[PortRequest]:
        """``put`` without the wait for the disk: it is to be followed by ``sync``.

        A request with a lower generation than the stored one is stale and dropped. A message seen
        before (redelivered after a crash between commit and acknowledgement) is passed over.
        """
        with self._transaction() as after:
            first = [item for item in items if self._writer.first_time(item)]
            accepted = self._accepted(first)
            self._writer.requests(accepted)
            after.update(accepted.ports)
        with self._memory.lock:
            self._file.note(self._memory.seq)
        for text in accepted.outrun:
            LOG.warning("A sender's clock was ahead: %s", text)
        for text in accepted.not_theirs:
            LOG.info("Nothing is unplugged: %s", text)
        self.counted.stored(items, first, accepted.stale)
        for port_id, port in accepted.ports.items():
            if port_id not in accepted.renewed:
                self.history.add(port_id, WISHED, _words(port), port.received_at)
        return accepted.stale

    def note_refusal(self, port_id: str, why: str) -> None:
        """Of a cast. Of a port that has nothing here nothing is kept: anybody may name any."""
        if port_id in self._memory.live:
            self.history.add(port_id, REFUSED, why)

    def sync(self, seq: int | None = None) -> None:
        """Until all that is committed is on disk, or what is up to this request; nobody else waits.

        Raises StoreUnavailable; to be tried again until it does not.
        """
        if seq is not None and seq <= self._durable:
            return
        committed = self._memory.seq
        with self.counted.write("sync"):
            try:
                with sqlite_errors():
                    self._file.sync()
            except StoreUnavailable:
                with self._memory.lock, sqlite_errors():
                    self._file.renew()
        self._durable = max(self._durable, committed)

    def preview(self, items: Sequence[PortRequest | FullSet]) -> list[Port]:
        """The ports whose requests ``put`` would change, as they would be; nothing is stored."""
        with self._memory.lock, sqlite_errors():
            accepted = self._accepted(items)
        return [port for i, port in accepted.ports.items() if i not in accepted.renewed]

    def note(self, ports: Iterable[Port]) -> None:
        """What became of these ports: all see it at once, and it is saved with what comes next.

        Killed before, the next process finds it out by looking.
        """
        with self._memory.lock:
            for port in self._memory.with_results(ports):
                self._memory.live[port.port_id] = self._memory.unsaved[port.port_id] = port

    @property
    def unsaved(self) -> bool:
        """Are there results that no commit has taken along yet?"""
        return bool(self._memory.unsaved)

    def save(
        self,
        ports: Iterable[Port] = (),
        links: Mapping[str, tuple[int, str, str]] | None = None,
    ) -> None:
        """Store what became of the ports; a port whose request has changed since only its ``made``.

        ``links``: as ``links`` is to answer from now on; None: as before.
        """
        with self._transaction() as after:
            results = self._memory.with_results(ports)
            self._writer.results(results)
            after.update({port.port_id: port for port in results})
            if links is not None:
                self._writer.links(links)

    def keep_made(self, ports: Iterable[Port]) -> None:
        """Store of these ports only what is theirs on the host."""
        with self._transaction() as after:
            for port in ports:
                self._writer.made(port)
                if known := self._memory.live.get(port.port_id):
                    after[port.port_id] = known.with_made(port.made)
        self.sync()

    def forget(self) -> None:
        """Drop what is only kept against late messages, once it is old."""
        with self._transaction():
            self._writer.forget_old()
        with contextlib.suppress(StoreUnavailable), self._transaction():
            self.history.forget_old()  # apart, for it may be spoilt

    def forget_port(self, port_id: str) -> str:
        """By an operator: the next cast counts, whatever its generation. Answers what was done."""
        with self._transaction() as after:
            done = self._forget_port(port_id, after)
        self.sync()
        return done

    def _forget_port(self, port_id: str, after: dict[str, Port]) -> str:
        port = self._memory.port(port_id)
        if port and port.state != UNPLUGGED:
            self._writer.generation(port_id, 0)
            after[port_id] = dataclasses.replace(port, generation=0)
            return f"generation {port.generation} is forgotten; the request stands"
        gone = self._writer.forget(port_id)
        self._reader.unreadable.pop(port_id, None)
        return "forgotten" if gone else "unknown port"

    # -- inside of a transaction ---------------------------------------------------------------

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[dict[str, Port]]:
        """What is put into the dict, others see when it is committed."""
        after: dict[str, Port] = {}
        try:
            with (
                self.counted.write("commit"),
                self._memory.lock,
                sqlite_errors(),
                self._file.transaction(),
            ):
                unsaved = dict(self._memory.unsaved)
                self._writer.results(unsaved.values())
                yield after
                self.history.write()
                self._file.commit()
                self._memory.take_over({**unsaved, **after})
        except StoreUnavailable:
            self.history.rest()
            raise
        self.history.committed()

    def _accepted(self, items: Iterable[PortRequest | FullSet]) -> Accepted:
        accepted = Accepted(self._memory.port, self._memory.seq)
        for item in items:
            if isinstance(item, FullSet):
                accepted.take_set(
                    item, self._memory.live.values(), self._reader.unreadable_plugs(item.source)
                )
            else:
                accepted.take(item)
        return accepted


def _words(port: Port) -> str:
    """What was asked, and by whom as far as it says so."""
    words = [port.verb]
    words += [f"generation {port.generation}"] if port.generation else []
    words += [port.request_id] if port.request_id else []
    words += [f"by {_SOURCES.get(port.source, port.source)}"] if port.source else []
    return ", ".join(words)
