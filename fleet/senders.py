"""What casts: some threads, as so many nova-computes would, each for hosts of its own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from bench.cases import Vif, instance
from fleet.wishes import Wish
from vif_agent.bus.api import NoAnswer, VifAgentAPI

_PATIENCE = 20.0  # seconds for the broker to take a cast; then it is sent once more
Job = Callable[[], None]


class Senders:
    """So the casts to a host keep their order. A cast counts as sent when the broker has confirmed
    it; one that it has not is sent again, as it was, until it does."""

    def __init__(self, transport: Any, count: int) -> None:
        self._api = VifAgentAPI(transport=transport, timeout=_PATIENCE)
        self._lock = threading.Lock()
        self._queues: list[queue.Queue[Job]] = [queue.Queue() for _ in range(count)]
        self.sent = 0
        self.resent = 0
        self.last = 0.0  # time.time, of the last confirmation
        self.broken: list[str] = []
        for jobs in self._queues:
            threading.Thread(target=self._run, args=(jobs,), daemon=True).start()

    def cast(self, host: str, wish: Wish) -> None:
        """The plug or unplug that it is; returns before it is sent."""
        self._put(host, lambda: self._send(self._one, host, wish))

    def sync(self, host: str, vifs: Callable[[], list[Vif]]) -> None:
        """All that this host is to have, as it is when it is sent."""
        self._put(host, lambda: self._send(self._set, host, vifs()))

    def drain(self) -> None:
        """Until all are sent."""
        for jobs in self._queues:
            jobs.join()

    @property
    def waiting(self) -> int:
        return sum(jobs.qsize() for jobs in self._queues)

    def _put(self, host: str, job: Job) -> None:
        self._queues[hash(host) % len(self._queues)].put(job)

    def _one(self, host: str, wish: Wish, generation: int) -> None:
        wish.generation = generation
        cast = self._api.plug_vif if wish.plugged else self._api.unplug_vif
        cast({}, host, instance(wish.vif), wish.vif, generation=generation)

    def _set(self, host: str, vifs: list[Vif], generation: int) -> None:
        items = [{"instance": instance(vif), "vif": vif} for vif in vifs]
        self._api.sync_vifs({}, host, items, complete=True, generation=generation)

    def _send(self, send: Callable[[str, Any, int], None], host: str, what: Any) -> None:
        generation, tries = time.time_ns(), 0
        while True:
            try:
                send(host, what, generation)
            except NoAnswer:
                tries += 1
                time.sleep(0.5)
                continue
            with self._lock:
                self.sent += 1
                self.resent += tries
                self.last = time.time()
            return

    def _run(self, jobs: queue.Queue[Job]) -> None:
        while True:
            job = jobs.get()
            try:
                job()
            except Exception as error:
                self.broken.append(f"a cast was not sent: {error!r:.300}")
            jobs.task_done()
