"""Reconciles of the engine, one after the other, of which none harms what it need not.

A reconcile that breaks is a bug of ours met by some port: halves find it, and the others go on.
"""

import contextlib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from vif_agent.errors import HelperGone, Problem, StoreUnavailable
from vif_agent.log_fields import about
from vif_agent.ports.port import Port
from vif_agent.reconcile.outcome import Outcome

LOG = logging.getLogger(__name__)


class Reconciler(Protocol):
    """The engine, as it is needed here."""

    def reconcile(
        self, port_ids: Collection[str], *, everywhere: bool = False, anew: Collection[str] = ()
    ) -> Outcome:
        """See ``Engine``."""

    def without_ovsdb(self, port_ids: Collection[str]) -> set[str]:
        """See ``Engine``."""

    def give_up(self, port_id: str, problem: Problem) -> Port | None:
        """See ``Engine``."""


class BisectingReconciler:
    """``lock`` is the engine's; ``feed``: the watchdog, before each."""

    def __init__(
        self, engine: Reconciler, lock: threading.Lock, feed: Callable[[], None] = lambda: None
    ) -> None:
        self._engine, self._feed = engine, feed
        self.lock = lock

    def reconcile(
        self, ports: Collection[str], everywhere: bool = False, anew: Collection[str] = ()
    ) -> Outcome:
        """Raises HelperGone only."""
        self._feed()
        try:
            with self.lock:
                return self._engine.reconcile(ports, everywhere=everywhere, anew=anew)
        except HelperGone:
            raise
        except StoreUnavailable as error:
            LOG.warning("Reconcile put off: %s", error)
            return Outcome(retry=frozenset(ports))
        except Exception as error:
            if len(ports) <= 1:
                return self._give_up(ports, error)
            LOG.error("Reconcile broke for %d ports, trying halves: %r", len(ports), error)
            return self._in_halves(sorted(ports), anew)

    def without_ovsdb(self, ports: Collection[str]) -> set[str]:
        """Those that need not wait for it; none, where that cannot be found out."""
        with contextlib.suppress(Exception), self.lock:  # the reconcile reports it
            return self._engine.without_ovsdb(ports)
        return set()

    def _in_halves(self, ports: Sequence[str], anew: Collection[str]) -> Outcome:
        middle = len(ports) // 2
        first, second = (
            self.reconcile(some, anew=anew) for some in (ports[:middle], ports[middle:])
        )
        return Outcome(
            finished=(*first.finished, *second.finished),
            again=first.again | second.again,
            waiting={**first.waiting, **second.waiting},
            retry=first.retry | second.retry,
            mended=first.mended | second.mended,
            drift=Counter(first.drift) + Counter(second.drift),
        )

    def _give_up(self, ports: Collection[str], error: Exception) -> Outcome:
        which = ", ".join(ports)  # one, or none
        LOG.error(
            "Reconcile broke for port %s", which or "(none)", exc_info=error, extra=about(which)
        )
        problem = Problem("internal", f"internal error: {error!r}", transient=True)
        results = [self._engine.give_up(port_id, problem) for port_id in ports]
        return Outcome(tuple(p for p in results if p), retry=frozenset(ports))
