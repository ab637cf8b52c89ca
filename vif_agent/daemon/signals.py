"""Signals as plain calls, on a thread of their own.

A handler may take no lock, and under eventlet it does not end anybody's wait. So Python writes the
number of each signal into a socket, and who reads that may do anything.
"""

import signal
import socket
import threading
from collections.abc import Callable, Mapping


def listen(calls: Mapping[int, Callable[[], object]]) -> None:
    """From here on each of these signals does this. To be called in the main thread."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno())
    for which in calls:
        signal.signal(which, _ignore)  # else the number would not be written
    arguments = (ours, theirs, calls)
    threading.Thread(target=_run, args=arguments, name="signals", daemon=True).start()


def _ignore(*_: object) -> None:
    """Python's own part; ``_run`` does the work."""


def _run(
    ours: socket.socket, theirs: socket.socket, calls: Mapping[int, Callable[[], object]]
) -> None:
    """``theirs`` must live as long as this."""
    while number := ours.recv(1):
        if call := calls.get(number[0]):
            call()
