"""Tells what became of a cast: to the log, to the bus, and to whoever waits for it."""

import contextlib
import functools
import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from vif_agent.bus import views
from vif_agent.bus.casts import Refusal
from vif_agent.bus.operations import Operations
from vif_agent.bus.waiters import MOST_WAITING, Later, View, Waiter, Waiters
from vif_agent.errors import StoreUnavailable
from vif_agent.log_fields import about
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


class Report:
    """Safe to use from several threads. ``kind``: of a vif_type, for a label of metrics."""

    def __init__(
        self,
        store: Store,
        notifications: Sender,
        host: str,
        most_waiting: int = MOST_WAITING,
        kind: Callable[[str], str] = str,
    ) -> None:
        self._store = store
        self._notifications = notifications
        self._host = host
        self._lock = threading.Lock()
        self._waiters = Waiters(most_waiting)
        #: by port and generation, for those who wait for one
        self._refusals: OrderedDict[tuple[str, int], dict[str, Any]] = OrderedDict()
        #: results reported since the start, by event ("vif.plug.end")
        self.counts: Counter[str] = Counter()
        #: the same for metrics
        self.operations = Operations(kind)
        #: why casts are not taken in now, if they are not
        self.casts_wait: str | None = None
        self.casts_queue: View | None = None  # how it keeps them; None while not joined

    def finished(self, ports: Iterable[Port]) -> None:
        """Tell of these; whoever waits for one is answered from what the store has in memory."""
        for port in ports:
            view = views.port(port)
            self._log(port, view)
            self.operations.finished(port)
            self._send(_event(port), view)
            self._waiters.settled(port.port_id)

    def refused(self, refusals: Sequence[Refusal]) -> None:
        """Of casts that were refused at the door: what is on disk is as it was."""
        for refusal in refusals:
            view = views.refusal(refusal)
            why = refusal.error.problem.message
            LOG.warning("refused %s: %s", _words(view), why, extra=_about(view))
            self._send(f"vif.{refusal.verb}.error", view)
            if refusal.port_id:
                problem = refusal.error.problem
                self._store.note_refusal(refusal.port_id, f"{problem.code}: {problem.message}")
            if refusal.port_id and refusal.generation is not None:
                self._remember((refusal.port_id, refusal.generation), view)
                self._waiters.settled(refusal.port_id)

    def dropped(
        self, port_id: str, device: str, new: Mapping[str, int], drops: Mapping[str, int]
    ) -> None:
        """Frames of a port's guest, by reason: since the last time, and since its guard stands."""
        if (view := self.get(port_id)) is None:
            return
        told = {field: view[field] for field in ("port_id", "instance_uuid", "vif_type")}
        told |= {"device": device, "new_drops": dict(new), "drops": dict(drops)}
        words = ", ".join(f"{count} {reason}" for reason, count in sorted(new.items()))
        LOG.warning("dropped frames of port=%s device=%s: %s", port_id, device, words)
        self._notifications.send("vif.guard.drops", {**told, "host": self._host})

    def waiting(self, why: str) -> None:
        """Of the casts; empty: they do not wait any more."""
        self.casts_wait = why or None

    def get(self, port_id: str) -> dict[str, Any] | None:
        """The port as it is in the store."""
        port = self._store.ports([port_id]).get(port_id)
        return views.port(port) if port else None

    def wait(self, port_id: str, generation: int | None, timeout: float) -> View:
        """The port once its request, of this generation or a later one, is settled; else as it is.

        Settled is ready, unplugged, error or refused; a transient failure is waited out. Where too
        many wait already it is answered at once as it is.
        """
        views_of_it: list[View] = []
        answered = threading.Event()

        def answer(view: View) -> None:
            views_of_it.append(view)
            answered.set()

        self.answer_later(port_id, generation, timeout, answer)
        answered.wait()
        return views_of_it[0]

    def answer(self, port_id: str, generation: int | None, timeout: float) -> View | Later:
        """As ``wait``, without a thread to wait in."""
        view, settled = self._look(port_id, generation)
        if settled or not timeout:
            return view
        return Later(functools.partial(self.answer_later, port_id, generation, timeout))

    def answer_later(
        self,
        port_id: str,
        generation: int | None,
        timeout: float,
        answer: Callable[[View], None],
        **beat: Any,
    ) -> None:
        """The same; ``answer`` is called with it, from any thread. ``beat``: of a Waiter."""
        look = functools.partial(self._look, port_id, generation)
        self._waiters.add(Waiter(port_id, look, answer, timeout, **beat))

    def end(self) -> None:
        """Whoever waits is answered now."""
        self._waiters.end()

    def _send(self, event: str, view: dict[str, Any]) -> None:
        self.counts[event] += 1
        self._notifications.send(event, {**view, "host": self._host})

    def _look(self, port_id: str, generation: int | None) -> tuple[View, bool]:
        """The port, and whether whoever waits for this generation waits no more."""
        view = self._view(port_id, generation)
        return view, view["state"] not in (PENDING, RETRYING)

    def _view(self, port_id: str, generation: int | None) -> View:
        if generation is not None and (refused := self._refusals.get((port_id, generation))):
            return refused
        port = None
        with contextlib.suppress(StoreUnavailable):  # who waits asks again
            port = self._store.ports([port_id]).get(port_id)
        if port and (
            generation is None or generation in (port.generation, *port.recent_generations)
        ):
            return views.port(port)
        if port and generation is not None and not counts(generation, port.generation, time.time()):
            return {**views.port(port), "overtaken": True}  # dropped, or it will be when it comes
        return {"port_id": port_id, "state": PENDING, "error": None, "generation": generation}

    def _remember(self, request: tuple[str, int], view: View) -> None:
        with self._lock:
            self._refusals[request] = view
            self._refusals.move_to_end(request)
            while len(self._refusals) > _REFUSALS_KEPT:
                self._refusals.popitem(last=False)

    def _log(self, port: Port, view: View) -> None:
        words, about = _words(view), _about(view)
        if port.problem is None:
            done = _DONE["repair" if port.repaired else port.verb]
            undone = f": {port.repaired[:_LONGEST_REPAIR]}" if port.repaired else ""
            LOG.info("%s %s%s", done, words, undone, extra=about)
        elif port.problem.transient:
            why = port.problem.message
            LOG.warning("not yet %sged %s: %s", port.verb, words, why, extra=about)
        else:
            LOG.error("cannot %s %s: %s", port.verb, words, port.problem.message, extra=about)


def _event(port: Port) -> str:
    if port.problem:
        return f"vif.{port.verb}.error"
    return f"vif.{'repair' if port.repaired else port.verb}.end"


def _about(view: dict[str, Any]) -> Mapping[str, Any]:
    return about(view["port_id"], view["instance_uuid"], view["request_id"])


def _words(view: dict[str, Any]) -> str:
    elapsed = "-" if view["elapsed_ms"] is None else round(view["elapsed_ms"])
    return (
        f"port={view['port_id'] or '-'} vif_type={view['vif_type'] or '-'}"
        f" devices={','.join(view['devices']) or '-'} state={view['state']} ms={elapsed}"
        f" request_id={view['request_id'] or '-'}"
    )
