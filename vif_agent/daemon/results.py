"""What became of ports: reported at once, and saved a moment later.

A port's result needs no disk, for the next start finds it by looking; but its request must be there
first.
"""

import logging
import time
from collections.abc import Iterable

from vif_agent.bus.report import Report
from vif_agent.daemon.chores import NEVER
from vif_agent.errors import StoreUnavailable
from vif_agent.ports.port import Port
from vif_agent.ports.store import Store
from vif_agent.reconcile.engine import Engine
from vif_agent.resources import COMMAND

LOG = logging.getLogger(__name__)

_SAVE_SECONDS = 0.02  # mostly a cast comes sooner, and they are saved with that
_AGAIN_SECONDS = 0.5  # after the disk has refused


class Results:
    """Used by the loop's thread alone."""

    def __init__(self, engine: Engine, store: Store, report: Report) -> None:
        self._engine = engine
        self._store = store
        self._report = report
        self._save_at = NEVER
        self._unreported: list[Port] = []

    @property
    def next_due(self) -> float:
        """When to come again (time.monotonic)."""
        return min(self._save_at, time.monotonic() + _AGAIN_SECONDS if self._unreported else NEVER)

    def add(self, ports: Iterable[Port]) -> None:
        """Report these, and those that could not be reported yet."""
        self._unreported += ports
        self.tell()

    def tell(self) -> None:
        """Of results, once their requests are on disk: whoever hears of one may forget it."""
        if not self._unreported:
            return
        try:
            self._store.sync(max(port.seq for port in self._unreported))
            self._store.note(self._unreported)
        except StoreUnavailable as error:
            LOG.warning(
                "What became of %d ports is reported later: %s", len(self._unreported), error
            )
            return
        self._save_at = min(self._save_at, time.monotonic() + _SAVE_SECONDS)
        if self._cannot_be_seen():
            self.save()
        due, self._unreported = self._unreported, []
        self._report.finished(due)

    def _cannot_be_seen(self) -> bool:
        """What a command has done, and that a bridge is ours whose owner tag others take off."""
        done = (key for port in self._unreported for key in port.made if key.space == COMMAND)
        return self._engine.has_new_shared_links or any(done)

    def save_if_due(self) -> None:
        """What no cast has taken along to the disk meanwhile."""
        if time.monotonic() >= self._save_at:
            self.save()

    def save(self) -> None:
        """Now, all that is not saved yet."""
        saved = self._engine.save()
        self._save_at = NEVER if saved else time.monotonic() + _AGAIN_SECONDS
