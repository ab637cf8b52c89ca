"""ovsdb-server by TLS, where both sides show a certificate."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from oslo_config import cfg

from vif_agent import config
from vif_agent.errors import NotConfigured
from vif_agent.host.ovsdb import Ovsdb, use_certificates
from vif_agent.testing import processes
from vif_agent.testing.ovs import SCHEMA
from vif_agent.testing.rabbit import free_ports

ENVIRONMENT = {"PATH": os.environ["PATH"]}
FILES = (
    "ssl_key_file = {0}/key\nssl_cert_file = {0}/certificate\nssl_ca_cert_file = {0}/certificate"
)

Configured = Callable[[str], cfg.ConfigOpts]


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    def read(text: str) -> cfg.ConfigOpts:
        path = tmp_path / "vif-agent.conf"
        path.write_text(f"[ovs]\n{text}\n")
        conf = cfg.ConfigOpts()
        config.register(conf)
        conf(["--config-file", str(path)], project="vif-agent")
        return conf

    return read


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Its connection. One certificate is everybody's, and has signed itself."""
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    made = ("-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-subj", "/CN=x")
    processes.run(("openssl", "req", "-x509", "-days", "2", *map(str, made)), ENVIRONMENT)
    database, (port,) = tmp_path / "conf.db", free_ports(1)
    processes.run(("ovsdb-tool", "create", str(database), SCHEMA), ENVIRONMENT)
    options = {
        "remote": f"pssl:{port}:127.0.0.1", "private-key": key, "certificate": certificate,
        "ca-cert": certificate, "unixctl": tmp_path / "ctl",
    }  # fmt: skip
    argv = ("ovsdb-server", str(database), *(f"--{k}={v}" for k, v in options.items()))
    process = processes.start(argv, ENVIRONMENT, tmp_path / "out")
    try:
        processes.wait_until(lambda: _answers(port), "ovsdb-server", process)
        yield f"ssl:127.0.0.1:{port}"
    finally:
        processes.end(process)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def test_database_is_reached(server: str, configured: Configured, tmp_path: Path) -> None:
    conf = configured(f"ovsdb_connection = {server}\n" + FILES.format(tmp_path))
    use_certificates(conf.ovs)
    told: list[object] = []
    ovsdb = Ovsdb(conf.ovs.ovsdb_connection, 10, told.append)
    ovsdb.start()
    try:
        processes.wait_until(lambda: None in told, "connection", None)
        assert ovsdb.read_claimed() == {}
    finally:
        ovsdb.stop()


def test_without_certificates_the_agent_does_not_start(configured: Configured) -> None:
    with pytest.raises(NotConfigured, match="ssl: needs ssl_key_file, ssl_cert_file and ssl_ca_"):
        use_certificates(configured("ovsdb_connection = ssl:192.0.2.1:6640").ovs)
    use_certificates(configured("ovsdb_connection = tcp:192.0.2.1:6640").ovs)
