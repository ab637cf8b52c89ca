"""Calls to the privileged process: what becomes of them when it dies, or hangs.

Only a restart of the agent brings a helper back, and that is safe at any line: so one that hangs
(in the kernel's lock for links, in a driver) is killed, and the agent ends as if it had died.
"""

import contextlib
import itertools
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from vif_agent.errors import HelperGone
from vif_agent.health import Sign, sign
from vif_agent.private_names import oslo_privsep as private
from vif_agent.tally import OTHER, SHORT, Durations, Tally

LOG = logging.getLogger(__name__)

#: seconds: of one call by default, and more for each link in it (an old bridge takes 0.02)
LIMIT_SECONDS = 60.0
_LINK_SECONDS = 0.1
_DYING_SECONDS = 5.0
#: who only looks does not wait behind a call that takes longer
_PATIENCE_SECONDS = 0.5


class _Call(NamedTuple):
    began: float
    until: float


class Helper:
    """Around every call to an entry point of ``context``: ``with helper(): ...``.

    For metrics: ``lasted``: seconds, by call; ``refusals``: of the kernel, by errno.
    """

    def __init__(self, context: Any) -> None:
        self._context = context
        self._limit = LIMIT_SECONDS
        self._numbers = itertools.count()
        self.lasted, self.refusals = Durations(SHORT), Tally()
        self._calls: dict[int, _Call] = {}
        self._on_death: Callable[[], None] = lambda: None
        self._on_wait: Callable[[float], None] = lambda seconds: None
        #: the process in which the calls are carried out; until it is forked, this one
        self.pid = os.getpid()

    @contextlib.contextmanager
    def __call__(self, links: int = 0, call: str = OTHER) -> Iterator[None]:
        """privsep would start a dead helper anew by sudo, which we do not have."""
        if private.runs_here(self._context):
            yield
            return
        if not private.lives(self._context):
            raise HelperGone("the privileged helper is not running")
        number, began = next(self._numbers), time.monotonic()
        limit = self._limit + links * _LINK_SECONDS
        if links:
            self._on_wait(limit)
        self._calls[number] = _Call(began, began + limit)
        try:
            with self.lasted.timed(call):
                yield
        except OSError as error:
            # a call that is being sent meets the end of the channel before its reader does
            if isinstance(error, ConnectionError) or not private.lives(self._context):
                raise HelperGone("the privileged helper has died") from error
            raise
        finally:
            del self._calls[number]

    def stalls(self) -> bool:
        """Is a call unanswered for so long that no more should wait behind it but for work?"""
        late = time.monotonic() - _PATIENCE_SECONDS
        return any(call.began < late for call in list(self._calls.values()))

    def sign(self) -> Sign:
        """Does it live, and answer?"""
        if not private.runs_here(self._context) and not private.lives(self._context):
            return sign("it has died")
        return sign(f"it has not answered for {self._limit:g} s" if self._is_late() else "")

    def on_death(self, call: Callable[[], None]) -> None:
        """It is called on a thread of ours, and must only take note."""
        self._on_death = call

    def on_wait(self, call: Callable[[float], None]) -> None:
        """Before each call that is about links: within how many seconds it ends, either way."""
        self._on_wait = call

    def watch(self, pid: int, limit: float) -> None:
        """From two threads: does it live, and does it answer within ``limit`` seconds?"""
        self._limit, self.pid = limit, pid
        for work, arguments in ((self._fail_calls_of_the_dead, ()), (self._end_if_late, (pid,))):
            threading.Thread(target=work, args=arguments, name="helper-watch", daemon=True).start()

    def _fail_calls_of_the_dead(self) -> None:
        """Nobody may wait for a helper that has gone."""
        private.wait_for_end(self._context)
        private.fail_calls(self._context, OSError("the privileged helper has gone"))
        self._on_death()

    def _end_if_late(self, pid: int) -> None:
        while not self._is_late():
            time.sleep(self._limit / 4)
        LOG.critical("The privileged helper has not answered for %g s: killing it", self._limit)
        os.kill(pid, signal.SIGKILL)
        time.sleep(_DYING_SECONDS)
        if self._is_late():  # in the kernel, where no signal reaches it
            LOG.critical("The privileged helper does not even die: ending")
            os._exit(1)

    def _is_late(self) -> bool:
        return any(call.until < time.monotonic() for call in list(self._calls.values()))
