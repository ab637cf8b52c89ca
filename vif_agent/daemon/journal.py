"""Lines of the log with their priority, where systemd's journal reads them (sd-daemon(3)).

Without it each line is an "info" to the journal, and ``journalctl -p warning`` shows nothing.
"""

import logging
import os
from typing import Any

_PRIORITIES = {
    logging.CRITICAL: 2,
    logging.ERROR: 3,
    logging.WARNING: 4,
    logging.INFO: 6,
    logging.DEBUG: 7,
}


def reads(stream: Any) -> bool:
    """systemd says which file it reads; a stream may have been redirected since."""
    try:
        there = os.fstat(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{there.st_dev}:{there.st_ino}"


def marked(level: int, text: str) -> str:
    """Each line, for the journal keeps them one by one."""
    priority = min((p for known, p in _PRIORITIES.items() if level >= known), default=7)
    return "\n".join(f"<{priority}>{line}" for line in text.split("\n"))


def mark() -> None:
    """What is logged from here on to a stream that the journal reads: oslo.log takes stdout."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and reads(handler.stream):
            handler.setFormatter(_Marking(handler.formatter or logging.Formatter()))


class _Marking(logging.Formatter):
    def __init__(self, plain: logging.Formatter) -> None:
        super().__init__()
        self._plain = plain

    def format(self, record: logging.LogRecord) -> str:
        return marked(record.levelno, self._plain.format(record))
