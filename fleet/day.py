"""A region's day: from the start of all hosts at once to a restart of the broker."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial

from fleet.figures import Figures
from fleet.region import Region, batches, wait_until

PATIENCE = 300.0  # seconds
BURST = 5  # guests of each host in a boot storm
AT_ONCE = 10  # hosts in a rolling restart
PARTS = ("boot", "quiet", "guests_boot", "steady", "node_fails", "full_sets", "rolling_restart",
         "broker_restarts", "quiet_again")  # fmt: skip


class Day:
    """``seconds``: of steady load; ``rate``: casts a second then."""

    def __init__(self, region: Region, seed: int, seconds: float, rate: float) -> None:
        self.region, self.figures = region, Figures(region)
        self._seconds, self._rate = seconds, rate
        self._dice = random.Random(f"{seed} day")
        self.unsettled: list[str] = []

    def run(self, parts: Collection[str]) -> None:
        for name in PARTS:
            if name in parts:
                getattr(self, name)()

    def boot(self) -> None:
        """All hosts at once, as after a power failure."""
        agents, hosts = self.region.agents, self.region.hosts
        with self.figures.part("all start") as remarks:
            begin = time.monotonic()
            agents.start(hosts)
            agents.wait_ready(hosts)
            remarks.append(f"all ready after {time.monotonic() - begin:.1f} s")

    def quiet(self) -> None:
        """Heartbeats, and Neutron's reports."""
        with self.figures.part("nothing"):
            time.sleep(min(60.0, self._seconds / 3))

    def quiet_again(self) -> None:
        with self.figures.part("nothing again"):
            time.sleep(min(60.0, self._seconds / 3))

    def guests_boot(self) -> None:
        """As fast as they can be cast."""
        with self._part("guests boot"):
            for _ in range(BURST):
                for host in self.region.hosts:
                    self._plug(host)

    def steady(self) -> None:
        with self._part("steady load"), self._load():
            time.sleep(self._seconds)

    def node_fails(self) -> None:
        """Those with most guests, which are plugged elsewhere, and unplugged there afterwards."""
        region, count = self.region, max(1, len(self.region.hosts) // 50)
        failed = sorted(region.hosts, key=lambda host: len(region.wishes.plugged(host)))[-count:]
        others = [host for host in region.hosts if host not in failed] or region.hosts
        with self._part("nodes fail") as remarks:
            region.agents.kill(failed)
            moved = [(host, vif) for host in failed for vif in region.wishes.plugged(host)]
            for number, (_, vif) in enumerate(moved):
                self._cast(others[number % len(others)], vif, plugged=True)
            remarks.append(f"{count} failed, {len(moved)} ports elsewhere")
        with self._part("nodes are back"):
            for host, vif in moved:
                self._cast(host, vif, plugged=False)
            region.agents.start(failed)
            region.agents.wait_ready(failed)

    def full_sets(self) -> None:
        """Of all hosts within a minute, or as much as there is time for."""
        region, within = self.region, min(60.0, self._seconds)
        with self._part("full sets") as remarks:
            begin = time.monotonic()
            for number, host in enumerate(region.hosts):
                region.senders.sync(host, partial(region.wishes.plugged, host))
                due = begin + within * (number + 1) / len(region.hosts)
                time.sleep(max(0.0, due - time.monotonic()))
            remarks.append(f"of all hosts in {time.monotonic() - begin:.0f} s")

    def rolling_restart(self) -> None:
        """As an upgrade does, under load."""
        agents = self.region.agents
        with self._part("rolling restart") as remarks, self._load():
            begin = time.monotonic()
            for some in batches(self.region.hosts, AT_ONCE):
                agents.stop(some)
                agents.start(some)
                agents.wait_ready(some)
            remarks.append(f"{AT_ONCE} at a time, {time.monotonic() - begin:.0f} s")

    def broker_restarts(self) -> None:
        """Under load: casts wait with their senders meanwhile."""
        region = self.region
        with self._part("broker restarts") as remarks:
            with self._load():
                time.sleep(1)
                begin = time.monotonic()
                region.rabbit.stop()
                region.rabbit.start()
                up = time.monotonic()
                wait_until(self._all_consume, "all queues consumed again", PATIENCE)
                back = time.monotonic()
            remarks.append(f"away {up - begin:.1f} s, all agents back {back - up:.1f} s later")

    def _all_consume(self) -> bool:
        with contextlib.suppress(OSError):
            return not self.region.queues_without()
        return False

    @contextlib.contextmanager
    def _part(self, name: str) -> Iterator[list[str]]:
        """It ends when all that was cast is on disk."""
        senders = self.region.senders
        with self.figures.part(name) as remarks:
            yield remarks
            senders.drain()
            try:
                wait_until(lambda: self.region.stored() >= senders.sent, "all stored", PATIENCE)
            except TimeoutError as error:
                self.unsettled.append(f"{name}: {error}: {self.region.stored()} of {senders.sent}")

    @contextlib.contextmanager
    def _load(self) -> Iterator[None]:
        ending = threading.Event()
        thread = threading.Thread(target=self._keep_casting, args=(ending,))
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join()

    def _keep_casting(self, ending: threading.Event) -> None:
        """At a steady rate; when the broker is away the casts of some seconds wait, and no more."""
        acts: tuple[Callable[[str], None], ...] = (self._plug, self._unplug)
        due, most = time.monotonic(), 10 * self._rate
        while not ending.is_set():
            if self.region.senders.waiting < most:
                self._dice.choice(acts)(self._dice.choice(self.region.hosts))
            due = max(due + 1 / self._rate, time.monotonic() - 1)
            ending.wait(max(0.0, due - time.monotonic()))

    def _plug(self, host: str) -> None:
        self._cast(host, self.region.wishes.new(), plugged=True)

    def _unplug(self, host: str) -> None:
        vif = self.region.wishes.one(host, self._dice)
        if vif:
            self._cast(host, vif, plugged=False)
        else:
            self._plug(host)

    def _cast(self, host: str, vif: dict[str, object], plugged: bool) -> None:
        self.region.senders.cast(host, self.region.wishes.want(host, vif, plugged))
