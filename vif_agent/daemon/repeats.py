"""No line of the log twice a second: what many threads meet at once, or one again and again, is
said once, and how often it was held back when it is said again.

Only what has the very same words, and error behind them. Two ports that fail for one reason are two
lines.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

_SECONDS = 1.0
_MOST = 500  # texts that are remembered

_Line: TypeAlias = tuple[str, int, str, str]


class Repeats(logging.Filter):
    """One for all handlers: each record is judged once. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._until: dict[_Line, float] = {}  # said lately; the first to be forgotten first
        self._held: dict[_Line, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Of what passes again the text says how often it was held back."""
        passes: bool | None = getattr(record, "passes", None)
        if passes is None:
            passes = record.passes = self._passes(record)
        return passes

    def _passes(self, record: logging.LogRecord) -> bool:
        try:
            text = record.getMessage()
            error = repr(record.exc_info[1]) if record.exc_info else ""
        except Exception:  # its words do not fit its values: who writes it says so, and goes on
            return True
        line, now = (record.name, record.levelno, text, error), self._clock()
        with self._lock:
            if now < self._until.get(line, now):
                self._held[line] = self._held.get(line, 0) + 1
                return False
            self._until.pop(line, None)
            self._until[line] = now + _SECONDS
            held = self._held.pop(line, 0)
            while len(self._until) > _MOST:
                self._held.pop(next(iter(self._until)), None)
                del self._until[next(iter(self._until))]
        if held:
            record.msg, record.args = f"{text} (and {held} times more before)", None
        return True


def hold_back() -> None:
    """From here on, for all that the handlers there are would write."""
    repeats = Repeats()
    for handler in logging.getLogger().handlers:
        handler.addFilter(repeats)
