"""What Python itself tells of I/O: its audit events, while a piece of code runs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

#: of Python's audit events (docs.python.org/3/library/audit_events.html)
_ACTS = (
    "_thread.start_new_thread", "ctypes.", "fcntl.", "ftplib.", "glob.", "http.", "mmap.", "open",
    "os.", "pathlib.", "shutil.", "signal.", "smtplib.", "socket.", "sqlite3.", "ssl.",
    "subprocess.", "syslog.", "tempfile.", "time.sleep", "urllib.",
)  # fmt: skip
_watching: list[list[str]] = []
_hooked = False


@contextlib.contextmanager
def acts() -> Iterator[list[str]]:
    """What is done meanwhile that a pure function does not do.

    A module that is imported only now is read from disk, and so is seen too.
    """
    _hook()
    seen: list[str] = []
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)


def _hook() -> None:
    """There is no way to take one off again."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_heard)
        _hooked = True


def _heard(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event.startswith(_ACTS):
        for seen in _watching:
            seen.append(f"{event}{arguments!r}"[:200])
