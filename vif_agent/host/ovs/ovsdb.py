"""One connection to ovsdb-server, owned by one thread.

The thread keeps a replica of the few columns we use, and runs what other threads ask of it: one
transaction a round. It tells of interfaces that ovs-vswitchd has taken in or refused, and of every
(re)connection; not of what has come back of our own transactions. Who reads does so itself, under
the lock, after it has taken in what the server has sent by then: that costs no hop to the thread.
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

import ovs.poller

from vif_agent.errors import OvsdbUnavailable, Problem
from vif_agent.host.ovs.client import Client
from vif_agent.host.ovs.commit import Commits
from vif_agent.host.ovs.rows import NOT_INITIALISED, Rows
from vif_agent.host.ovs.vswitchd import Progress
from vif_agent.ownership import Found
from vif_agent.plan.steps import Step
from vif_agent.resources import OVS_BRIDGE, Key

LOG = logging.getLogger(__name__)

_T = TypeVar("_T")

#: told instead of keys when events may have been missed: everything may differ
EVERYTHING: frozenset[Key] | None = None

_Which = Callable[[], Collection[Key]]
OnChange = Callable[[frozenset[Key] | None], None]

#: seconds to wait for an answer, and more for each write of a transaction
_PATIENCE_SECONDS, _PATIENCE_EACH = 3.0, 0.02
_DOES_NOT_ANSWER = "ovsdb: the server does not answer"
_YOUNG_SECONDS = 5.0  # after the start a connection may yet come


class Ovsdb:
    """``on_change`` is called on the OVSDB thread and must only take note.

    ``timeout``: seconds for one transaction; all methods raise OvsdbUnavailable when the server
    is away.
    """

    def __init__(self, connection: str, timeout: float, on_change: OnChange) -> None:
        self._timeout = timeout
        self._connection = connection
        self._trouble = ""  # the last that was told
        self._on_change = on_change
        self._calls: deque[tuple[Callable[[], Any], Future[Any], float]] = deque()
        # not a pipe: eventlet's os.read waits even on one that is set not to block
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._hangs_from = float("inf")  # while a call is carried out: when nobody waits for it
        self._started = 0.0
        self._stopping = False
        self._is_missed = False  # a connection that was there may come back
        self._state = ("connection lost", 0)
        self._vswitchd = Progress(connection, timeout)
        self._unattended: set[str] = set()
        self._lock = threading.Lock()  # for the client, the rows and how far ovs-vswitchd is
        self._client = Client(connection)
        self._rows = Rows(self._client.replica)
        self._commits = Commits(self._client, self._lock, self._vswitchd, self._wait_for_answer)
        self._thread = threading.Thread(target=self._run, name="ovsdb", daemon=True)

    def start(self) -> None:
        self._started = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._wake()
        self._thread.join()
        self._client.close()
        self._wake_read.close()
        self._wake_write.close()

    def read(self, keys: Collection[Key], going: Collection[Key] = ()) -> dict[Key, Found]:
        return self._look(lambda: keys, going)

    def read_claimed(self) -> dict[Key, Found]:
        """All that carries our stamp, whatever it is called, and broken ports of others' plugs."""
        return self._look(lambda: [*self._rows.claimed()])

    def apply(self, steps: Sequence[Step]) -> dict[Key, Problem]:
        """Carry out the steps in one transaction; what failed, by key.

        What cannot be written, or the database refuses, is tried again in halves, so that one bad
        row harms no other.
        """
        return self._call(lambda: self._commits.apply(steps), [step.key for step in steps])

    def _look(self, which: _Which, going: Collection[Key] = ()) -> dict[Key, Found]:
        """Only for a connection that is not there, or for a question to the server, is the thread
        needed."""
        seen = self._remember(which, going)
        return self._call(lambda: self._read(which, going)) if seen is None else seen

    def _remember(self, which: _Which, going: Collection[Key]) -> dict[Key, Found] | None:
        self._fail_if_hanging()
        if not self._lock.acquire(timeout=_PATIENCE_SECONDS):
            raise OvsdbUnavailable(_DOES_NOT_ANSWER)
        try:
            if not self._client.connected:
                return None
            if self._client.take_in():
                self._wake()  # of what has come the thread tells, or has waited for it
            seen = self._seen(which()) if self._client.current else None
            if seen is None or self._vswitchd.to_recheck(seen, going):
                return None
            return self._vswitchd.believed(seen, going)
        finally:
            self._lock.release()

    def _call(self, function: Callable[[], _T], writes: Sequence[Key] = ()) -> _T:
        """Nobody waits for a server that hangs. What is given up amid the work goes on by itself,
        its end is told as a change of what it ``writes``, and until then all else fails at once."""
        self._fail_if_hanging()
        patience = min(_PATIENCE_SECONDS + _PATIENCE_EACH * len(writes), self._timeout * 2)
        future: Future[_T] = Future()
        self._calls.append((function, future, patience))
        self._wake()
        try:
            return future.result(patience)
        except FutureTimeout:
            if not future.cancel():  # else nobody knows of what is done later
                future.add_done_callback(lambda _: self._on_change(frozenset(writes)))
            raise OvsdbUnavailable(_DOES_NOT_ANSWER) from None

    def _fail_if_hanging(self) -> None:
        if time.monotonic() > self._hangs_from:
            raise OvsdbUnavailable("ovsdb: the server has not answered yet")

    def _wake(self) -> None:
        self._wake_write.send(b"!")

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._turn()
            except Exception:
                LOG.exception("OVSDB thread: connecting anew")
                with self._lock:
                    self._client.start_over()
                time.sleep(1)

    def _turn(self) -> None:
        with self._lock:
            self._client.run()
        self._tell()
        while self._calls:
            function, future, patience = self._calls.popleft()
            self._hangs_from = time.monotonic() + patience
            self._carry_out(function, future)
            self._hangs_from = float("inf")
        self._tell()
        poller = self._poller()
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
            if not self._goes_on_until(lambda: self._client.connected, self._grace()):
                self._is_missed = False
                raise OvsdbUnavailable(f"ovsdb: {self._away}")
            self._tell()  # of the connection, before anything is seen through it
        except Exception as error:
            if future.set_running_or_notify_cancel():
                future.set_exception(error)
        else:
            _complete(future, function)

    def _wait_for_answer(self, here: Callable[[], bool]) -> None:
        if not self._goes_on_until(here, self._timeout):
            raise OvsdbUnavailable("ovsdb: no answer to a transaction")

    def _goes_on_until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Not longer than that; also ``stop`` ends it."""
        deadline = time.monotonic() + seconds
        while not done():
            left = deadline - time.monotonic()
            if left <= 0 or self._stopping:
                return False
            poller = self._poller()
            poller.timer_wait(int(left * 1000) + 1)
            poller.block()
            self._drain()
            with self._lock:
                self._client.run()
        return True

    def _grace(self) -> float:
        """Seconds for the connection to come (back): for one that nobody has seen come, none."""
        if self._is_missed:
            return self._timeout
        return 0.5 if time.monotonic() < self._started + _YOUNG_SECONDS else 0.0

    def _poller(self) -> Any:
        poller = ovs.poller.Poller()
        poller.fd_wait(self._wake_read.fileno(), ovs.poller.POLLIN)
        with self._lock:
            self._client.wait(poller)
        return poller

    def _tell(self) -> None:
        """Pass on what has changed since the last time."""
        client, replica = self._client, self._client.replica
        with self._lock:
            root = replica.root if client.connected else None
            was, self._state = self._state, _state(client)
            keys = self._vswitchd.reached(root) if root else frozenset()
            keys |= replica.changed
            replica.changed.clear()
        self._tell_trouble()
        if self._state != was:
            LOG.info("OVSDB %s", self._state[0])
        if self._state != was and client.connected:
            self._is_missed = True
            self._on_change(EVERYTHING)
        elif keys:
            self._on_change(keys)

    def _tell_trouble(self) -> None:
        trouble, connected = self._client.trouble, self._client.connected
        if not connected and trouble != self._trouble:
            absent = trouble in ("", os.strerror(errno.ENOENT))  # a host may have none
            LOG.log(logging.INFO if absent else logging.WARNING, "OVSDB: %s", self._away)
        self._trouble = "" if connected else trouble

    @property
    def _away(self) -> str:
        why = f": {self._client.trouble}" if self._client.trouble else ""
        return f"not connected to {self._connection}{why}"

    def _read(self, which: _Which, going: Collection[Key]) -> dict[Key, Found]:
        with self._lock:
            seen = self._seen(which())
        return self._vswitchd.believed(seen, going)

    def _seen(self, keys: Collection[Key]) -> dict[Key, Found]:
        found = ((key, self._rows.found(key, self._vswitchd.awaited(key.name))) for key in keys)
        seen = {key: thing for key, thing in found if thing is not None}
        for key in keys:
            if key.space == OVS_BRIDGE:
                self._tell_unattended(key.name, seen.get(key))
        return seen

    def _tell_unattended(self, name: str, bridge: Found | None) -> None:
        """Once of each that is made, and when its owner has come."""
        if bridge and bridge.error and name not in self._unattended:
            LOG.warning("Bridge %s: %s", name, bridge.error)
            self._unattended.add(name)
        elif name in self._unattended and not (bridge and bridge.error):
            LOG.info("Bridge %s: %s", name, "its owner has come" if bridge else "it has gone")
            self._unattended.discard(name)


def _state(client: Client) -> tuple[str, int]:
    """In words, and of which connection."""
    if not client.connected:
        return "connection lost", 0
    initialised = client.replica.root is not None
    text = "connected" if initialised else f"connected, but {NOT_INITIALISED}"
    return text, client.attempt


def _complete(future: Future[_T], function: Callable[[], _T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except Exception as error:
        future.set_exception(error)
