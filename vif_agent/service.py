"""What a systemd service owes its supervisor: sd_notify(3), and one instance only."""

import fcntl
import logging
import os
import socket
import time
from pathlib import Path
from typing import IO

LOG = logging.getLogger(__name__)

_NOTIFY_SECONDS = 1.0


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


def lock(path: Path, timeout: float = 30) -> IO[str]:
    """The one agent on this state; waits ``timeout`` seconds for the one before to be gone.

    The privileged helper inherits the lock, so after a crash the next agent starts only when the
    old helper has finished what it was doing. Raises BlockingIOError when the time is over.
    """
    file = path.open("a")
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def locked(file: IO[str]) -> bool:
    """Does another process hold the lock on this file?"""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
