"""Who waits for a port: answered from memory when that port has its result, and no sooner woken.

Nobody who waits holds a thread: there is one for all, and that only for those whose time is over.
"""

import dataclasses
import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

View = dict[str, Any]

#: a bound for memory; a host has some thousand ports
MOST_WAITING = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class Later:
    """The answer to a call that is not known yet; ``ask`` takes what is to be called with it."""

    ask: Callable[..., None]


class Waiter:
    """``look``: the port as it is reported, and whether that is what was waited for.

    ``answer`` is called once, from any thread, and must not block; ``beat``, if there is one, every
    ``pause`` seconds until then.
    """

    def __init__(
        self,
        port_id: str,
        look: Callable[[], tuple[View, bool]],
        answer: Callable[[View], None],
        timeout: float,
        beat: Callable[[], None] | None = None,
        pause: float = 0,
    ) -> None:
        self.port_id = port_id
        self.look = look
        self.answer = answer
        self.ends = time.monotonic() + timeout
        self.beat = beat
        self.pause = pause

    def due(self, now: float) -> float:
        """When the next thing is to be done for it."""
        return min(self.ends, now + self.pause) if self.beat else self.ends


class Waiters:
    """Safe to use from several threads."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._waiting: dict[str, set[Waiter]] = {}
        self._count = 0
        self._dues: list[tuple[float, int, Waiter]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ended = False

    def add(self, waiter: Waiter) -> None:
        """Too many, or at the end: it is answered at once, with what there is."""
        with self._changed:
            if self._count >= self._most or self._ended:
                waiter.ends = 0.0
            self._count += 1
            self._waiting.setdefault(waiter.port_id, set()).add(waiter)
        self._look(waiter)  # only now, so that no result comes in between
        with self._changed:
            if self._is_in(waiter):
                self._expect(waiter)

    def settled(self, port_id: str) -> None:
        """There is a result for this port."""
        with self._changed:
            waiters = list(self._waiting.get(port_id, ()))
        for waiter in waiters:
            self._look(waiter)

    def end(self) -> None:
        """Whoever waits is answered now."""
        with self._changed:
            self._ended = True
            waiters = [waiter for waiters in self._waiting.values() for waiter in waiters]
            self._changed.notify()
        for waiter in waiters:
            waiter.ends = 0.0
            self._look(waiter)

    def _look(self, waiter: Waiter) -> None:
        view, will_do = waiter.look()
        if (will_do or waiter.ends <= time.monotonic()) and self._remove(waiter):
            waiter.answer(view)

    def _is_in(self, waiter: Waiter) -> bool:
        return waiter in self._waiting.get(waiter.port_id, ())

    def _remove(self, waiter: Waiter) -> bool:
        """False if somebody has answered it meanwhile."""
        with self._changed:
            if not self._is_in(waiter):
                return False
            self._count -= 1
            self._waiting[waiter.port_id].remove(waiter)
            if not self._waiting[waiter.port_id]:
                del self._waiting[waiter.port_id]
            return True

    def _expect(self, waiter: Waiter) -> None:
        due = waiter.due(time.monotonic())
        heapq.heappush(self._dues, (due, next(self._numbers), waiter))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="waiters", daemon=True)
            self._thread.start()
        elif self._dues[0][2] is waiter:
            self._changed.notify()

    def _run(self) -> None:
        while not self._ended:
            for waiter in self._due():
                if waiter.beat and waiter.ends > time.monotonic():
                    waiter.beat()
                self._look(waiter)
                with self._changed:
                    if self._is_in(waiter):
                        self._expect(waiter)

    def _due(self) -> list[Waiter]:
        with self._changed:
            now = time.monotonic()
            if not self._dues or self._dues[0][0] > now:
                self._changed.wait(self._dues[0][0] - now if self._dues else None)
            due = []
            while self._dues and self._dues[0][0] <= time.monotonic():
                due.append(heapq.heappop(self._dues)[2])
            return [waiter for waiter in due if self._is_in(waiter)]
