"""What other threads ask of the OVSDB thread, which is woken by it."""

import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

import ovs.poller

from vif_agent.errors import OvsdbUnavailable
from vif_agent.resources import Key

_T = TypeVar("_T")

#: seconds to wait for an answer, and more for each write of a transaction
PATIENCE_SECONDS, _PATIENCE_EACH = 3.0, 0.02
DOES_NOT_ANSWER = "ovsdb: the server does not answer"


class Calls:
    """``on_late`` gets what a call has written whose end nobody has waited for."""

    def __init__(self, timeout: float, on_late: Callable[[frozenset[Key]], None]) -> None:
        self._timeout = timeout
        self._on_late = on_late
        self._waiting: deque[tuple[Callable[[], Any], Future[Any], float]] = deque()
        # not a pipe: eventlet's os.read waits even on one that is set not to block
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._hangs_from = float("inf")  # while a call is carried out: when nobody waits for it

    def __len__(self) -> int:
        return len(self._waiting)

    def call(self, function: Callable[[], _T], writes: Sequence[Key] = ()) -> _T:
        """Nobody waits for a server that hangs. What is given up amid the work goes on by itself,
        its end is an event about what it ``writes``, and until then all else fails at once."""
        self.fail_if_hanging()
        patience = min(PATIENCE_SECONDS + _PATIENCE_EACH * len(writes), self._timeout * 2)
        future: Future[_T] = Future()
        self._waiting.append((function, future, patience))
        self.wake()
        try:
            return future.result(patience)
        except FutureTimeout:
            if not future.cancel():  # else nobody knows of what is done later
                future.add_done_callback(lambda _: self._on_late(frozenset(writes)))
            raise OvsdbUnavailable(DOES_NOT_ANSWER) from None

    def fail_if_hanging(self) -> None:
        """OvsdbUnavailable while a call goes on for which nobody waits any more."""
        if time.monotonic() > self._hangs_from:
            raise OvsdbUnavailable("ovsdb: the server has not answered yet")

    def carry_out(self, get_ready: Callable[[], None]) -> None:
        """On the OVSDB thread: all that wait; if it cannot get ready for one, that one fails."""
        while self._waiting:
            function, future, patience = self._waiting.popleft()
            self._hangs_from = time.monotonic() + patience
            try:
                get_ready()
            except Exception as error:
                if future.set_running_or_notify_cancel():
                    future.set_exception(error)
            else:
                _complete(future, function)
            self._hangs_from = float("inf")

    def wake(self) -> None:
        """The thread looks at what it is asked; from any thread."""
        self._wake_write.send(b"!")

    def wait(self, poller: Any) -> None:
        """Lets ``poller`` wake up for ``wake``."""
        poller.fd_wait(self._wake_read.fileno(), ovs.poller.POLLIN)

    def drain(self) -> None:
        """It has woken."""
        with contextlib.suppress(BlockingIOError):
            while self._wake_read.recv(4096):
                pass

    def close(self) -> None:
        """When the thread has ended."""
        self._wake_read.close()
        self._wake_write.close()


def _complete(future: Future[_T], function: Callable[[], _T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except Exception as error:
        future.set_exception(error)
