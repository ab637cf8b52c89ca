"""The one place for what is to be done next: which ports to reconcile, why, and when.

The bus, the host, plugins and operators only take note here, and wake the loop; it takes all that
is due at once. While it works, what comes in gathers.
"""

import dataclasses
import enum
import heapq
import threading
import time
from collections.abc import Callable, Collection, Iterable

from vif_agent.resources import Key


class Reason(enum.IntEnum):
    """Why a port is to be reconciled; of several the greatest counts."""

    RETRY = 1  # it failed a while ago
    CHANGE = 2  # the host says that something of it has changed
    PROGRESS = 3  # something was done for it, or its plugin has answered
    REQUEST = 4  # by a cast or an operator


@dataclasses.dataclass(slots=True)
class Work:
    """What one turn of the loop is to take up."""

    ports: dict[str, Reason] = dataclasses.field(default_factory=dict)
    everywhere: bool = False
    changed: set[Key] = dataclasses.field(default_factory=set)  # links and OVS ports
    complete: bool = False  # a complete set of ports was cast: what is in no request is to go
    to_recheck: set[str | None] = dataclasses.field(default_factory=set)  # by operators; None: all
    renewed: bool = False  # ports may want something else without a new request

    def of(self, reason: Reason) -> set[str]:
        """The ports that are there for this reason."""
        return {port_id for port_id, why in self.ports.items() if why is reason}


class WorkQueue:
    """Safe to use from several threads.

    ``pause``: seconds until a port is tried again that has failed this often.
    """

    def __init__(self, pause: Callable[[int], float]) -> None:
        self._pause = pause
        self._condition = threading.Condition()
        self._work = Work()
        self._later = _Later()
        self._awaiting = _Awaiting()
        self._failures: dict[str, int] = {}
        self.ended = False

    def add(self, port_ids: Iterable[str], reason: Reason) -> None:
        """At once; of several reasons for a port the weightiest stays."""
        with self._condition:
            self._add(port_ids, reason)

    def add_after(self, port_id: str, seconds: float, reason: Reason) -> None:
        """Unless it is to be reconciled before that."""
        with self._condition:
            self._later.put(port_id, time.monotonic() + seconds, reason)

    def add_rate_limited(self, port_id: str) -> float:
        """It has failed: after a pause that grows each time, until ``forget``. Answers which."""
        failures = self._failures.get(port_id, 0)
        self._failures[port_id] = failures + 1
        pause = self._pause(failures)
        self.add_after(port_id, pause, Reason.RETRY)
        return pause

    def next_try(self, port_id: str) -> tuple[float, int] | None:
        """In how many seconds it is reconciled without any change, and how often it has failed."""
        with self._condition:
            due = self._later.due_of(port_id)
        return None if due is None else (due - time.monotonic(), self._failures.get(port_id, 0))

    def add_when(self, port_id: str, keys: Collection[Key]) -> None:
        """As soon as one of these has changed; it may have since the last ``take``."""
        with self._condition:
            if self._work.changed.isdisjoint(keys):
                self._awaiting.put(port_id, keys)
            else:
                self._add([port_id], Reason.PROGRESS)

    def forget(self, port_id: str) -> None:
        """Whatever went wrong with it before is over."""
        self._failures.pop(port_id, None)

    def drop(self, port_ids: Iterable[str]) -> None:
        """They were just reconciled: what they waited for is behind them."""
        with self._condition:
            for port_id in port_ids:
                self._later.pop(port_id)
                self._awaiting.pop(port_id)

    def host_changed(self, keys: frozenset[Key] | None) -> None:
        """None: anything may have."""
        if keys is None:
            self.everything()
            return
        with self._condition:
            self._work.changed |= keys
            self._add(self._awaiting.of(keys), Reason.PROGRESS)

    def everything(self, renewed: bool = False) -> None:
        """All ports, and what belongs to none. ``renewed``: they may want something else."""
        with self._condition:
            self._work.renewed |= renewed
        self.set_taken(complete=False)

    def set_taken(self, complete: bool) -> None:
        """A set of this host's ports is in the store; ``complete``: nothing else is to be here."""
        with self._condition:
            self._work.complete |= complete
            self._work.everywhere = True
            self._condition.notify()

    def still_complete(self) -> None:
        """What is in no request could not be seen: at the next reconcile of the whole host,
        then."""
        with self._condition:
            self._work.complete = True

    def repair(self, port_id: str | None) -> None:
        """Look at this port again, or at the whole host; what cannot be seen is done again."""
        with self._condition:
            self._work.to_recheck.add(port_id)
        if port_id is None:
            self.everything()
        else:
            self.add([port_id], Reason.REQUEST)

    def end(self) -> None:
        """There is to be no further turn."""
        with self._condition:
            self.ended = True
            self._condition.notify()

    def take(self) -> Work:
        """All that is due now; may be nothing."""
        with self._condition:
            self._add_due()
            work = self._work
            self._work = Work(complete=work.complete and not work.everywhere)
        return work

    def wait(self, seconds: float) -> None:
        """Until there is something to take, or the end; no longer than this."""
        with self._condition:
            seconds = min(seconds, self._later.next_due() - time.monotonic())
            idle = not (self._work.ports or self._work.everywhere or self._work.changed)
            if idle and not self.ended and seconds > 0:
                self._condition.wait(seconds)

    def _add(self, port_ids: Iterable[str], reason: Reason) -> None:
        for port_id in port_ids:
            self._work.ports[port_id] = max(reason, self._work.ports.get(port_id, reason))
        self._condition.notify()

    def _add_due(self) -> None:
        for port_id, reason in self._later.due(time.monotonic()):
            self._add([port_id], reason)


def sizes(queue: WorkQueue) -> dict[str, int]:
    """How many ports, and for what; as it is seen without waiting for the queue's lock."""
    return {
        "due": len(queue._work.ports),
        "changed things": len(queue._work.changed),
        "later": len(queue._later._due),
        "waiting for the host": len(queue._awaiting._keys),
        "failed lately": len(queue._failures),
    }


class _Later:
    """Ports by the time (time.monotonic) at which they are due, the earliest for each."""

    def __init__(self) -> None:
        self._due: dict[str, tuple[float, Reason]] = {}
        self._heap: list[tuple[float, str]] = []  # with those that were taken out, till they come

    def put(self, port_id: str, due: float, reason: Reason) -> None:
        if port_id in self._due and self._due[port_id][0] <= due:
            return
        self._due[port_id] = (due, reason)
        heapq.heappush(self._heap, (due, port_id))
        if len(self._heap) > 2 * len(self._due) + 64:
            self._heap = [(due, port_id) for port_id, (due, _) in self._due.items()]
            heapq.heapify(self._heap)

    def pop(self, port_id: str) -> None:
        self._due.pop(port_id, None)

    def due_of(self, port_id: str) -> float | None:
        return self._due[port_id][0] if port_id in self._due else None

    def next_due(self) -> float:
        while self._heap and self._is_stale(*self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else float("inf")

    def due(self, now: float) -> Iterable[tuple[str, Reason]]:
        while self.next_due() <= now:
            _, port_id = heapq.heappop(self._heap)
            yield port_id, self._due.pop(port_id)[1]

    def _is_stale(self, due: float, port_id: str) -> bool:
        return port_id not in self._due or self._due[port_id][0] != due


class _Awaiting:
    """Ports that wait for a change, and by which things."""

    def __init__(self) -> None:
        self._keys: dict[str, Collection[Key]] = {}
        self._ports: dict[Key, set[str]] = {}

    def put(self, port_id: str, keys: Collection[Key]) -> None:
        self.pop(port_id)
        self._keys[port_id] = keys
        for key in keys:
            self._ports.setdefault(key, set()).add(port_id)

    def pop(self, port_id: str) -> None:
        for key in self._keys.pop(port_id, ()):
            self._ports[key].discard(port_id)
            if not self._ports[key]:
                del self._ports[key]

    def of(self, keys: Iterable[Key]) -> set[str]:
        return {port_id for key in keys for port_id in self._ports.get(key, ())}
