"""What the driver for RabbitMQ last said was wrong: it tells nobody but its log."""

import logging
import re
from collections.abc import Callable

from vif_agent.private_names.oslo_messaging import LOG_NAME

#: around the reason: which of its connections, and what the driver does next
_AROUND = re.compile(r"^\[[^\]]*\] |(\. Trying again in| \(retrying in).*", re.DOTALL)


class DriverLog(logging.Filter):
    """``changed`` is called after each line that may tell of a connection lost or made, on the
    thread that has said it, and must only take note."""

    def __init__(self, changed: Callable[[], object]) -> None:
        super().__init__()
        self.trouble = ""
        self._changed = changed

    def begin(self) -> None:
        """From here on."""
        logging.getLogger(LOG_NAME).addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """All passes."""
        if record.levelno >= logging.WARNING:
            self.trouble = _AROUND.sub("", record.getMessage())
        if record.levelno >= logging.INFO:
            self._changed()
        return True
