"""What is done again and again in a thread of its own, however long others take to answer."""

import threading
import time
from collections.abc import Callable

from vif_agent.bus.pauses import spread
from vif_agent.l2_agent.server import NotAnswered

_PAUSE_SECONDS = 1.0  # after a failure; doubled each time
_LONGEST_PAUSE_SECONDS = 16.0


class Errand:
    """``run`` does it once, and answers the seconds until the next time (None: when woken); it may
    raise NotAnswered. ``apart``: seconds between two times, at least, for what comes soon after
    each other to gather. ``complain`` is called with what is in the way when that has changed;
    empty: nothing is any more."""

    def __init__(
        self,
        run: Callable[[], float | None],
        complain: Callable[[str], None],
        *,
        apart: float,
        name: str,
    ) -> None:
        self._run_once = run
        self._complain = complain
        self._apart = apart
        self._woken, self._ending = threading.Event(), threading.Event()
        #: why it cannot be done now; empty while it can
        self.trouble = ""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def begin(self) -> None:
        """Once."""
        self._thread.start()

    def wake(self) -> None:
        """Do it soon. Waits for nobody."""
        self._woken.set()

    def end(self) -> None:
        """After what runs now, which may last; nobody waits for it."""
        self._ending.set()
        self._woken.set()

    def _run(self) -> None:
        pause = _PAUSE_SECONDS
        while not self._ending.is_set():
            self._woken.clear()
            began = time.monotonic()
            due, trouble = self._tried()
            self._note(trouble)
            if trouble:
                self._ending.wait(spread(pause))
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                continue
            pause = _PAUSE_SECONDS
            self._woken.wait(due)
            self._ending.wait(max(0.0, began + self._apart - time.monotonic()))

    def _tried(self) -> tuple[float | None, str]:
        """Not logged in the handler, for there oslo.log says the error once more."""
        try:
            return self._run_once(), ""
        except NotAnswered as error:
            return None, str(error)

    def _note(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            self._complain(trouble)
