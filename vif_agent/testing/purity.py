"""What a piece of code does besides computing: by Python's audit events and its calls of C."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
from collections.abc import Iterator
from types import FrameType

#: of Python's audit events (docs.python.org/3/library/audit_events.html)
_EVENTS = (
    "ctypes.", "fcntl.", "ftplib.", "glob.", "http.", "mmap.", "open", "os.", "pathlib.",
    "shutil.", "signal.", "smtplib.", "socket.", "sqlite3.", "ssl.", "subprocess.", "syslog.",
    "tempfile.", "urllib.",
)  # fmt: skip
#: modules in C for which there is no such event: the clock, threads, chance
_MODULES = {"time", "_thread", "_random", "random", "datetime"}
#: of those modules, what only computes; the lock is that of functools.cached_property (Python 3.11)
_COMPUTES = {
    "gmtime", "isoformat", "mktime", "strftime", "strptime", "timedelta", "total_seconds",
    "RLock", "__enter__", "__exit__",
}  # fmt: skip

#: with the thread that is watched: what others do meanwhile is not the code's doing
_watching: list[tuple[int, list[str]]] = []
_hooked = False


@contextlib.contextmanager
def acts() -> Iterator[list[str]]:
    """What is done meanwhile that a pure function does not do.

    A module that is imported only now is read from disk, and so is seen too.
    """
    _hook()
    seen: list[str] = []
    before, collects = sys.getprofile(), gc.isenabled()
    gc.disable()  # whoever is called back by it would be taken for the code
    watched = (threading.get_ident(), seen)
    _watching.append(watched)
    sys.setprofile(_called)
    try:
        yield seen
    finally:
        sys.setprofile(before)
        _watching.remove(watched)
        if collects:
            gc.enable()


def _hook() -> None:
    """There is no way to take one off again."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_heard)
        _hooked = True


def _heard(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event.startswith(_EVENTS):
        _note(f"{event}{arguments!r}"[:200])


def _called(_: FrameType, event: str, function: object) -> None:
    name = getattr(function, "__name__", "")
    if event == "c_call" and _module(function) in _MODULES and name not in _COMPUTES:
        _note(f"{_module(function)}.{name}")


def _module(function: object) -> str:
    """A method in C knows only its object."""
    owner = getattr(function, "__self__", None)
    kind = owner if isinstance(owner, type) else type(owner)
    return str(getattr(function, "__module__", None) or kind.__module__)


def _note(act: str) -> None:
    here = threading.get_ident()
    for thread, seen in _watching:
        if thread == here:
            seen.append(act)
