"""A time limit for what has none.

oslo.messaging waits for a broker for as long as that takes: one that has an alarm takes a message
and does not confirm it, one that hangs takes the connection and says nothing, and the connection
for the replies is tried for ever, whatever ``retry`` says. So what is sent is sent in a thread of
its own, and left behind in it when the time is over. It may still be sent then.
"""

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
    """Safe to use from several threads. What is left behind keeps its place until it ends."""

    def __init__(self, at_once: int = _AT_ONCE) -> None:
        self._places = threading.Semaphore(at_once)

    def within(self, seconds: float, send: Callable[[], Any]) -> Any:
        """What ``send`` answers or raises; TimeOver after ``seconds``, also for want of a place."""
        deadline = time.monotonic() + seconds
        outcome: Future[Any] = Future()
        if not self._places.acquire(timeout=max(0.0, seconds)):
            raise TimeOver
        threading.Thread(target=self._run, args=(send, outcome), daemon=True).start()
        try:
            return outcome.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            if not outcome.done():
                raise TimeOver from None
            raise  # its own

    def _run(self, send: Callable[[], Any], outcome: "Future[Any]") -> None:
        try:
            outcome.set_result(send())
        except BaseException as error:
            outcome.set_exception(error)
        finally:
            self._places.release()
