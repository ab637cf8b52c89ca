"""What systemd's journal gets of the log, by one of two ways.

It reads our output: each line then says its priority (sd-daemon(3)); without that all are "info"
to it, and ``journalctl -p warning`` shows nothing. Or, with oslo.log's option ``use_journal``, it
is told by its own protocol, with fields (systemd.io/JOURNAL_NATIVE_PROTOCOL).
"""

import contextlib
import logging
import os
import socket
import sys
from typing import Any

_SOCKET = "/run/systemd/journal/socket"
_SEND_SECONDS = 1.0  # a journal that does not read must not hold up the work
_LONGEST = 32 << 10  # bytes of a field: all of them must go into one datagram

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


def send(message: str, **fields: object) -> None:
    """One entry. What the journal does not take goes to stderr."""
    entry = b"".join(_field(*each) for each in {"MESSAGE": message, **fields}.items())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.settimeout(_SEND_SECONDS)
        try:
            sender.sendto(entry, _SOCKET)
        except OSError as error:
            why = error
        else:
            return
    with contextlib.suppress(OSError):
        print(f"{message} (not in the journal: {why})", file=sys.stderr)  # noqa: T201


def _field(name: str, value: object) -> bytes:
    """With its length where it has several lines."""
    data = str(value).encode(errors="replace")[:_LONGEST]
    if b"\n" not in data:
        return b"%s=%s\n" % (name.encode(), data)
    return b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data)
