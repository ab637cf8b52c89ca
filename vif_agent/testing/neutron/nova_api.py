"""A stand-in of nova's API: it takes the events that Neutron tells nova, and keeps them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from vif_agent.testing.neutron.web import Web

Event = dict[str, Any]


class NovaApi(Web):
    """``events`` are those of ``POST /os-server-external-events``, in the order they came:
    {"name": "network-vif-plugged", "server_uuid", "status", "tag": the port}."""

    method, kind = "POST", "application/json"

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = threading.Condition()
        super().__init__("127.0.0.1", self._answer)
        self.url = f"http://{self.address}/v2.1"

    def of(self, port_id: str) -> list[tuple[str, str]]:
        """(name, status) of all that was told of a port, without "network-changed"."""
        with self._changed:
            return [
                (event["name"], event.get("status") or "completed")
                for event in self.events
                if event.get("tag") == port_id and event["name"] != "network-changed"
            ]

    def wait(self, port_id: str, name: str, status: str = "completed", timeout: float = 60) -> None:
        """Until this was told of the port, be it before."""
        self._wait(lambda: (name, status) in self.of(port_id), timeout, (port_id, name, status))

    def forget(self) -> None:
        """What came so far."""
        with self._changed:
            self.events.clear()

    def _wait(self, told: Callable[[], bool], timeout: float, what: object) -> None:
        deadline = time.monotonic() + timeout
        with self._changed:
            while not told():
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(f"nova was not told {what} in {timeout} s: {self.events}")

    def _answer(self, request: BaseHTTPRequestHandler) -> str:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        events: list[Event] = json.loads(body).get("events", [])
        with self._changed:
            self.events += events
            self._changed.notify_all()
        return json.dumps({"events": [{**e, "code": 200, "status": "completed"} for e in events]})
