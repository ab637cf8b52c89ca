"""The agent's part in the bus: it joins when the broker is there, and leaves."""

import logging
import threading
from collections.abc import Callable
from typing import Any, Protocol

from vif_agent.bus import declared, joining, leaving
from vif_agent.bus.driver_log import DriverLog
from vif_agent.bus.intake import Intake
from vif_agent.bus.notifications import Notifications
from vif_agent.bus.replies import Replies
from vif_agent.bus.report import Report
from vif_agent.health import WELL, Sign, sign
from vif_agent.private_names import oslo_servers as private

LOG = logging.getLogger(__name__)

_REPLIES_SECONDS = 2.0


class Party(Protocol):
    """Somebody else in this process who is on the bus. No method waits for anybody."""

    def begin(self) -> None:
        """The broker is there."""

    def look(self) -> None:
        """Something may have changed of ports, or on the host."""

    def end(self) -> None:
        """The agent leaves."""


class Membership:
    """``admin``: the server of the calls; ``replies``: what it has yet to answer; ``party``: joins
    and leaves with us."""

    def __init__(
        self,
        messaging: Any,
        host: str,
        notifications: Notifications,
        report: Report,
        intake: Intake,
        admin: Any,
        replies: Replies,
        party: Party | None = None,
    ) -> None:
        self._messaging = messaging
        self._host = host
        self._notifications = notifications
        self._report = report
        self._intake = intake
        self._admin = admin
        self._replies = replies
        self._party = party
        self._joined, self._left = threading.Event(), threading.Event()
        self._driver: DriverLog | None = None

    def watch(self, changed: Callable[[], object]) -> None:
        """``changed`` is called when ``sign`` may have; it must only take note."""
        self._driver = DriverLog(changed)
        self._driver.begin()

    def sign(self) -> Sign:
        """Are casts and calls read from the broker now?"""
        why = f": {self._driver.trouble}" if self._driver and self._driver.trouble else ""
        if not self._joined.is_set():
            return sign(f"not joined yet{why}")
        listeners = {"casts": self._intake.listener, "calls": self._admin.listener}
        for what, listener in listeners.items():
            if not private.is_read(listener):
                return sign(f"the thread that reads {what} has ended")
            if not private.is_connected(listener):
                return sign(f"the connection for {what} is lost{why}")
        return WELL

    def join(self) -> None:
        """Blocks while the broker is away; raises if it never can be joined so."""
        queues = declared.of_agent(self._host)
        self._notifications.start()
        known = self._intake.has_taken()
        differences = joining.patiently(lambda: declared.differing(self._messaging, queues, known))
        declared.must_be_as_asked([*differences, *self._notifications.differing()])
        self._intake.begin()
        self._tell_of_queue()
        self._admin.start()
        self._joined.set()
        if self._party:
            self._party.begin()

    def _tell_of_queue(self) -> None:
        keeping = self._intake.keeping()
        self._report.casts_queue = keeping.view() if keeping else None
        if keeping and keeping.can_lose:
            LOG.warning("Casts can be lost: %s", keeping.can_lose)

    def look(self) -> None:
        """The loop has been at work."""
        if self._party:
            self._party.look()

    def leave(self, seconds: float) -> None:
        """No longer than this: everything may be cut off here, for what is not acknowledged comes
        again."""
        threading.Thread(target=self._leave, name="leave-bus", daemon=True).start()
        # not Thread.join: under eventlet on Python 3.13 that raises when its time is over
        self._left.wait(seconds)

    def _leave(self) -> None:
        """Blocks while the broker is away."""
        try:
            if self._party:
                self._party.end()
            if self._joined.is_set():
                self._report.end()
                self._intake.end()
                leaving.stop(self._admin)
                self._admin.wait()
                self._replies.drain(_REPLIES_SECONDS)
            self._notifications.stop()
        finally:
            self._left.set()
