"""What went wrong, and how much was said: the log as an operator would have it."""

from __future__ import annotations

import logging
import resource
from collections import Counter
from pathlib import Path

LONGEST = 2048  # bytes of one line

_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s [-] %(message)s"


class Witness(logging.Handler):
    """``crashes``: tracebacks in the log, told with what was being done (``doing``)."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter(_FORMAT))
        self.lines: Counter[str] = Counter()
        self.bytes = self.longest = 0
        self.crashes: list[str] = []
        self.doing = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if record.exc_info:
            self.crash(text)
        if not record.getMessage().isprintable():
            self.crash(f"control characters in the log: {record.getMessage()[:300]!r}")
        self.lines[record.levelname] += 1
        for line in text.splitlines():
            size = len(line.encode(errors="backslashreplace"))
            self.bytes += size
            self.longest = max(self.longest, size)
            if size > LONGEST:
                self.crash(f"a line of {size} bytes: {line[:300]!r}")

    def crash(self, text: str) -> None:
        if len(self.crashes) < 20:
            self.crashes.append(f"{self.doing}: {text}")

    def __enter__(self) -> Witness:
        root = logging.getLogger()
        root.handlers[:] = [self]
        root.setLevel(logging.INFO)
        for name in ("kombu", "amqp", "oslo"):
            logging.getLogger(name).setLevel(logging.ERROR)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().handlers.remove(self)


def memory() -> int:
    """Megabytes of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() >> 20
