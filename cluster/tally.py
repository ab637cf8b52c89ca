"""What became of each cast, by its id: what the senders were told, and what the stores have."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from cluster.client import Client
from cluster.crew import stored
from cluster.sender import SENT


@dataclasses.dataclass(frozen=True)
class Sent:
    port_id: str
    before: float
    after: float
    how: str

    @property
    def told(self) -> bool:
        """That it went."""
        return self.how == SENT


@dataclasses.dataclass
class Tally:
    """``late``: the longest time from the call to the store; ``silent``: the longest in which no
    sender of a host was told that a cast went."""

    casts: int = 0
    told: int = 0
    failed: int = 0
    stored: int = 0
    lost: int = 0
    twice: int = 0
    late: float = 0.0
    silent: float = 0.0
    why: Counter[str] = dataclasses.field(default_factory=Counter)
    gone: list[Sent] = dataclasses.field(default_factory=list)


def of(clients: Iterable[Client], names: Sequence[str]) -> Tally:
    """The storms of these names."""
    tally = Tally()
    for client in clients:
        _add(tally, client, [sent for name in names for sent in _sent(client, name)])
    return tally


def _add(tally: Tally, client: Client, casts: Sequence[Sent]) -> None:
    kept, taken = stored(client), _taken(client)
    times = [taken.get(cast.port_id, []) for cast in casts]
    told = [cast for cast in casts if cast.told]
    gone = [cast for cast in told if cast.port_id not in kept]
    tally.casts += len(casts)
    tally.told += len(told)
    tally.failed += len(casts) - len(told)
    tally.stored += sum(cast.port_id in kept for cast in casts)
    tally.lost += len(gone)
    tally.twice += sum(len(each) - 1 for each in times if each)
    ways = [each[0] - c.before for c, each in zip(casts, times, strict=True) if each and c.told]
    tally.late = max([tally.late, *ways])
    tally.silent = max([tally.silent, *_pauses(sorted(cast.after for cast in told))])
    tally.why.update(cast.how[:160] for cast in casts if not cast.told)
    tally.gone += gone


def _pauses(times: Sequence[float]) -> Iterator[float]:
    for earlier, later in itertools.pairwise(times):
        yield later - earlier


def _sent(client: Client, name: str) -> Iterator[Sent]:
    for line in client.sent(name).read_text().splitlines():
        port_id, before, after, how = line.split(" ", 3)
        yield Sent(port_id, float(before), float(after), how)


def _taken(client: Client) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for line in client.taken.read_text().splitlines():
        at, port_id = line.split()
        found.setdefault(port_id, []).append(float(at))
    return found
