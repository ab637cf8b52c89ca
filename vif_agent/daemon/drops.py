"""Frames that a guard has dropped since the last look are told, once for each port."""

from collections.abc import Mapping

from vif_agent.bus.report import Report
from vif_agent.errors import NotYet
from vif_agent.reconcile.engine import Engine
from vif_agent.resources import GUARD, Key


class Drops:
    """Used by the loop's thread alone. The kernel counts; what was told before is forgotten with
    this process, which tells of what was dropped since its own start."""

    def __init__(self, engine: Engine, report: Report) -> None:
        self._engine = engine
        self._report = report
        self._known: Mapping[str, Mapping[str, int]] | None = None  # by device and reason

    def look(self) -> None:
        """Tell what is new since the last time; the first time only remembers."""
        try:
            now = self._engine.guards.port_drops()
        except NotYet:
            return
        before, self._known = self._known, now
        if before is None:
            return
        for device, drops in now.items():
            new, port_id = _new(drops, before.get(device, {})), self._whose(device)
            if new and port_id:
                self._report.dropped(port_id, device, new, drops)

    def _whose(self, device: str) -> str | None:
        """Of ports that want one device, the one that has it."""
        return next(self._engine.records.claims.claimants(Key(GUARD, device)), None)


def _new(drops: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """By reason. A counter that went back belongs to a guard that was made anew."""
    if any(drops.get(reason, 0) < count for reason, count in before.items()):
        before = {}
    more = {reason: count - before.get(reason, 0) for reason, count in drops.items()}
    return {reason: count for reason, count in more.items() if count}
