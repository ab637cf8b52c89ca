"""What a systemd service owes its supervisor: sd_notify(3), and one instance only."""

import fcntl
import logging
import os
import socket
import time
from pathlib import Path
from typing import IO, Self

LOG = logging.getLogger(__name__)

_NOTIFY_SECONDS = 1.0
_EXTEND_SECONDS = 30.0
_EXTENSION_SECONDS = 180.0  # counted anew each time


def _microseconds(seconds: float) -> str:
    return str(round(seconds * 1e6))


def notify(**variables: str) -> None:
    """Tell systemd, e.g. ``notify(READY="1")``; nothing where there is none (NOTIFY_SOCKET)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    message = "\n".join(f"{name}={value}" for name, value in variables.items())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notifier:
        # a supervisor that does not read must not hold up the work; a STATUS may get lost
        notifier.settimeout(_NOTIFY_SECONDS if variables.keys() - {"STATUS"} else 0)
        try:
            notifier.connect("\0" + address[1:] if address[0] == "@" else address)
            notifier.sendall(message.encode())
        except OSError as error:
            LOG.log(logging.DEBUG if "STATUS" in variables else logging.WARNING,
                    "Cannot tell the supervisor %s: %s", message, error)  # fmt: skip


class Watchdog:
    """sd_watchdog_enabled(3): the supervisor ends us when the loop that does the work hangs.

    One that waits for what has a limit of its own is busy, and does not hang: it is told before.
    """

    def __init__(self) -> None:
        ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        limit = float(os.environ.get("WATCHDOG_USEC") or 0) if ours else 0
        self._limit = limit / 1e6
        #: seconds, as they are just now; 0 where nobody watches
        self.limit = self._limit
        #: when it was fed last, by time.monotonic
        self.fed = time.monotonic()
        #: when it is to be fed
        self.next_due = self.fed if limit else float("inf")

    def feed(self) -> None:
        """As often as you like."""
        if self.limit != self._limit:
            self._feed_for(self._limit)
        elif time.monotonic() >= self.next_due:
            self._fed()
            notify(WATCHDOG="1")

    def allow(self, seconds: float) -> None:
        """What comes next may take so long, until it is fed again."""
        if self._limit and seconds > self._limit / 2:
            self._feed_for(self._limit + seconds)

    def _feed_for(self, limit: float) -> None:
        self.limit = limit
        self._fed()
        notify(WATCHDOG="1", WATCHDOG_USEC=_microseconds(limit))

    def _fed(self) -> None:
        self.fed = time.monotonic()
        self.next_due = self.fed + self._limit / 4


class StartLimit:
    """systemd ends who is not READY in time (TimeoutStartSec). Who waits for a broker is not late
    while his loop runs, and so asks for more again and again."""

    def __init__(self, pause: float = _EXTEND_SECONDS) -> None:
        self._pause = pause
        self._over = False
        #: when more is to be asked for, by time.monotonic
        self.next_due = time.monotonic()

    def extend(self) -> None:
        """As often as you like."""
        if self._over:
            self.next_due = float("inf")
        elif time.monotonic() >= self.next_due:
            self.allow(0)

    def allow(self, seconds: float) -> None:
        """So much more than else: what comes next may take as long."""
        if not self._over:
            self.next_due = time.monotonic() + self._pause
            notify(EXTEND_TIMEOUT_USEC=_microseconds(_EXTENSION_SECONDS + seconds))

    def over(self) -> None:
        """By another thread than the one that extends."""
        self._over = True


class Lock:
    """On the state directory itself, and for agents of earlier releases on the file in it.

    A file can be deleted while it is locked, and the next agent would make and lock another. Fork
    inherits both.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.file: IO[str] = (directory / "lock").open("a")
        except BaseException:
            os.close(self.directory)
            raise

    def take(self) -> None:
        """BlockingIOError if another process has it."""
        for handle in (self.directory, self.file):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        os.close(self.directory)


def lock(directory: Path, timeout: float = 30) -> Lock:
    """The one agent on this state; waits ``timeout`` seconds for the one before to be gone.

    The privileged helper inherits the lock, so after a crash the next agent starts only when the
    old helper has finished what it was doing. Raises BlockingIOError when the time is over.
    """
    held = Lock(directory)
    deadline = time.monotonic() + timeout
    while True:
        try:
            held.take()
            return held
        except BlockingIOError:
            if time.monotonic() > deadline:
                held.__exit__()
                raise
            time.sleep(0.05)


def locked(directory: Path) -> bool:
    """Does another process hold the lock?"""
    return any(_held(path) for path in (directory, directory / "lock") if path.exists())


def _held(path: Path) -> bool:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
