"""Requests from a file, where no sender casts them (``[vif_agent] ports_file``).

The file is the whole of its own ports: what it lists is plugged, what it lists no longer is
unplugged. What else the bus asks for is not its business. A file that cannot be read whole
changes nothing, or only plugs.
"""

import dataclasses
import json
import logging
import stat
from pathlib import Path

from vif_agent.bus import casts
from vif_agent.bus.casts import Refusal, Sync
from vif_agent.errors import StoreUnavailable
from vif_agent.ports.port import FullSet
from vif_agent.ports.store import Store
from vif_agent.reconcile.confirmations import Confirmations

LOG = logging.getLogger(__name__)

_SOURCE = "file"
_MOST_BYTES = 64 << 20


class PortsFile:
    """``interval``: seconds after which a file with no port in it is believed."""

    def __init__(self, path: str, store: Store, interval: float) -> None:
        self._path = Path(path)
        self._store = store
        self._empty = Confirmations(2, interval)
        self._seen: object = None  # of the file's state that was taken in
        self._complaint = ""

    def read_if_changed(self) -> tuple[Refusal, ...] | None:
        """Take the file in if it has changed: what of it was refused; None: nothing is new."""
        try:
            if (state := self._state()) == self._seen:
                return None
            sync = self._read()
            full_set = self._checked_set(sync)
            self._store.put([full_set])
        except (OSError, ValueError, RecursionError, StoreUnavailable) as error:
            why: Exception = error
        else:
            if sync.whole and not full_set.deletes:  # empty: looked at again, to be believed
                return None
            self._seen, self._complaint = state, ""
            return sync.refusals
        # not in its handler, for there oslo.log says the error once more
        self._complain(f"{self._path}: {why}; its ports stay as they are")
        return None

    def _state(self) -> object:
        found = self._path.stat()
        if not stat.S_ISREG(found.st_mode):  # to open a FIFO would hold up the loop
            raise ValueError("expected a regular file")
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> Sync:
        """ValueError (of which UnicodeDecodeError is one) for what is no list of VIFs."""
        with self._path.open("rb") as file:
            data = file.read(_MOST_BYTES)
        message = {"method": "sync_vifs", "args": {"vifs": json.loads(data), "complete": True}}
        read = casts.read({}, message)
        if not isinstance(read, Sync):
            raise ValueError(str(getattr(read, "error", read)))
        plugs = tuple(dataclasses.replace(plug, source=_SOURCE) for plug in read.full_set.plugs)
        full_set = dataclasses.replace(read.full_set, plugs=plugs, source=_SOURCE)
        return dataclasses.replace(read, full_set=full_set)

    def _checked_set(self, sync: Sync) -> FullSet:
        """May it unplug? If each item names its port, and if it is not empty for a moment only."""
        named = sync.full_set.named
        self._empty.update([] if named else ["empty"])
        if not sync.whole:
            self._complain(f"{self._path}: an item names no port: nothing is unplugged")
            return sync.full_set
        if named or self._empty.confirmed("empty"):
            return sync.deleting()
        self._complain(f"{self._path}: no port in it: believed in {self._empty.interval:g} s")
        return sync.full_set

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            LOG.error("Ports file %s", text)
        self._complaint = text
