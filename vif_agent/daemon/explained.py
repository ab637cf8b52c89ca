"""Why a port is as it is: what happened to it, how the host is now, whose turn it is."""

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

from vif_agent.bus import views
from vif_agent.daemon.whose_turn import turn_of
from vif_agent.ports.event import Event
from vif_agent.ports.port import Port
from vif_agent.ports.store import Store
from vif_agent.reconcile.engine import Engine

#: for the engine's lock: whoever asks why a port waits must not wait for what it waits for
_PATIENCE_SECONDS = 2.0

#: in how many seconds a port is tried again, and how often it has failed; None: nobody knows
NextTry = Callable[[str], tuple[float, int] | None]


class Explained:
    """``lock``: the engine's; ``check``: how the host differs, asked only while that is free."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        lock: threading.Lock,
        check: Callable[[Port], dict[str, Any]],
        next_try: NextTry,
    ) -> None:
        self._store = store
        self._engine = engine
        self._lock = lock
        self._check = check
        self._next_try = next_try

    def explain(self, port_id: str) -> dict[str, Any]:
        """All of it as plain data; ``port`` is None for one that is not known any more."""
        port = self._store.ports([port_id]).get(port_id)
        events, trouble = self._events(port_id)
        now = self._now(port) if port else None
        return {
            "port_id": port_id,
            "port": port and {**views.port(port), "ready_at": views.iso(port.ready_at)},
            "events": [views.event(event) for event in events],
            "history": trouble,
            "now": now,
            "next": self._next(port, now or {}) if port else None,
        }

    def _events(self, port_id: str) -> tuple[list[Event], str | None]:
        try:
            return self._store.history.of(port_id), None
        except sqlite3.Error as error:
            return [], f"cannot be read: {error}"

    def _now(self, port: Port) -> dict[str, Any]:
        """A plugin that has refused the port is not asked again for this: it may hang again."""
        record = self._engine.records.get(port.port_id)
        if record and record.refused and not record.unanswered:
            return {"looked": False, "text": "its request is refused, so nothing is wanted"}
        if not self._lock.acquire(timeout=_PATIENCE_SECONDS):
            lasts = self._engine.reconciling_for or 0
            return {"looked": False, "text": f"a reconcile lasts {lasts:.0f} s by now"}
        with contextlib.ExitStack() as held:
            held.callback(self._lock.release)
            return {"looked": True, **self._check(port)}

    def _next(self, port: Port, now: dict[str, Any]) -> dict[str, Any]:
        differs = bool(now.get("looked")) and now["text"] != "nothing to do"
        turn = turn_of(port, differs, bool(now.get("unready")))
        again = self._next_try(port.port_id)
        return {
            "turn": turn.whose,
            "text": turn.what,
            "commands": list(turn.commands),
            "again_in_s": again and round(max(0.0, again[0]), 1),
            "failures": again[1] if again else 0,
        }
