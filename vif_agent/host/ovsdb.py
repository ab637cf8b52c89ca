"""One connection to ovsdb-server, owned by one thread.

The thread keeps python-ovs's replica of the few columns we use, and runs what other threads ask
of it: reads, and one transaction a round. It tells of interfaces that ovs-vswitchd has taken in
or refused, and of every (re)connection.
"""

import errno
import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

import ovs.db.idl
import ovs.poller
import ovs.vlog

from vif_agent.errors import HostRefused, NotYet, OvsdbUnavailable, Problem
from vif_agent.host.ovs_refusals import Overtaken, refusal
from vif_agent.host.ovs_replica import Replica
from vif_agent.host.ovs_rows import NOT_INITIALISED, Rows
from vif_agent.host.ovs_vswitchd import Progress
from vif_agent.host.ovs_writer import Writer
from vif_agent.ownership import Found
from vif_agent.plan import Step
from vif_agent.resources import OVS_BRIDGE, OVS_PORT, Key

LOG = logging.getLogger(__name__)

_T = TypeVar("_T")

#: told instead of keys when events may have been missed: everything may differ
EVERYTHING: frozenset[Key] | None = None

#: of one transaction, when others write what it depends on
_TRIES = 5

OnChange = Callable[[frozenset[Key] | None], None]

#: seconds to wait for an answer, and more for each write of a transaction
_PATIENCE_SECONDS, _PATIENCE_EACH = 3.0, 0.02
_YOUNG_SECONDS = 5.0  # after the start a connection may yet come


class Ovsdb:
    """``on_change`` is called on the OVSDB thread and must only take note.

    ``timeout``: seconds for one transaction; all methods raise OvsdbUnavailable when the server
    is away.
    """

    def __init__(self, connection: str, timeout: float, on_change: OnChange) -> None:
        self._timeout = timeout
        self._connection = connection
        self._refusal = ""  # the last that was told
        self._on_change = on_change
        self._calls: deque[tuple[Callable[[], Any], Future[Any], float]] = deque()
        # not a pipe: eventlet's os.read waits even on one that is set not to block
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._hangs_from = float("inf")  # while a call is carried out: when nobody waits for it
        self._started = 0.0
        self._stopping = False
        self._was_connected = self._was_whole = False
        self._vswitchd = Progress(connection, timeout)
        self._unattended: set[str] = set()
        self._idl = Replica(connection)
        self._rows = Rows(self._idl)
        self._thread = threading.Thread(target=self._run, name="ovsdb", daemon=True)

    def start(self) -> None:
        self._started = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._wake()
        self._thread.join()
        self._idl.close()
        self._wake_read.close()
        self._wake_write.close()

    def read(self, keys: Collection[Key], going: Collection[Key] = ()) -> dict[Key, Found]:
        return self._call(lambda: self._read(keys, going))

    def read_claimed(self) -> dict[Key, Found]:
        """All that carries our stamp, whatever it is called, and broken ports of others' plugs."""
        return self._call(lambda: self._read(list(self._rows.claimed())))

    def apply(self, steps: Sequence[Step]) -> dict[Key, Problem]:
        """Carry out the steps in one transaction; what failed, by key.

        What cannot be written, or the database refuses, is tried again in halves, so that one bad
        row harms no other.
        """
        return self._call(lambda: self._apply(steps), [step.key for step in steps])

    def _call(self, function: Callable[[], _T], writes: Sequence[Key] = ()) -> _T:
        """Nobody waits for a server that hangs. What is given up amid the work goes on by itself,
        its end is told as a change of what it ``writes``, and until then all else fails at once."""
        if time.monotonic() > self._hangs_from:
            raise OvsdbUnavailable("ovsdb: the server has not answered yet")
        patience = min(_PATIENCE_SECONDS + _PATIENCE_EACH * len(writes), self._timeout * 2)
        future: Future[_T] = Future()
        self._calls.append((function, future, patience))
        self._wake()
        try:
            return future.result(patience)
        except FutureTimeout:
            if not future.cancel():  # else nobody knows of what is done later
                future.add_done_callback(lambda _: self._on_change(frozenset(writes)))
            raise OvsdbUnavailable("ovsdb: the server does not answer") from None

    def _wake(self) -> None:
        self._wake_write.send(b"!")

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._turn()
            except Exception:
                LOG.exception("OVSDB thread: connecting anew")
                self._idl.force_reconnect()
                time.sleep(1)

    def _turn(self) -> None:
        self._idl.run()
        self._tell()
        while self._calls:
            function, future, patience = self._calls.popleft()
            self._hangs_from = time.monotonic() + patience
            self._carry_out(function, future)
            self._hangs_from = float("inf")
        self._tell()
        poller = ovs.poller.Poller()
        poller.fd_wait(self._wake_read.fileno(), ovs.poller.POLLIN)
        self._idl.wait(poller)
        if not self._calls:
            poller.block()
        self._drain()

    def _drain(self) -> None:
        try:
            while self._wake_read.recv(4096):
                pass
        except BlockingIOError:
            pass

    def _carry_out(self, function: Callable[[], _T], future: Future[_T]) -> None:
        """A call that comes before the replica is there waits for it, within the timeout."""
        try:
            self._run_until(lambda: self._idl.connected)
            self._tell()  # of the connection, before anything is seen through it
        except Exception as error:
            if future.set_running_or_notify_cancel():
                future.set_exception(error)
        else:
            _complete(future, function)

    def _run_until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._grace()
        while not done():
            left = deadline - time.monotonic()
            if left <= 0 or self._stopping:
                self._was_connected = self._idl.connected
                raise OvsdbUnavailable(f"ovsdb: {self._away}")
            poller = self._poller(left)
            self._idl.wait(poller)
            poller.block()
            self._drain()
            self._idl.run()

    def _grace(self) -> float:
        """Seconds for the connection to come (back): for one that nobody has seen come, none."""
        if self._was_connected:
            return self._timeout
        return 0.5 if time.monotonic() < self._started + _YOUNG_SECONDS else 0.0

    def _poller(self, seconds: float) -> Any:
        """Also ``stop`` ends its wait."""
        poller = ovs.poller.Poller()
        poller.timer_wait(int(seconds * 1000) + 1)
        poller.fd_wait(self._wake_read.fileno(), ovs.poller.POLLIN)
        return poller

    def _tell(self) -> None:
        """Pass on what has changed since the last time."""
        if not self._idl.connected and self._idl.refusal != self._refusal:
            absent = self._idl.refusal in ("", os.strerror(errno.ENOENT))  # a host may have none
            LOG.log(logging.INFO if absent else logging.WARNING, "OVSDB: %s", self._away)
        self._refusal = "" if self._idl.connected else self._idl.refusal
        state = (self._idl.connected, self._idl.whole)
        if state != (self._was_connected, self._was_whole):
            self._was_connected, self._was_whole = state
            LOG.info("OVSDB %s", self._state)
            if self._idl.connected:
                self._reached()
                self._idl.changed.clear()
                self._idl.wired += 1  # rows that went while we were away are told of by nobody
                self._on_change(EVERYTHING)
        if keys := frozenset(self._idl.changed) | self._reached():
            self._idl.changed.clear()
            self._on_change(keys)

    @property
    def _state(self) -> str:
        if not self._idl.connected:
            return "connection lost"
        return "connected" if self._idl.whole else f"connected, but {NOT_INITIALISED}"

    @property
    def _away(self) -> str:
        why = f": {self._idl.refusal}" if self._idl.refusal else ""
        return f"not connected to {self._connection}{why}"

    def _reached(self) -> frozenset[Key]:
        return self._vswitchd.reached(self._rows.root) if self._idl.whole else frozenset()

    def _read(self, keys: Collection[Key], going: Collection[Key] = ()) -> dict[Key, Found]:
        found = ((key, self._rows.found(key, self._vswitchd.awaited(key.name))) for key in keys)
        seen = {key: thing for key, thing in found if thing is not None}
        for key in keys:
            if key.space == OVS_BRIDGE:
                self._tell_unattended(key.name, seen.get(key))
        return self._vswitchd.believed(seen, going)

    def _tell_unattended(self, name: str, bridge: Found | None) -> None:
        """Once of each that is made, and when its owner has come."""
        if bridge and bridge.error and name not in self._unattended:
            LOG.warning("Bridge %s: %s", name, bridge.error)
            self._unattended.add(name)
        elif name in self._unattended and not (bridge and bridge.error):
            LOG.info("Bridge %s: %s", name, "its owner has come" if bridge else "it has gone")
            self._unattended.discard(name)

    def _apply(self, steps: Sequence[Step]) -> dict[Key, Problem]:
        try:
            self._commit(steps)
            return {}
        except (HostRefused, Overtaken) as error:
            groups = {step.ports or (step.owner,) for step in steps}
            if len(groups) > 1:
                return self._apply_in_halves(steps, sorted(groups))
            return {step.key: error.problem for step in steps}
        except NotYet as error:
            return {step.key: error.problem for step in steps}

    def _apply_in_halves(
        self, steps: Sequence[Step], groups: Sequence[tuple[str, ...]]
    ) -> dict[Key, Problem]:
        first = {*groups[: len(groups) // 2]}
        in_first = [(step.ports or (step.owner,)) in first for step in steps]
        failures = self._apply([s for s, early in zip(steps, in_first, strict=True) if early])
        return failures | self._apply(
            [s for s, early in zip(steps, in_first, strict=True) if not early]
        )

    def _commit(self, steps: Sequence[Step]) -> None:
        """What others have written meanwhile may change what is to be written: once more."""
        for _ in range(_TRIES):
            txn, status = self._try(steps)
            if status != txn.TRY_AGAIN:
                break
        else:
            raise NotYet("ovsdb: the database has changed meanwhile")
        if status not in (txn.SUCCESS, txn.UNCHANGED):
            raise refusal(str(txn.get_error()))
        if status == txn.SUCCESS:
            ports = [step.key.name for step in steps if step.key.space == OVS_PORT]
            self._vswitchd.wrote(ports, txn.get_increment_new_value())

    def _try(self, steps: Sequence[Step]) -> tuple[Any, Any]:
        txn = ovs.db.idl.Transaction(self._idl)
        try:
            Writer(self._rows, txn).write(steps)
            return txn, self._finish(txn)
        except BaseException:
            txn.abort()
            raise
        finally:
            self._idl.txn = None

    def _finish(self, txn: Any) -> Any:
        status = txn.commit()
        deadline = time.monotonic() + self._timeout
        while status == txn.INCOMPLETE:
            left = deadline - time.monotonic()
            if left <= 0 or self._stopping:
                raise OvsdbUnavailable("ovsdb: no answer to a transaction")
            poller = self._poller(left)
            self._idl.wait(poller)
            txn.wait(poller)
            poller.block()
            self._drain()
            self._idl.run()
            status = txn.commit()
        return status


def _complete(future: Future[_T], function: Callable[[], _T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except Exception as error:
        future.set_exception(error)
