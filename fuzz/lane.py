"""One lane: casts and calls from one seed, on a host in memory that has things of others."""

from __future__ import annotations

import dataclasses
import random
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from fuzz.mutations import Seeds, mutated
from fuzz.place import Place
from fuzz.witness import Witness, memory
from tests.support.fake_host import FakeHost
from tests.support.rig import Rig
from vif_agent.ownership import Found
from vif_agent.resources import Bridge, Key, OtherLink, OvsBridge, OvsPort

PORTS, CALLED = 150, 30
BATCH = 500
CLEAR_EVERY = 20  # batches
MOST_GROWTH = 150  # megabytes between a tenth of the way and its end
MOST_MEMORY = 600


@dataclasses.dataclass
class Lane:
    """What came of it, as it goes from one process to another."""

    tally: Counter[str] = dataclasses.field(default_factory=Counter)
    lines: Counter[str] = dataclasses.field(default_factory=Counter)
    log_bytes: int = 0
    longest: int = 0
    crashes: list[str] = dataclasses.field(default_factory=list)
    most_memory: int = 0
    seconds: float = 0.0


def run(seed: str, casts: int, calls: int) -> Lane:
    lane, begin = Lane(), time.monotonic()
    with tempfile.TemporaryDirectory() as directory, Witness() as witness:
        try:
            _Run(Path(directory), witness, seed).run(lane, casts, calls)
        except Exception as error:
            witness.crash(f"{type(error).__name__}: {error!s:.500}")
            witness.crash("".join(traceback.format_tb(error.__traceback__)[-4:]))
    lane.lines, lane.log_bytes, lane.longest = witness.lines, witness.bytes, witness.longest
    lane.crashes += witness.crashes
    lane.seconds = time.monotonic() - begin
    return lane


class _Run:
    def __init__(self, directory: Path, witness: Witness, seed: str) -> None:
        self._witness, self._seed = witness, seed
        rig = Rig(directory)
        rig.store.close()
        self._host = rig.host
        _add_others(self._host)
        self._before = self._host.snapshot()
        self._others = self._foreign()
        self._place = Place(directory, self._host)

    def run(self, lane: Lane, casts: int, calls: int) -> None:
        lane.tally = self._place.tally
        self._casts(lane, casts)
        self._calls(lane, calls)
        self._place.close()

    def _casts(self, lane: Lane, count: int) -> None:
        seeds, baseline = Seeds(PORTS), 0
        for batch, start in enumerate(range(0, count, BATCH)):
            self._witness.doing = f"seed {self._seed}, casts from {start}"
            dice = random.Random(f"{self._seed} casts {start}")
            size = min(BATCH, count - start)
            self._place.take([mutated(seeds.cast(dice), dice) for _ in range(size)])
            lane.tally["casts"] += size
            self._settle(clear=batch % CLEAR_EVERY == CLEAR_EVERY - 1)
            if start <= count / 10:
                baseline = memory()
            self._weigh(lane, baseline)
        self._settle(clear=True)
        self._nothing_left()

    def _calls(self, lane: Lane, count: int) -> None:
        seeds = Seeds(CALLED)
        self._witness.doing = f"seed {self._seed}, before the calls"
        self._place.take([seeds.cast(random.Random(f"{self._seed} {n}")) for n in range(CALLED)])
        self._settle(clear=False)
        baseline = memory()
        for start in range(0, count, BATCH):
            dice = random.Random(f"{self._seed} calls {start}")
            for number in range(start, min(start + BATCH, count)):
                self._witness.doing = f"seed {self._seed}, call {number}"
                self._place.ask(mutated(seeds.call(dice), dice))
            self._settle(clear=False)
            self._weigh(lane, baseline)
        self._settle(clear=True)

    def _settle(self, clear: bool) -> None:
        self._place.rest()
        if clear:
            self._place.unplug_all()
        if self._place.waits:
            self._witness.crash(f"casts wait: {self._place.waits[0]}")
            self._place.waits.clear()
        if (now := self._foreign()) != self._others:
            changed = [key for key in self._others if now.get(key) != self._others[key]]
            self._witness.crash(f"what is not ours was changed: {changed}")
            self._others = now

    def _foreign(self) -> dict[Key, Found | None]:
        return {key: self._host.things.get(key) for key in _keys()}

    def _nothing_left(self) -> None:
        left = self._host.snapshot().keys() ^ self._before.keys()
        if left:
            self._witness.crash(f"left on the host, or gone from it: {sorted(left)[:10]}")

    def _weigh(self, lane: Lane, baseline: int) -> None:
        now = memory()
        lane.most_memory = max(lane.most_memory, now)
        if now > MOST_MEMORY or now - baseline > MOST_GROWTH:
            self._witness.crash(f"memory: {baseline} MB at first, {now} MB now")


_OTHERS = (
    OtherLink(name="eth7", mac="02:00:00:00:77:07", mtu=1500, up=True),
    OtherLink(name="lo", mtu=65536, up=True),
    OtherLink(name="tapffffffff-ff", mtu=1500, up=True),
    OtherLink(name="member0", mtu=1500, up=True, master="br-foreign"),
    Bridge(name="br-foreign", up=True),
)


def _add_others(host: FakeHost) -> None:
    for link in _OTHERS:
        host.add_link(link)
    host.add_ovs(OvsBridge(name="br-ex"))
    host.add_ovs(OvsPort(name="eth7far", bridge="br-ex"))


def _keys() -> list[Key]:
    return [link.key for link in _OTHERS] + [OvsPort(name="eth7far", bridge="br-ex").key]
