"""Hears of others' changes to the table of guards, by a thread, which puts it right at once."""

import logging
import threading
import time

from vif_agent.host.counted import Counted
from vif_agent.host.guarding import GuardEvents
from vif_agent.host.guards import Guards

LOG = logging.getLogger(__name__)

_RESTS, _LONGEST_REST_SECONDS = 10, 0.5  # times as long as it took
_MOST_NAMES = 5  # in one line of the log


class GuardWatch:
    """``events``: None where nobody may hear them; then each reconcile reads the table anew."""

    def __init__(
        self, guards: Guards, events: GuardEvents | None, counted: Counted | None = None
    ) -> None:
        self._counted = counted or Counted()
        self._guards = guards
        self._events = events
        self._rests_until = 0.0
        self._thread = threading.Thread(target=self._run, name="guard-watch", daemon=True)

    def start(self) -> None:
        """From here on no change is missed."""
        if self._events:
            self._events.listen()
            self._guards.watched = True
            self._thread.start()

    def stop(self) -> None:
        """Returns when the thread has ended."""
        if self._events:
            self._events.end()
            self._thread.join()
            self._events.close()

    def _run(self) -> None:
        assert self._events
        while self._events.wait():
            who = self._who(self._events)
            if who and self._looked_again(who):
                LOG.warning("Guards of ports were undone by %s", who)

    def _looked_again(self, who: str) -> bool:
        """Whoever fights us costs us a tenth of the time, on a busy host more; in between what they
        undo is put back by reconciles, which wait longer each time, a second at most."""
        begin = time.monotonic()
        restore = begin > self._rests_until
        changed = self._guards.look_again(restore, who)
        if changed and restore:
            end = time.monotonic()
            self._rests_until = end + min(_RESTS * (end - begin), _LONGEST_REST_SECONDS)
        return changed

    def _who(self, events: GuardEvents) -> str:
        """ "" for nobody."""
        try:
            told = [f"{name} (pid {pid})" for name, pid in events.take()]
            self._counted.events.add("nftables", by=len(told))
            names = dict.fromkeys(told)
        except OSError:
            self._counted.lost.add("nftables")
            return "somebody: too much was changed at once to tell by whom"
        return ", ".join([*names][:_MOST_NAMES])
