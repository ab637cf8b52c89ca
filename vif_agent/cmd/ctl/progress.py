"""What a person at a terminal sees while a command takes its time: one line, which goes again.

A script, a pipe and a file see nothing of it, nor does whoever is answered within a second.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

_FIRST_SECONDS, _PAUSE_SECONDS = 1.0, 0.5
_WIDTH = 79
_AT_BEGIN, _CLEAR = "\r", "\r\033[K"


@contextlib.contextmanager
def shown(what: Callable[[], str], stream: TextIO | None = None) -> Iterator[None]:
    """``what`` says how far it is; the seconds are put behind that."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield
        return
    over = threading.Event()
    line = threading.Thread(target=_show, args=(what, stream, over), daemon=True)
    line.start()
    try:
        yield
    finally:
        over.set()
        line.join()


def _show(what: Callable[[], str], stream: TextIO, over: threading.Event) -> None:
    began, said = time.monotonic(), False
    while not over.wait(_PAUSE_SECONDS if said else _FIRST_SECONDS):
        text = f"{what()}, {time.monotonic() - began:.0f} s"
        stream.write(f"{_CLEAR}{text[: _room(stream)]}{_AT_BEGIN}")
        stream.flush()
        said = True
    if said:
        stream.write(_CLEAR)
        stream.flush()


def _room(stream: TextIO) -> int:
    """Characters of a line: one that is wrapped could not be taken back."""
    columns = 0  # as some terminals say that know of none
    with contextlib.suppress(OSError):
        columns = os.get_terminal_size(stream.fileno()).columns
    return min(_WIDTH, columns - 1) if columns > 1 else _WIDTH
