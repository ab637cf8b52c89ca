"""What the store has done, counted for who watches over it."""

import contextlib
import time
from collections.abc import Collection, Iterator, Sequence
from typing import TypeAlias

from vif_agent.errors import StoreUnavailable
from vif_agent.ports.port import PLUG, FullSet, PortRequest
from vif_agent.tally import SHORT, Durations, Tally
from vif_agent.wishes import NEUTRON

Item: TypeAlias = PortRequest | FullSet

_AHEAD_SECONDS, _A_DAY = 60, 24 * 3600


class Counted:
    """``casts``: of the bus, by method and by what became of each at the door; ``ages``: seconds
    from when one was sent, where its generation is the sender's clock. ``writes``: how long each
    kind lasted; ``errors``: how many of them failed."""

    def __init__(self) -> None:
        self.casts = Tally()
        self.ages = Durations()
        self.writes = Durations(SHORT)
        self.errors = Tally()
        for kind in ("commit", "sync"):
            self.errors.add(kind, by=0)

    @contextlib.contextmanager
    def write(self, kind: str) -> Iterator[None]:
        """Around each: "commit" or "sync"."""
        with self.writes.timed(kind):
            try:
                yield
            except StoreUnavailable:
                self.errors.add(kind)
                raise

    def stored(
        self, items: Sequence[Item], first: Collection[Item], stale: Sequence[PortRequest]
    ) -> None:
        """``first``: those that were not seen before."""
        old, new = set(map(id, stale)), set(map(id, first))
        for item in items:
            if item.source not in ("", NEUTRON):
                continue  # a file's
            result = "stale" if id(item) in old else "stored" if id(item) in new else "duplicate"
            self.casts.add(method_of(item), result)
            if result == "stored":
                self._note_age(item)

    def _note_age(self, item: Item) -> None:
        """Only a clock in nanoseconds is a time of today."""
        age = time.time() - (item.generation or 0) / 1e9
        if -_AHEAD_SECONDS < age < _A_DAY:
            self.ages.observe(max(0.0, age))

    def refused(self, verb: str) -> None:
        """At the door, for what it says; ``verb``: of a Refusal."""
        self.casts.add("sync_vifs" if verb == "sync" else f"{verb}_vif", "refused")


def method_of(item: Item) -> str:
    """By which it came."""
    if isinstance(item, FullSet):
        return "sync_vifs"
    return "plug_vif" if item.verb == PLUG else "unplug_vif"
