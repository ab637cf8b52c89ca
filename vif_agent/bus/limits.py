"""A time limit for what has none.

oslo.messaging waits for a broker for as long as that takes: one that has an alarm takes a message
and does not confirm it, one that hangs takes the connection and says nothing, and the connection
for the replies is tried for ever, whatever ``retry`` says. So what is sent is sent in a thread of
its own, and left behind in it when the time is over. It may still be sent then.
"""

import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

#: oslo.messaging's own bound (rpc_conn_pool_size): one more thread would wait for a connection
_AT_ONCE = 30


class TimeOver(Exception):
    """Nothing came of it, neither an answer nor an error."""


class Limits:
    """Safe to use from several threads. What is left behind keeps its place until it ends.

    A thread that has sent waits for the next: to start one costs more than the cast itself. They
    are daemons, as those of concurrent.futures are not: what is left behind must not keep the
    sender's process from ending.
    """

    def __init__(self, at_once: int = _AT_ONCE) -> None:
        self._at_once = at_once
        self._begin()
        os.register_at_fork(after_in_child=self._begin)  # a fork takes no threads along

    def _begin(self) -> None:
        self._slots = threading.Semaphore(self._at_once)
        self._waiting = threading.Semaphore(0)
        self._sends: queue.Queue[tuple[Callable[[], Any], Future[Any]]] = queue.Queue()

    def within(self, seconds: float, send: Callable[[], Any]) -> Any:
        """What ``send`` answers or raises; TimeOver after ``seconds``, also for want of a place."""
        deadline = time.monotonic() + seconds
        outcome: Future[Any] = Future()
        if not self._slots.acquire(timeout=max(0.0, seconds)):
            raise TimeOver
        if not self._waiting.acquire(blocking=False):
            threading.Thread(target=self._run, args=(self._sends,), daemon=True).start()
        self._sends.put((send, outcome))
        try:
            return outcome.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            if not outcome.done():
                raise TimeOver from None
            raise  # its own

    def _run(self, sends: "queue.Queue[tuple[Callable[[], Any], Future[Any]]]") -> None:
        while True:
            send, outcome = sends.get()
            answer, failure = None, None
            try:
                answer = send()
            except BaseException as error:
                failure = error
            self._waiting.release()  # before whoever waits sends the next
            self._slots.release()
            if failure is None:
                outcome.set_result(answer)
            else:
                outcome.set_exception(failure)
            del send, outcome, answer, failure  # while it waits it keeps nothing of them
