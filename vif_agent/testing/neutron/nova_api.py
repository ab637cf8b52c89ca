"""A stand-in of nova's API: it takes the events that Neutron tells nova, and keeps them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Event = dict[str, Any]


class NovaApi:
    """``events`` are those of ``POST /os-server-external-events``, in the order they came:
    {"name": "network-vif-plugged", "server_uuid", "status", "tag": the port}."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v2.1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

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

    def _take(self, events: list[Event]) -> None:
        with self._changed:
            self.events += events
            self._changed.notify_all()

    def _handler(nova) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - self is the request's
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                events = json.loads(body).get("events", [])
                nova._take(events)
                said = [{**event, "code": 200, "status": "completed"} for event in events]
                answer = json.dumps({"events": said}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        return Handler
