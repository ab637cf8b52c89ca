"""Pages by HTTP, for few who read them: Prometheus, and who asks whether the agent is well.

The standard library's servers have a thread for each client for as long as that likes, and shake
hands with one before they hear the next. Here nobody who says nothing, or reads nothing, is in
another's way: each client has some seconds for all of it, and of too many the oldest has to go.
"""

import contextlib
import dataclasses
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping

from vif_agent.errors import NotConfigured
from vif_agent.metrics.tls import Tls

LOG = logging.getLogger(__name__)

_SECONDS = 10.0  # as long as Prometheus itself waits
_MOST_CLIENTS = 8
_LONGEST_REQUEST = 8192
_PAUSE_SECONDS = 1.0  # when there is no descriptor left
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed",
            500: "Internal Server Error", 503: "Service Unavailable"}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """``status``: one of HTTP's that ``_REASONS`` has."""

    body: bytes
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"


#: called on a thread of the listener's; must wait for nobody
Page = Callable[[], Answer]


class Listener:
    """``pages``: by path. ``tls``: None for plain HTTP. ``seconds``: for a client, from its first
    byte to its last."""

    def __init__(
        self,
        address: tuple[str, int],
        pages: Mapping[str, Page],
        tls: Tls | None = None,
        seconds: float = _SECONDS,
    ) -> None:
        self._address = address
        self._pages = pages
        self._tls = tls
        self._seconds = seconds
        self._socket: socket.socket | None = None
        self._exchanges: dict[_Exchange, None] = {}  # the oldest first
        self._changed = threading.Condition()

    def __str__(self) -> str:
        host, port = self._address
        shown = f"[{host}]" if ":" in host else host
        return f"http{'s' if self._tls else ''}://{shown}:{port}"

    @property
    def listening(self) -> bool:
        """Has it its address?"""
        return self._socket is not None

    def begin(self) -> None:
        """OSError if the address cannot be had."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        try:
            listening = socket.create_server(
                self._address, family=family, dualstack_ipv6=self._address[0] == "::"
            )
        except ValueError as error:  # of a host without IPv6
            raise OSError(f"{self}: {error}") from error
        self._socket = listening
        threading.Thread(target=self._run, args=(listening,), name="metrics", daemon=True).start()

    def end(self) -> None:
        """Nobody is heard any more; who is being answered may be cut off with the process."""
        listening, self._socket = self._socket, None
        if listening:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)  # which wakes accept; close would not
            listening.close()

    def _run(self, listening: socket.socket) -> None:
        while self._socket is listening:
            try:
                client, _ = listening.accept()
                self._enter(client)
            except (OSError, RuntimeError) as error:  # no descriptor or no thread is left
                if self._socket is listening:
                    LOG.warning("Cannot hear a client of [metrics] listen: %s", error)
                    time.sleep(_PAUSE_SECONDS)

    def _enter(self, client: socket.socket) -> None:
        exchange = _Exchange(client, time.monotonic() + self._seconds)
        with self._changed:
            while len(self._exchanges) >= _MOST_CLIENTS:
                next(iter(self._exchanges)).cut_off()
                self._changed.wait(_PAUSE_SECONDS)
            self._exchanges[exchange] = None
        name = "metrics-client"
        try:
            threading.Thread(target=self._serve, args=(exchange,), name=name, daemon=True).start()
        except RuntimeError:
            self._leave(exchange)
            raise

    def _serve(self, exchange: "_Exchange") -> None:
        try:
            if self._tls:
                exchange.shake_hands(self._tls)
            exchange.answer(self._answer)
        except (OSError, ValueError) as error:  # it went, or came to no end
            LOG.debug("A client of [metrics] listen: %s", error)
        except NotConfigured as error:  # its files were right when the agent started
            LOG.warning("Cannot answer a client: %s", error)
        finally:
            self._leave(exchange)

    def _leave(self, exchange: "_Exchange") -> None:
        exchange.close()
        with self._changed:
            del self._exchanges[exchange]
            self._changed.notify()

    def _answer(self, request: bytes) -> Answer:
        """ValueError for what is no HTTP."""
        method, target, version = request.partition(b"\r\n")[0].decode("ascii").split(" ")
        if not version.startswith("HTTP/1."):
            return Answer(b"HTTP/1.1, please\n", 400)
        if method not in ("GET", "HEAD"):
            return Answer(b"only GET and HEAD\n", 405)
        page = self._pages.get(target.partition("?")[0])
        if page is None:
            return Answer(f"there is {', '.join(self._pages)}\n".encode(), 404)
        try:
            return page()
        except Exception:
            LOG.exception("The page %s cannot be made", target)
            return Answer(b"a bug; the agent's log tells more\n", 500)


class _Exchange:
    """One request and its answer, within the time for that. ``_line``: the connection below TLS."""

    def __init__(self, client: socket.socket, deadline: float) -> None:
        self._socket, self._line = client, client.dup()
        self._deadline = deadline

    def close(self) -> None:
        """Both, for each holds the connection."""
        self._socket.close()
        self._line.close()

    def cut_off(self) -> None:
        """From another thread: who reads or writes here meets the end."""
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)

    def shake_hands(self, tls: Tls) -> None:
        """Raises OSError, as ``answer`` does, and NotConfigured."""
        self._limit()
        self._socket = wrapped = tls.wrapped(self._socket)
        wrapped.do_handshake()

    def answer(self, answer: Callable[[bytes], Answer]) -> None:
        """Reads what is asked, and sends what ``answer`` says to it."""
        request = self._read()
        try:
            said = answer(request)
        except ValueError:
            said = Answer(b"this is no HTTP\n", 400)
        head = (
            f"HTTP/1.1 {said.status} {_REASONS[said.status]}\r\n"
            f"Content-Type: {said.content_type}\r\nContent-Length: {len(said.body)}\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        ).encode()
        self._write(head if request.startswith(b"HEAD ") else head + said.body)

    def _read(self) -> bytes:
        """The request's head: pages take nothing else."""
        request = b""
        while b"\r\n\r\n" not in request:
            if len(request) > _LONGEST_REQUEST:
                raise ValueError("a request without end")
            self._limit()
            some = self._socket.recv(4096)
            if not some:
                raise ConnectionError("it went before it had asked")
            request += some
        return request

    def _write(self, data: bytes) -> None:
        """Not sendall: under eventlet that has its whole time limit for each part."""
        left = memoryview(data)
        while left:
            self._limit()
            left = left[self._socket.send(left) :]

    def _limit(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("its time is over")
        self._socket.settimeout(left)
