"""Web servers for guests to talk to: nova's metadata API, and one that says who has asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

Answer = Callable[[BaseHTTPRequestHandler], str]


def asker(request: BaseHTTPRequestHandler) -> str:
    """The address that the server sees."""
    return str(request.client_address[0])


def instance(request: BaseHTTPRequestHandler) -> str:
    """Of nova's metadata API: who asks, as Neutron says by a header."""
    return str(request.headers["X-Instance-ID"])


class Web:
    """Listens in the network namespace of the caller; ``port`` is chosen where it is 0."""

    method, kind = "GET", "text/plain; charset=UTF-8"

    def __init__(self, address: str, answer: Answer, port: int = 0) -> None:
        handler = _handler(answer, self.method, self.kind)
        self._server = ThreadingHTTPServer((address, port), handler)
        self._server.daemon_threads = True
        self.address = f"{address}:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(answer: Answer, method: str, kind: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Nothing."""

    def do(request: Handler) -> None:
        body = answer(request).encode()
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    setattr(Handler, f"do_{method}", do)
    return Handler
