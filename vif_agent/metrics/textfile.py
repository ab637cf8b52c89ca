"""The metrics in a file, for the textfile collector of Prometheus' node_exporter."""

import contextlib
import logging
import os
from pathlib import Path

LOG = logging.getLogger(__name__)

_EVERYBODY_READS = 0o644  # whatever the umask is: node_exporter has an account of its own


class Textfile:
    """Whole at any time: what is read is what was written before, or now. node_exporter tells by
    its age (node_textfile_mtime_seconds) that nobody writes it any more."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._new = Path(f"{path}.new")  # node_exporter reads *.prom
        self._trouble = ""

    def write(self, text: bytes) -> None:
        """Never raises; what is in the way is logged once."""
        try:
            self._write(text)
        except OSError as error:
            if str(error) != self._trouble:
                LOG.error("[metrics] textfile = %s: %s", self._path, error)
            self._trouble = str(error)
            with contextlib.suppress(OSError):
                self._new.unlink(missing_ok=True)
        else:
            self._trouble = ""

    def _write(self, text: bytes) -> None:
        """It needs not outlive the host, so no disk is waited for."""
        with self._new.open("wb") as new:
            os.fchmod(new.fileno(), _EVERYBODY_READS)
            new.write(text)
        self._new.rename(self._path)
