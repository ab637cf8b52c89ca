"""Neutron's ports on this host: as the store has them, and those that were refused at the door."""

import contextlib
import dataclasses
import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from vif_agent import wishes
from vif_agent.bus.casts import Refusal
from vif_agent.errors import InvalidRequest, Problem, StoreUnavailable
from vif_agent.ports.port import PLUG, UNPLUGGED, Port

_MOST_REFUSED = 100
_REFUSED_SECONDS = 3600.0  # a port may be deleted, and nobody tells of it
_LATELY_SECONDS = 3600.0


class Stored(Protocol):
    """What is needed of the store."""

    def glance(self) -> list[Port]:
        """All that are not unplugged; waits for nobody."""

    def ports(self) -> dict[str, Port]:
        """All, with those that were unplugged in the last days; StoreUnavailable."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Refused:
    problem: Problem
    at: float


class NeutronsPorts:
    """Safe on any thread."""

    def __init__(self, store: Stored) -> None:
        self._store = store
        self._refused: dict[str, _Refused] = {}
        self._digest: tuple[frozenset[tuple[str, int]], str] = (frozenset(), wishes.digest([]))

    def there(self) -> list[Port]:
        """All that are not unplugged, and some that are."""
        return [port for port in self._store.glance() if port.source == wishes.NEUTRON]

    def at_start(self) -> set[str]:
        """Those of which Neutron may have heard anything from the process before this."""
        since = time.time() - _LATELY_SECONDS
        known = self._store.glance()
        with contextlib.suppress(StoreUnavailable):  # what was unplugged is in the file alone
            known = [*self._store.ports().values()]
        return {
            port.port_id
            for port in known
            if port.source == wishes.NEUTRON
            if port.state != UNPLUGGED or (port.done_at or 0) > since
        }

    def plugged(self) -> list[Port]:
        """What was wished for, whatever became of it."""
        return [port for port in self.there() if port.verb == PLUG]

    def digest(self) -> str:
        """Of these; worked out when there are new requests only."""
        plugged = self.plugged()
        known, digest = self._digest
        requests = frozenset((port.port_id, port.seq) for port in plugged)
        if requests != known:
            digest = wishes.digest(port.vif for port in plugged)
            self._digest = requests, digest
        return digest

    def refuse(self, refusals: Sequence[Refusal]) -> bool:
        """Neutron is to hear of these of its ports. Answers whether there are any."""
        now = time.time()
        new = {
            each.port_id: _Refused(each.error.problem, now)
            for each in refusals
            if each.source == wishes.NEUTRON and each.verb == PLUG and each.port_id
            if isinstance(each.error, InvalidRequest)
        }
        if new:
            kept = {i: refused for i, refused in self._refused.items() if i not in new}
            self._refused = dict([*kept.items(), *new.items()][-_MOST_REFUSED:])
        return bool(new)

    def refused(self) -> Iterable[tuple[str, Problem]]:
        """Those since which nothing else was asked for the port."""
        asked = {port.port_id: port.received_at for port in self.there()}
        since = time.time() - _REFUSED_SECONDS
        return [
            (port_id, refused.problem)
            for port_id, refused in [*self._refused.items()]
            if refused.at > max(since, asked.get(port_id, 0.0))
        ]
