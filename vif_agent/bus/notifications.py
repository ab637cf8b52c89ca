"""Results out, as oslo.messaging notifications, from a thread of their own.

A broker that is away must not hold up the work on the host: what cannot be sent waits here, up
to a bound, the oldest given up first.
"""

import logging
import threading
from collections import deque
from typing import Any

import oslo_messaging

LOG = logging.getLogger(__name__)

_MOST = 10_000


class Notifications:
    def __init__(self, conf: Any, host: str) -> None:
        self._transport = oslo_messaging.get_notification_transport(conf)
        self._notifier = oslo_messaging.Notifier(self._transport, publisher_id=f"vif-agent.{host}")
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._lost = 0
        self._sent = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 5) -> None:
        """Sends what waits, for at most ``timeout`` seconds."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():  # not its join: see Agent._end
            self._sent.wait(timeout)

    def send(self, event_type: str, payload: dict[str, Any]) -> None:
        """Never blocks. ``vif.*.error`` goes out with priority error, all else with info."""
        with self._changed:
            if len(self._waiting) >= _MOST:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append((event_type, payload))
            self._changed.notify()

    def _run(self) -> None:
        while (item := self._next()) is not None:
            event_type, payload = item
            send = self._notifier.error if event_type.endswith(".error") else self._notifier.info
            context = {"request_id": payload.get("request_id")}
            try:
                send(context, event_type, payload)
            except Exception as error:
                LOG.warning("Notification %s not sent: %s", event_type, error)
        self._sent.set()

    def _next(self) -> tuple[str, dict[str, Any]] | None:
        with self._changed:
            while not self._waiting and not self._stopping:
                self._changed.wait()
            if self._lost:
                LOG.warning("%d notifications given up while the bus was away", self._lost)
                self._lost = 0
            return self._waiting.popleft() if self._waiting else None
