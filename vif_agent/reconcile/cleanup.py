"""Orphans: always listed, and removed only if the operator wants it, slowly and late."""

import datetime
import logging
from collections.abc import Sequence
from typing import Any

from vif_agent.errors import HelperGone, NotYet, Problem
from vif_agent.plan.steps import Plan
from vif_agent.reconcile import orphans
from vif_agent.reconcile.confirmations import Confirmations
from vif_agent.reconcile.engine import Engine
from vif_agent.reconcile.orphans import Orphan
from vif_agent.resources import Key
from vif_agent.tally import Tally

LOG = logging.getLogger(__name__)


class Cleanup:
    """``options``: the configuration's group ``[cleanup]``.

    Not for use by two threads at once, no more than the engine: whoever calls holds its lock.
    """

    def __init__(self, engine: Engine, options: Any) -> None:
        self._engine = engine
        self._options = options
        self._confirmations = Confirmations(options.sightings, options.interval)
        #: things that were removed, for metrics
        self.removed = Tally()
        self._first_seen: dict[object, datetime.datetime] = {}

    @property
    def enabled(self) -> bool:
        """May change while the agent runs (SIGHUP)."""
        return bool(self._options.enabled)

    @property
    def found(self) -> Sequence[Orphan]:
        """What the last reconcile of the whole host found."""
        return self._engine.orphans or ()

    def refresh(self) -> None:
        """For a process without the loop. NotYet as in ``run``."""
        self._engine.orphans = self._engine.find_orphans()
        self._note(self.found)

    def after_reconcile(self) -> None:
        """Take note of what a reconcile of the whole host has found, and remove what is due."""
        if self._engine.orphans is None:
            return  # not all could be seen: no confirmation, and nothing goes
        self._note(self.found)
        if not (self.enabled and self._due(self.found)):
            return
        try:
            self.run()
        except HelperGone:
            raise
        except NotYet as error:
            LOG.warning("Clean-up put off: %s", error)
        except Exception:
            LOG.exception("Clean-up broke; the ports go on")

    def run(self, dry_run: bool = False) -> tuple[Plan, dict[Key, Problem]]:
        """Look anew, and remove what is due; with ``dry_run`` only say what that is.

        NotYet (OvsdbUnavailable, where it is that) when the host cannot be seen whole.
        """
        there = self._engine.find_orphans()
        self._note(there)
        due = self._due(there)
        plan = orphans.removal(due)
        if dry_run:
            return plan, {}
        failures = self._engine.apply(plan, {})
        for orphan in due:
            gone = sum(found.resource.key not in failures for found in orphan.things)
            self.removed.add(orphan.kind, by=gone)
            _tell(orphan, failures)
        return plan, failures

    def views(self) -> list[dict[str, Any]]:
        """What the bus tells of each orphan."""
        return [self._view(orphan) for orphan in self.found]

    def _due(self, there: Sequence[Orphan]) -> list[Orphan]:
        ready = [o for o in there if not o.in_use and self._confirmations.confirmed(o.identity)]
        return ready[: self._options.max_per_round]

    def _note(self, there: Sequence[Orphan]) -> None:
        self._confirmations.update([orphan.identity for orphan in there])
        now = datetime.datetime.now(datetime.UTC)
        for orphan in there:
            if orphan.identity not in self._first_seen:
                LOG.warning("orphan %s", orphan)
        self._first_seen = {o.identity: self._first_seen.get(o.identity, now) for o in there}

    def _view(self, orphan: Orphan) -> dict[str, Any]:
        seen = self._first_seen.get(orphan.identity)
        return {
            "port_id": orphan.port_id,
            "why": orphan.why,
            "devices": list(orphan.names),
            "in_use": orphan.in_use or None,
            "sightings": self._confirmations.count(orphan.identity),
            "first_seen": seen and seen.isoformat(timespec="seconds"),
            "due": bool(self._due([orphan])),
        }


def _tell(orphan: Orphan, failures: dict[Key, Problem]) -> None:
    failed = [failures[f.resource.key] for f in orphan.things if f.resource.key in failures]
    if failed:
        LOG.error("cannot remove orphan %s: %s", orphan, failed[0].message)
    else:
        LOG.warning("removed orphan %s", orphan)
