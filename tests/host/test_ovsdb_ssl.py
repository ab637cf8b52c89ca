"""OVSDB over TLS, where both sides show a certificate; what is wrong with it is said."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import ovs.poller
import ovs.stream
import pytest
from oslo_config import cfg

from tests.support.casting import wait_for
from tests.support.certificates import Authority
from vif_agent import config
from vif_agent.errors import NotConfigured, OvsdbUnavailable
from vif_agent.host.ovs.ovsdb import Ovsdb
from vif_agent.host.ovs.tls import use_certificates
from vif_agent.testing import processes
from vif_agent.testing.ovs import SCHEMA
from vif_agent.testing.rabbit import free_ports

ENVIRONMENT = {"PATH": os.environ["PATH"]}


class Files(NamedTuple):
    """For one end: a key, its certificate, and that of who has signed the other's."""

    key: Path
    certificate: Path
    authority: Path


Configured = Callable[[str, Files], None]


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    """The agent's, as its configuration names them."""

    def read(connection: str, files: Files) -> None:
        path = tmp_path / "vif-agent.conf"
        names = ("ssl_key_file", "ssl_cert_file", "ssl_ca_cert_file")
        given = zip(names, files, strict=True)
        lines = [f"{name} = {file}" for name, file in given if file != Path()]
        path.write_text("\n".join(["[ovs]", f"ovsdb_connection = {connection}", *lines]))
        conf = cfg.ConfigOpts()
        config.register(conf)
        conf(["--config-file", str(path)], project="vif-agent")
        use_certificates(conf.ovs)

    return read


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def other(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "other")


@pytest.fixture
def agents(ours: Authority) -> Files:
    return Files(*ours.issue("agent"), ours.certificate)


@contextlib.contextmanager
def serving(directory: Path, files: Files) -> Iterator[str]:
    """An ovsdb-server; its connection."""
    database, (port,) = directory / "conf.db", free_ports(1)
    processes.run(("ovsdb-tool", "create", str(database), SCHEMA), ENVIRONMENT)
    options = {
        "remote": f"pssl:{port}:127.0.0.1", "private-key": files.key,
        "certificate": files.certificate, "ca-cert": files.authority, "unixctl": directory / "ctl",
    }  # fmt: skip
    argv = ("ovsdb-server", str(database), *(f"--{k}={v}" for k, v in options.items()))
    process = processes.start(argv, ENVIRONMENT, directory / "out")
    try:
        processes.wait_until(lambda: _answers(port), "ovsdb-server", process)
        yield f"ssl:127.0.0.1:{port}"
    finally:
        processes.end(process)


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """A peer that accepts and says nothing; its connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"ssl:127.0.0.1:{server.getsockname()[1]}"


@contextlib.contextmanager
def connecting(connection: str) -> Iterator[Ovsdb]:
    ovsdb = Ovsdb(connection, 3, lambda _: None)
    ovsdb.start()
    try:
        yield ovsdb
    finally:
        ovsdb.stop()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def complaint(ovsdb: Ovsdb) -> str:
    try:
        ovsdb.read([])
    except OvsdbUnavailable as error:
        return str(error)
    return ""


def complains(connection: str, of: str) -> None:
    with connecting(connection) as ovsdb:
        wait_for(lambda: of in complaint(ovsdb), f"{of!r} in the complaint")
        assert complaint(ovsdb).startswith(f"ovsdb: not connected to {connection}: ")


def test_database_is_reached(
    configured: Configured, ours: Authority, agents: Files, tmp_path: Path
) -> None:
    with serving(tmp_path, Files(*ours.issue("server"), ours.certificate)) as connection:
        configured(connection, agents)
        with connecting(connection) as ovsdb:
            wait_for(lambda: complaint(ovsdb) == "", "the connection")


# What is wrong with it is said


def test_server_whose_certificate_is_out_of_date(
    configured: Configured, ours: Authority, agents: Files, tmp_path: Path
) -> None:
    with serving(tmp_path, Files(*ours.issue("server", -1), ours.certificate)) as connection:
        configured(connection, agents)
        complains(connection, "its certificate is not accepted: certificate has expired")


def test_server_whose_certificate_another_has_signed(
    configured: Configured, ours: Authority, other: Authority, agents: Files, tmp_path: Path
) -> None:
    with serving(tmp_path, Files(*other.issue("server"), ours.certificate)) as connection:
        configured(connection, agents)
        complains(connection, "its certificate is not accepted: unable to get local issuer")


@pytest.mark.parametrize(("days", "by"), [(-1, "ours"), (2, "other")])
def test_server_that_does_not_accept_our_certificate(
    configured: Configured, ours: Authority, other: Authority, tmp_path: Path, days: int, by: str
) -> None:
    """With TLS 1.3 it says so after the handshake, when we believe to be connected; and its word
    may be lost with the connection."""
    signer = ours if by == "ours" else other
    with serving(tmp_path, Files(*ours.issue("server"), ours.certificate)) as connection:
        configured(connection, Files(*signer.issue("agent", days), ours.certificate))
        complains(connection, "accept our certificate")


def test_server_that_knows_no_tls(configured: Configured, agents: Files) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = f"ssl:127.0.0.1:{server.getsockname()[1]}"
        configured(connection, agents)
        with connecting(connection) as ovsdb:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b'{"id":"echo","method":"echo","params":[]}' * 3)
                wait_for(lambda: "TLS: wrong version number" in complaint(ovsdb), "a complaint")


def test_files_that_are_renewed_and_do_not_fit(
    configured: Configured, ours: Authority, other: Authority, agents: Files, tmp_path: Path
) -> None:
    """Told, and no traceback each second; when they fit again there is the connection."""
    with serving(tmp_path, Files(*ours.issue("server"), ours.certificate)) as connection:
        configured(connection, agents)
        good, (bad, _) = agents.key.read_bytes(), other.issue("agent")
        agents.key.write_bytes(bad.read_bytes())
        with connecting(connection) as ovsdb:
            wait_for(lambda: "KEY_VALUES_MISMATCH" in complaint(ovsdb), "a complaint")
            agents.key.write_bytes(good)
            wait_for(lambda: complaint(ovsdb) == "", "the connection")


def test_peer_that_accepts_and_says_nothing(configured: Configured, agents: Files) -> None:
    with silent() as connection:
        configured(connection, agents)
        complains(connection, "no answer")


def test_peer_that_says_nothing_is_waited_for_asleep(configured: Configured, agents: Files) -> None:
    """For it to speak, not for room to send: there always is some."""
    with silent() as connection:
        configured(connection, agents)
        error, stream = ovs.stream.Stream.open(connection)
        assert error == 0
        wait_for(lambda: stream.connect() and stream._wants, "the handshake")
        poller = ovs.poller.Poller()
        stream.connect_wait(poller)
        assert poller.poll.poll(100) == []
        stream.close()


@pytest.mark.parametrize(
    ("connection", "why"),
    [
        ("unix:/nonexistent/db.sock", "No such file or directory"),
        ("tcp:127.0.0.1:1", "Connection refused"),
    ],
)
def test_connection_without_tls_says_what_is_wrong_too(connection: str, why: str) -> None:
    with (
        connecting(connection) as ovsdb,
        pytest.raises(OvsdbUnavailable, match=f"not connected to {connection}: {why}"),
    ):
        ovsdb.read([])


# Refused at the start


def test_without_certificates_the_agent_does_not_start(configured: Configured) -> None:
    nothing = Files(Path(), Path(), Path())
    with pytest.raises(NotConfigured, match="ssl: needs ssl_key_file, ssl_cert_file and ssl_ca_"):
        configured("ssl:192.0.2.1:6640", nothing)
    configured("tcp:192.0.2.1:6640", nothing)


def test_key_that_is_encrypted(configured: Configured, ours: Authority, agents: Files) -> None:
    """OpenSSL would ask the terminal, where there is one."""
    files = agents._replace(key=ours.encrypted(agents.key))
    with pytest.raises(NotConfigured, match=r"ssl_key_file = .*\.enc: it is encrypted"):
        configured("ssl:192.0.2.1:6640", files)


def test_key_of_another_certificate(
    configured: Configured, other: Authority, agents: Files
) -> None:
    with pytest.raises(NotConfigured, match=r"ssl_key_file, ssl_cert_file.*: .*MISMATCH"):
        configured("ssl:192.0.2.1:6640", agents._replace(key=other.issue("agent")[0]))
