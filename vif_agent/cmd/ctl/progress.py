"""What a person at a terminal sees while a command takes its time: one line, which goes again.

A script, a pipe and a file see nothing of it, nor does whoever is answered within a second.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

_FIRST_SECONDS, _PAUSE_SECONDS = 1.0, 0.5
_WIDTH = 79  # a line that is wrapped could not be taken back
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
        stream.write(f"{_CLEAR}{text[:_WIDTH]}{_AT_BEGIN}")
        stream.flush()
        said = True
    if said:
        stream.write(_CLEAR)
        stream.flush()
