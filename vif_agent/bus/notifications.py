"""Results out, as oslo.messaging notifications, from a thread of their own.

A broker that is away must not hold up the work on the host: what cannot be sent waits here, up
to a bound, the oldest given up first.
"""

import contextlib
import dataclasses
import itertools
import logging
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

import oslo_messaging

from vif_agent.bus import connections, declared, remedies
from vif_agent.bus.outlet import Message, Outlet, message
from vif_agent.bus.pauses import spread

LOG = logging.getLogger(__name__)

_MOST = 10_000
_TOGETHER = 100  # some hundred kilobytes, and one confirmation to wait for
_PAUSE_SECONDS = 1.0  # after a failure; doubled each time
_LONGEST_PAUSE_SECONDS = 16.0
_LOOK_SECONDS = 2.0


@dataclasses.dataclass(slots=True)
class _Lost:
    """``told``: so many of them are in the log."""

    total: int = 0
    told: int = 0


class Notifications:
    """Keeps the order; sends each until the broker has it. ``conf`` is oslo.config's."""

    def __init__(self, conf: Any, host: str) -> None:
        self._publisher = f"vif-agent.{host}"
        messaging = connections.mended(oslo_messaging.get_notification_transport(conf))
        self._outlet = Outlet(messaging, self._publisher)
        self._waiting: deque[Message] = deque()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._differing: list[str] = []
        self._declared = False
        self._looked = threading.Event()
        self._lost = _Lost()
        self._trouble = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)

    def differing(self) -> list[str]:
        """What of their queues was declared otherwise, as far as the broker has answered at once.

        They are shared by all agents, and so may be where no broker is now: nobody waits for that.
        """
        self._looked.wait(_LOOK_SECONDS)
        return self._differing

    @property
    def waiting(self) -> int:
        """How many are to be sent yet."""
        return len(self._waiting)

    @property
    def dropped(self) -> int:
        """How many were given up since the start."""
        return self._lost.total

    def start(self) -> None:
        """Once; what is sent before that waits."""
        self._thread.start()

    def stop(self, timeout: float = 5) -> None:
        """Sends what waits, for at most ``timeout`` seconds."""
        self._stopping.set()
        with self._changed:
            self._changed.notify()
        if self._thread.is_alive():  # not its join: see Agent._end
            self._ended.wait(timeout)

    def send(self, event_type: str, payload: dict[str, Any]) -> None:
        """Never blocks. ``vif.*.error`` goes out with priority error, all else with info."""
        made = message(self._publisher, event_type, payload)
        with self._changed:
            if len(self._waiting) >= _MOST:
                self._waiting.popleft()
                self._lost.total += 1
            self._waiting.append(made)
            self._changed.notify()

    def _run(self) -> None:
        try:
            with contextlib.suppress(Exception):  # the first notification tries and tells it
                self._declare()
            self._looked.set()
            self._deliver_all()
        finally:
            self._ended.set()

    def _deliver_all(self) -> None:
        while first := self._first():
            for each in first:
                self._outlet.tell_others(each)
            if not self._deliver(first):
                return
            with self._changed:
                for each in first:
                    if self._waiting and self._waiting[0] is each:  # not given up meanwhile
                        self._waiting.popleft()

    def _first(self) -> list[Message]:
        """Those that go out together; they stay where they are until they are sent."""
        with self._changed:
            while not self._waiting and not self._stopping.is_set():
                self._changed.wait()
            return list(itertools.islice(self._waiting, _TOGETHER))

    def _deliver(self, messages: Sequence[Message]) -> bool:
        """Until they are sent; False when the agent stops first."""
        pause = _PAUSE_SECONDS
        while not self._sent(messages):
            if self._stopping.wait(spread(pause)):
                return False
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        return True

    def _sent(self, messages: Sequence[Message]) -> bool:
        try:
            if self._declared or self._declare():
                self._outlet.send(messages)
            else:
                raise declared.DeclaredOtherwise("; ".join(self._differing))
        except Exception as error:
            trouble = remedies.remedy(error) or str(error)
            if trouble != self._trouble:
                self._trouble = trouble
                LOG.warning("Notifications wait until they can be sent: %s", trouble)
            return False
        self._tell_end()
        return True

    def _declare(self) -> bool:
        self._differing = self._outlet.differing()
        self._declared = not self._differing
        return self._declared

    def _tell_end(self) -> None:
        if self._trouble:
            LOG.info("Notifications are sent again; %d have waited", len(self._waiting))
            self._trouble = ""
        if lost := self._lost.total - self._lost.told:
            LOG.warning("%d notifications given up while the bus was away", lost)
            self._lost.told += lost
