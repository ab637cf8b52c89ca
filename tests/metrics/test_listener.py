"""Nobody who says nothing, or reads nothing, is in another's way."""

from __future__ import annotations

import contextlib
import http.client
import logging
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from vif_agent.errors import NotConfigured
from vif_agent.metrics.listener import Answer, Listener
from vif_agent.metrics.tls import Tls
from vif_agent.testing.processes import wait_until

MOST = 8
LARGE = b"x" * (32 << 20)  # more than both ends' kernels take for a client that does not read


def broken() -> Answer:
    raise KeyError("a bug")


PAGES: dict[str, Callable[[], Answer]] = {
    "/metrics": lambda: Answer(b"well\n"),
    "/large": lambda: Answer(LARGE),
    "/broken": broken,
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def served(seconds: float = 60, tls: Tls | None = None) -> Iterator[int]:
    port = free_port()
    listener = Listener(("127.0.0.1", port), PAGES, tls, seconds)
    listener.begin()
    try:
        yield port
    finally:
        listener.end()
        wait_until(lambda: not clients_and("metrics"), "the end of its threads", timeout=60)


def clients_and(*others: str) -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name in ("metrics-client", *others)]


def ask(port: int, path: str = "/metrics", method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def said(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_pages_are_answered(caplog: pytest.LogCaptureFixture) -> None:
    with served() as port:
        assert ask(port) == (200, b"well\n")
        assert ask(port, "/metrics?name=ports") == (200, b"well\n")
        assert ask(port, method="HEAD") == (200, b"")
        assert ask(port, "/large") == (200, LARGE)
        status, text = ask(port, "/nothing")
        assert (status, b"/metrics" in text) == (404, True)
        assert ask(port, method="DELETE")[0] == 405
        assert caplog.text == ""
        assert ask(port, "/broken")[0] == 500
        assert "KeyError" in caplog.text
        assert ask(port) == (200, b"well\n")


@pytest.mark.parametrize(
    "request_", [b"\r\n\r\n", b"GET\r\n\r\n", b"GET / FTP/1\r\n\r\n", b"\xff \xff HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_http_is_told_so(request_: bytes) -> None:
    with served() as port:
        assert said(port, request_).startswith(b"HTTP/1.1 400 ")


def test_request_without_end_is_cut_off() -> None:
    with served() as port, contextlib.suppress(ConnectionError):
        assert said(port, b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 2000) == b""


def test_clients_that_say_nothing_keep_nobody_out() -> None:
    """Each of them has a long time, and there are more than the listener hears at once."""
    with served() as port, contextlib.ExitStack() as stack:
        for _ in range(3 * MOST):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            assert len(clients_and()) <= MOST
        assert ask(port) == (200, b"well\n")
        assert len(clients_and()) <= MOST


def test_clients_that_read_nothing_keep_nobody_out() -> None:
    with served() as port, contextlib.ExitStack() as stack:
        for _ in range(2 * MOST):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        assert ask(port) == (200, b"well\n")
        assert len(clients_and()) <= MOST


def test_client_that_comes_to_no_end_has_its_time_and_no_more() -> None:
    """A byte now and then buys none."""
    with served(seconds=0.5) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            with contextlib.suppress(ConnectionError):
                for _ in range(2000):
                    client.sendall(b"x")
                    time.sleep(0.02)  # how slow it is, is what is tried
                    if not clients_and():
                        break
            assert not clients_and()
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(b"GET /large HTTP/1.1\r\n\r\n")
            wait_until(lambda: not clients_and(), "its end", timeout=60)


def test_address_that_another_has_is_refused_and_can_be_had_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = int(other.getsockname()[1])
        listener = Listener(("127.0.0.1", port), PAGES)
        with pytest.raises(OSError, match="in use"):
            listener.begin()
        assert not listener.listening
    listener.begin()
    assert ask(port) == (200, b"well\n")
    listener.end()


def test_address_of_a_host_without_ipv6_can_not_be_had() -> None:
    """Python asks for a socket of IPv6, to see whether there is such a thing; there is none here
    for want of a descriptor."""
    listener = Listener(("::", free_port()), PAGES)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match="dualstack_ipv6"):
            listener.begin()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not listener.listening


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "ca")


class Options(dict[str, str]):
    """As oslo.config's group."""


def tls_of(**files: Path | str) -> Tls | None:
    names = ("ssl_cert_file", "ssl_key_file", "ssl_ca_cert_file")
    return Tls.of(Options({name: str(files.get(name, "")) for name in names}))


def secure_answer(port: int, authority: Authority, own: tuple[Path, Path] | None = None) -> bytes:
    context = ssl.create_default_context(cafile=authority.certificate)
    context.check_hostname = False
    if own:
        context.load_cert_chain(own[1], own[0])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=60) as line,
        context.wrap_socket(line) as client,
    ):
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_tls_also_beside_clients_that_do_not_shake_hands(authority: Authority) -> None:
    key, certificate = authority.issue("agent")
    tls = tls_of(ssl_cert_file=certificate, ssl_key_file=key)
    with served(tls=tls) as port, contextlib.ExitStack() as stack:
        for _ in range(MOST):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert secure_answer(port, authority).endswith(b"well\n")


def test_only_clients_with_a_certificate_where_that_is_wanted(authority: Authority) -> None:
    key, certificate = authority.issue("agent")
    tls = tls_of(
        ssl_cert_file=certificate, ssl_key_file=key, ssl_ca_cert_file=authority.certificate
    )
    with served(tls=tls) as port:
        with pytest.raises(OSError, match=r"(?i)certificate.required|reset|EOF"):
            assert secure_answer(port, authority) == b""
        assert secure_answer(port, authority, authority.issue("client")).endswith(b"well\n")


def test_certificate_may_be_renewed(authority: Authority, tmp_path: Path) -> None:
    old_key, old = authority.issue("old", days=-1)
    key, certificate = tmp_path / "agent.key", tmp_path / "agent.crt"
    key.write_bytes(old_key.read_bytes())
    certificate.write_bytes(old.read_bytes())
    with served(tls=tls_of(ssl_cert_file=certificate, ssl_key_file=key)) as port:
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            secure_answer(port, authority)
        new_key, new = authority.issue("new")
        key.write_bytes(new_key.read_bytes())
        certificate.write_bytes(new.read_bytes())
        assert secure_answer(port, authority).endswith(b"well\n")


def test_files_that_cannot_be_used_are_named(authority: Authority, tmp_path: Path) -> None:
    key, certificate = authority.issue("agent")
    with pytest.raises(NotConfigured, match="needs both"):
        tls_of(ssl_cert_file=certificate)
    with pytest.raises(NotConfigured, match="ssl_key_file = /nowhere: No such file"):
        tls_of(ssl_cert_file=certificate, ssl_key_file="/nowhere")
    with pytest.raises(NotConfigured, match="pass phrase"):
        tls_of(ssl_cert_file=certificate, ssl_key_file=authority.encrypted(key))
    with pytest.raises(NotConfigured, match="ssl_cert_file"):
        tls_of(ssl_cert_file=key, ssl_key_file=key)


def test_nothing_is_said_of_clients_that_go(caplog: pytest.LogCaptureFixture) -> None:
    with served() as port, caplog.at_level(logging.INFO):
        for _ in range(3):
            socket.create_connection(("127.0.0.1", port)).close()
        wait_until(lambda: not clients_and(), "their end")
    assert caplog.text == ""
