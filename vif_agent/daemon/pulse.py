"""That the loop goes on: what the supervisor is told of it, and whoever asks."""

import contextlib
import time
from collections.abc import Iterator

from vif_agent.daemon import systemd
from vif_agent.health import Sign, sign

#: seconds that the loop waits at most, while nobody wakes it
LONGEST_PAUSE = 60.0
#: and after which it is taken for hanging, by us as by the unit's WatchdogSec
LIMIT = 3 * LONGEST_PAUSE
_LONG_SECONDS = 15.0  # for a reconcile; who is asked within one has less


def reconcile(lasts: float | None) -> Sign:
    """Does the one that runs, if one does, come to its end?"""
    late = lasts is not None and lasts > _LONG_SECONDS
    return sign(f"it has lasted for {lasts:.0f} s" if late else "")


class Pulse:
    """``beat`` is for the thread that does the work; all else for any."""

    def __init__(self) -> None:
        self._watchdog = systemd.Watchdog()
        self._start_limit = systemd.StartLimit()
        self._beaten = time.monotonic()
        self._patience = LIMIT
        self._ready = False

    @property
    def next_due(self) -> float:
        """When the next beat is wanted, by time.monotonic."""
        return min(self._watchdog.next_due, self._start_limit.next_due)

    def beat(self) -> None:
        """As often as you like."""
        self._beaten, self._patience = time.monotonic(), LIMIT
        self._watchdog.feed()
        self._start_limit.extend()

    def allow(self, seconds: float) -> None:
        """What comes before the next beat may take so long, and has a limit of its own: who waits
        for it does not hang."""
        self._beaten, self._patience = time.monotonic(), LIMIT + seconds
        self._watchdog.allow(seconds)
        self._start_limit.allow(seconds)

    def started(self) -> None:
        """By another thread than the one that beats."""
        self._start_limit.over()
        self._ready = True
        systemd.notify(READY="1")

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """`systemctl reload` waits for it. Before the start is over nothing is said: who then says
        READY again says that it is over."""
        if not self._ready:
            yield
            return
        now = str(time.monotonic_ns() // 1000)  # for Type=notify-reload
        systemd.notify(RELOADING="1", MONOTONIC_USEC=now)
        try:
            yield
        finally:
            systemd.notify(READY="1")

    def loop(self) -> Sign:
        """Does it go on?"""
        silent = time.monotonic() - self._beaten
        return sign(f"it hangs: nothing for {silent:.0f} s" if silent > self._patience else "")

    def watchdog(self) -> Sign:
        """Does a supervisor look after it?"""
        if not self._watchdog.limit:
            return Sign(None, "nobody has asked for it (WatchdogSec)")
        silent = time.monotonic() - self._watchdog.fed
        return sign("" if silent < self._watchdog.limit else f"not fed for {silent:.0f} s")
