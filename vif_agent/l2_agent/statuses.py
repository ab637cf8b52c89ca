"""How Neutron's ports are, and which of it Neutron has yet to hear. No I/O.

What was told is known by its request: each that is done is told, also one that asks for the same
again, for Neutron may have put the port DOWN meanwhile. And that a port is up is told now and then
all the same: nothing else mends what Neutron has put DOWN when the cast about it was lost.
"""

import dataclasses
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from vif_agent.ports.port import (
    ERROR,
    PENDING,
    PLUG,
    READY,
    UNPLUG,
    UNPLUGGED,
    Port,
)
from vif_agent.wishes import NEUTRON

#: in one call: Neutron's rpc_resources_processing_step
MOST = 20
_AGAIN_SECONDS = 600.0  # and for many ports five seconds for each: it costs Neutron some queries
_AGAIN_SECONDS_EACH = 5.0
_LOOK_SECONDS = 60.0
_PAUSE_SECONDS = 1.0  # before a port is told again with which the server has failed; then doubled
_LONGEST_PAUSE_SECONDS = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class Status:
    """``seq``: of the request."""

    seq: int
    up: bool


@dataclasses.dataclass(slots=True)
class _Refused:
    again_at: float
    pause: float


class Statuses:
    """``waits``: have others yet to do something for the port, though it was ready?

    Used by one thread; others may ask ``failed``, ``up`` and ``waiting``.
    """

    def __init__(
        self, waits: Callable[[str], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._waits = waits
        self._clock = clock
        self._told: dict[str, Status] = {}
        self._told_at: dict[str, float] = {}
        self._refused: dict[str, _Refused] = {}
        self._unsure: set[str] = set()
        #: how many are to be told yet
        self.waiting = 0

    def unsure(self, port_ids: Iterable[str]) -> None:
        """What Neutron knows of these: they are told, whether up or down."""
        self._unsure = {*self._unsure, *port_ids}

    def untold(self, ports: Iterable[Port]) -> dict[str, Status]:
        """``ports``: all that are not unplugged, and some that are."""
        now = {port.port_id: port for port in ports if port.source == NEUTRON}
        found = ((i, self._status(port)) for i, port in now.items())
        untold = {i: status for i, status in found if status and self._is_new(i, status)}
        gone = [i for i in (*self._told, *self._unsure) if i not in now]
        untold |= {i: Status(0, False) for i in gone if self._is_new(i, Status(0, False))}
        for port_id in gone:
            if port_id not in untold:
                self._told.pop(port_id, None)
                self._told_at.pop(port_id, None)
        self.waiting = len(untold)
        return untold

    def due(self, untold: Mapping[str, Status]) -> dict[str, Status]:
        """Those of one call: not the ones with which the server has just failed."""
        now = self._clock()
        due = (i for i in untold if i not in self._refused or self._refused[i].again_at <= now)
        return {i: untold[i] for i, _ in zip(due, range(MOST), strict=False)}

    def heard(self, told: Mapping[str, Status], failed: Collection[str]) -> list[str]:
        """The server has answered. Answers with which ports it has failed for the first time."""
        for port_id, status in told.items():
            if port_id not in failed:
                self._told[port_id] = status
                self._told_at[port_id] = self._clock()
                self._unsure.discard(port_id)
                self._refused.pop(port_id, None)
        new = [port_id for port_id in failed if port_id not in self._refused]
        for port_id in failed:
            before = self._refused.get(port_id)
            pause = min(2 * before.pause, _LONGEST_PAUSE_SECONDS) if before else _PAUSE_SECONDS
            self._refused[port_id] = _Refused(self._clock() + pause, pause)
        return new

    def next_due(self, untold: Collection[str]) -> float:
        """In how many seconds to look again, though nobody wakes us."""
        due = [self._refused[i].again_at for i in untold if i in self._refused]
        return min(max(0.0, min(due) - self._clock()), _LOOK_SECONDS) if due else _LOOK_SECONDS

    @property
    def up(self) -> list[str]:
        """Those that Neutron has been told are up, and nothing since. Safe on any thread."""
        return [port_id for port_id, status in self._told.copy().items() if status.up]

    def failed(self, ports: Iterable[Port]) -> dict[str, Port]:
        """Those in error; Neutron has been told that they are down, or has never heard else."""
        return {
            port.port_id: port
            for port in ports
            if port.source == NEUTRON and port.verb == PLUG and port.state == ERROR
            if port.problem and not self._is_new(port.port_id, Status(port.seq, False))
        }

    def _is_new(self, port_id: str, status: Status) -> bool:
        told = self._told.get(port_id)
        if port_id in self._unsure or (status.up and told != status):
            return True
        if status.up:
            again = max(_AGAIN_SECONDS, _AGAIN_SECONDS_EACH * len(self._told))
            return self._clock() >= self._told_at.get(port_id, 0.0) + again
        return told is not None and told.up

    def _status(self, port: Port) -> Status | None:
        """None: it is under way, and Neutron knows enough of it."""
        waits = self._waits(port.port_id)
        if port.verb == UNPLUG:
            return Status(port.seq, False) if port.state == UNPLUGGED else None
        if port.state == PENDING and not waits:
            return None
        return Status(port.seq, port.state == READY and not waits)
