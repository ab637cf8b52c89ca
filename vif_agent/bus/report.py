"""Tells what became of a cast: to the log, to the bus, and to whoever waits for it."""

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from vif_agent.bus import views
from vif_agent.bus.casts import Refusal
from vif_agent.ports.port import PENDING, PLUG, RETRYING, UNPLUG, Port, counts
from vif_agent.ports.store import Store

LOG = logging.getLogger("vif_agent.ports")

_LONGEST_REPAIR = 1000
_REFUSALS_KEPT = 1000
_DONE = {PLUG: "plugged", UNPLUG: "unplugged", "repair": "repaired"}


class Sender(Protocol):
    """What the report needs of the notifications."""

    def send(self, event_type: str, payload: dict[str, Any]) -> None:
        """Never blocks, never raises."""


#: who waits holds a thread of those that carry out calls; the rest is for all other calls
MOST_WAITING = 192


class Report:
    """Safe to use from several threads."""

    def __init__(
        self, store: Store, notifications: Sender, host: str, most_waiting: int = MOST_WAITING
    ) -> None:
        self._store = store
        self._notifications = notifications
        self._host = host
        self._condition = threading.Condition()
        self._room = threading.BoundedSemaphore(most_waiting)
        self._ended = False
        #: by port and generation, for those who wait for one
        self._refusals: OrderedDict[tuple[str, int], dict[str, Any]] = OrderedDict()
        #: what was told since the start, by event ("vif.plug.end")
        self.counts: Counter[str] = Counter()
        #: why casts are not taken in now, if they are not
        self.casts_wait: str | None = None

    def finished(self, ports: Iterable[Port]) -> None:
        """Tells of each port's new state, once it is settled or fails for the first time."""
        for port in ports:
            self._log(port)
            self._send(_event(port), views.port(port))
        self._wake()

    def refused(self, refusals: Sequence[Refusal]) -> None:
        """Of casts that were refused at the door: what is on disk is as it was."""
        for refusal in refusals:
            view = views.refusal(refusal)
            LOG.warning("refused %s: %s", _words(view), refusal.error.problem.message)
            self._send(f"vif.{refusal.verb}.error", view)
            if refusal.port_id and refusal.generation is not None:
                self._remember((refusal.port_id, refusal.generation), view)
        self._wake()

    def waiting(self, why: str) -> None:
        """Of the casts; empty: they do not wait any more."""
        self.casts_wait = why or None

    def get(self, port_id: str) -> dict[str, Any] | None:
        """The port as it is in the store."""
        port = self._store.ports([port_id]).get(port_id)
        return views.port(port) if port else None

    def wait(self, port_id: str, generation: int | None, timeout: float) -> dict[str, Any]:
        """The port once its wish, of this generation or a later one, is settled; else as it is.

        Settled is ready, unplugged, error or refused; a transient failure is waited out. Where too
        many wait already it is told at once as it is.
        """
        if not self._room.acquire(blocking=False):
            return self._wait(port_id, generation, timeout=0)
        try:
            return self._wait(port_id, generation, timeout)
        finally:
            self._room.release()

    def end(self) -> None:
        """Whoever waits is answered now."""
        self._ended = True
        self._wake()

    def _wait(self, port_id: str, generation: int | None, timeout: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        while True:
            with self._condition:
                view = self._look(port_id, generation)
                settled = view["state"] not in (PENDING, RETRYING)
                left = deadline - time.monotonic()
                if settled or left <= 0 or self._ended:
                    return view
                self._condition.wait(min(left, 1.0))

    def _send(self, event: str, view: dict[str, Any]) -> None:
        self.counts[event] += 1
        self._notifications.send(event, {**view, "host": self._host})

    def _look(self, port_id: str, generation: int | None) -> dict[str, Any]:
        if generation is not None and (refused := self._refusals.get((port_id, generation))):
            return refused
        port = self._store.ports([port_id]).get(port_id)
        if port and (
            generation is None or generation in (port.generation, *port.recent_generations)
        ):
            return views.port(port)
        if port and generation is not None and not counts(generation, port.generation, time.time()):
            return {**views.port(port), "overtaken": True}  # dropped, or it will be when it comes
        return {"port_id": port_id, "state": PENDING, "error": None, "generation": generation}

    def _remember(self, request: tuple[str, int], view: dict[str, Any]) -> None:
        with self._condition:
            self._refusals[request] = view
            self._refusals.move_to_end(request)
            while len(self._refusals) > _REFUSALS_KEPT:
                self._refusals.popitem(last=False)

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify_all()

    def _log(self, port: Port) -> None:
        words = _words(views.port(port))
        if port.problem is None:
            undone = f": {port.repaired[:_LONGEST_REPAIR]}" if port.repaired else ""
            LOG.info("%s %s%s", _DONE["repair" if port.repaired else port.verb], words, undone)
        elif port.problem.transient:
            LOG.warning("not yet %sged %s: %s", port.verb, words, port.problem.message)
        else:
            LOG.error("cannot %s %s: %s", port.verb, words, port.problem.message)


def _event(port: Port) -> str:
    if port.problem:
        return f"vif.{port.verb}.error"
    return f"vif.{'repair' if port.repaired else port.verb}.end"


def _words(view: dict[str, Any]) -> str:
    elapsed = "-" if view["elapsed_ms"] is None else round(view["elapsed_ms"])
    return (
        f"port={view['port_id'] or '-'} vif_type={view['vif_type'] or '-'}"
        f" devices={','.join(view['devices']) or '-'} state={view['state']} ms={elapsed}"
        f" request_id={view['request_id'] or '-'}"
    )
