"""The agent's part in the bus: it joins when the broker is there, and leaves."""

import logging
import threading
from typing import Any

from vif_agent.bus import declared, joining, leaving
from vif_agent.bus.intake import Intake
from vif_agent.bus.notifications import Notifications
from vif_agent.bus.report import MOST_WAITING, Report

LOG = logging.getLogger(__name__)

_CALLS_AT_ONCE = MOST_WAITING + 64  # oslo's own bound is 64


class Membership:
    """``admin``: the server of the calls."""

    def __init__(
        self,
        messaging: Any,
        host: str,
        notifications: Notifications,
        report: Report,
        intake: Intake,
        admin: Any,
    ) -> None:
        self._messaging = messaging
        self._host = host
        self._notifications = notifications
        self._report = report
        self._intake = intake
        self._admin = admin
        self._joined, self._left = threading.Event(), threading.Event()

    def join(self) -> None:
        """Blocks while the broker is away; raises if it never can be joined so."""
        queues = declared.of_agent(self._host)
        self._notifications.start()
        said = joining.patiently(lambda: declared.differing(self._messaging, queues))
        declared.must_be_as_asked([*said, *self._notifications.differing()])
        self._intake.begin()
        self._admin.start(override_pool_size=_CALLS_AT_ONCE)
        self._joined.set()

    def leave(self, seconds: float) -> None:
        """No longer than this: everything may be cut off here, for what is not acknowledged comes
        again."""
        threading.Thread(target=self._leave, name="leave-bus", daemon=True).start()
        # not Thread.join: under eventlet on Python 3.13 that raises when its time is over
        self._left.wait(seconds)

    def _leave(self) -> None:
        """Blocks while the broker is away."""
        try:
            if self._joined.is_set():
                self._report.end()
                self._intake.end()
                leaving.stop(self._admin)
                self._admin.wait()
            self._notifications.stop()
        finally:
            self._left.set()
