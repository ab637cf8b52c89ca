"""Turn after turn: take what is due from the work queue, reconcile it, tell what became of it.

Its thread alone changes the host. All others only add to the queue, and wake it.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from vif_agent.bus.report import Report
from vif_agent.daemon import systemd
from vif_agent.daemon.drops import Drops
from vif_agent.daemon.operations import unplugs_of
from vif_agent.daemon.results import Results
from vif_agent.errors import StoreUnavailable
from vif_agent.ports.event import RETRY
from vif_agent.ports.store import Store
from vif_agent.reconcile.bisecting import BisectingReconciler
from vif_agent.reconcile.cleanup import Cleanup
from vif_agent.reconcile.engine import Engine
from vif_agent.reconcile.outcome import Outcome
from vif_agent.reconcile.renewal import renew
from vif_agent.reconcile.repair_backoff import RepairBackoff
from vif_agent.reconcile.work_queue import Reason, WorkQueue
from vif_agent.reconcile.worked import Worked
from vif_agent.resources import Key

LOG = logging.getLogger(__name__)


class Loop:
    """``lock`` is the engine's; ``options``: the group ``[ovs]``; ``feed``: the watchdog."""

    def __init__(
        self,
        engine: Engine,
        lock: threading.Lock,
        store: Store,
        queue: WorkQueue,
        report: Report,
        cleanup: Cleanup,
        options: Any,
        feed: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._reconciler = BisectingReconciler(engine, lock, feed)
        self._store = store
        self._queue = queue
        self._results = Results(engine, store, report)
        self._cleanup = cleanup
        self._options = options
        self._drops = Drops(engine, report)
        self._repair_backoff = RepairBackoff()
        #: what it has done, for metrics
        self.worked = Worked()
        self._status = ""

    @property
    def next_due(self) -> float:
        """When there is something to do that nobody wakes it for (time.monotonic)."""
        return self._results.next_due

    @property
    def fights(self) -> int:
        """How many things others keep changing. Safe on any thread."""
        return self._repair_backoff.fights

    def concerns(self, key: Key) -> bool:
        """May a change of this be a reason to reconcile a port? Safe on any thread."""
        return self._engine.records.concerns(key)

    def begin(self) -> None:
        """Take in all that is stored, and note that everything is to be reconciled."""
        known = self._engine.load()
        self._queue.add(known, Reason.PROGRESS)
        self._queue.everything()

    def turn(self) -> None:
        """All that is due now, once."""
        work = self._queue.take()
        requested = work.of(Reason.REQUEST)
        for port_id in requested:  # whatever went wrong before is over
            self._queue.forget(port_id)
            self._repair_backoff.reset(port_id)
        for again in work.to_recheck:
            self._engine.force_recheck(again)
        if work.renewed:
            with self._reconciler.lock:
                renew(self._engine.records)
        ports = {*work.ports}
        self._put_off(work.changed, ports)
        if work.everywhere:
            ports |= self._store.live().keys()
        if ports or work.everywhere:
            self._reconcile(ports, work.everywhere, requested)
        if work.everywhere:
            self._tidy(work.complete)
            self._drops.look()
        self._results.tell()
        self._results.save_if_due()
        self._tell_status()

    def sweep(self) -> None:
        """What had to stay when nobody wanted it any longer: may it go now?"""
        if self._engine.records.pending_deletes:
            self._reconciler.reconcile(())

    def save(self) -> None:
        """What became of ports, as far as it is not saved yet."""
        self._results.save()

    def _put_off(self, changed: Collection[Key], ports: set[str]) -> None:
        """Events gather for a moment, and longer where somebody undoes what we do; ``ports`` are
        looked at now, and so know of them."""
        if not changed:
            return
        busy = self._repair_backoff.backing_off()
        for key in changed:
            for port_id in self._engine.records.ports_of({key}, busy) - ports:
                self._queue.add_after(
                    port_id, self._repair_backoff.pause(port_id, key), Reason.CHANGE
                )

    def _reconcile(self, ports: set[str], everywhere: bool, requested: Collection[str]) -> None:
        """What needs Open vSwitch comes by itself, after all else is done: it may hang."""
        free = set() if everywhere else self._reconciler.without_ovsdb(ports)
        again = self._reconcile_ports(free, anew=requested) if free else frozenset()
        if again and free != ports:
            again = self._reconcile_ports(again)
        if everywhere or free != ports:
            again |= self._reconcile_ports(ports - free, everywhere, requested)
        self._queue.add(again, Reason.PROGRESS)

    def _reconcile_ports(
        self, ports: Collection[str], everywhere: bool = False, anew: Collection[str] = ()
    ) -> frozenset[str]:
        """Those that are to be reconciled again at once."""
        began = time.monotonic()
        outcome = self._reconciler.reconcile(ports, everywhere, anew)
        self.worked.note(len(ports), everywhere, time.monotonic() - began, outcome)
        self._take(ports, outcome)
        return outcome.again

    def _take(self, ports: Collection[str], outcome: Outcome) -> None:
        self._queue.drop(ports)
        for port_id, keys in outcome.waiting.items():
            self._queue.add_when(port_id, keys)
            if port_id not in outcome.retry:
                self._queue.add_after(port_id, self._options.ovsdb_timeout, Reason.RETRY)
        failed = {port.port_id for port in outcome.finished if port.problem}
        for port_id in outcome.retry:
            pause = self._queue.add_rate_limited(port_id)
            self.worked.retries.add(self._code(port_id))
            if port_id in failed:
                self._store.history.add(port_id, RETRY, f"in {pause:.1f} s")
        self._repair_backoff.repaired(outcome.mended)
        for port in outcome.finished:
            if port.problem is None:
                self._queue.forget(port.port_id)
        self._results.add(outcome.finished)

    def _code(self, port_id: str) -> str:
        """Of what is in the port's way."""
        record = self._engine.records.get(port_id)
        return record.port.problem.code if record and record.port.problem else ""

    def _tidy(self, complete: bool) -> None:
        """After a reconcile of the whole host that could be seen: what belongs to no request."""
        there = self._engine.orphans
        unplugs = unplugs_of(there) if complete and there is not None else []
        if complete and (there is None or unplugs):
            self._queue.still_complete()
        if unplugs:
            try:
                self._store.put(unplugs)
                self._queue.everything()
            except StoreUnavailable as error:
                LOG.warning("Cannot store what a complete set of ports leaves out: %s", error)
        elif there is not None:
            with self._reconciler.lock:
                self._cleanup.after_reconcile()

    def _tell_status(self) -> None:
        status = ", ".join(
            f"{n} {state}" for state, n in sorted(self._engine.records.states().items())
        )
        if status != self._status:
            self._status = status
            systemd.notify(STATUS=status or "no ports")
