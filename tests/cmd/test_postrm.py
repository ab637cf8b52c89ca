"""debian/postrm, on this machine's files with all changes put aside: what a purge of the package
leaves to others. The whole package: tests/service/test_package.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.spare_host import ROOT, SpareHost

STORE = "/var/lib/vif-agent/store.db"
RECORD = "/usr/local/lib/vif-agent.laid.json"
DROP_IN = "/etc/systemd/system/ovsdb-server.service.d/vif-agent.conf"
CONF_DB = "/var/lib/openvswitch/conf.db"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[SpareHost]:
    """As after apt remove."""
    with SpareHost(tmp_path) as host:
        host.done("systemd-sysusers", f"{ROOT}/systemd/sysusers.d/vif-agent.conf")
        host.write(STORE, "requests")
        host.write(CONF_DB, "rows")
        host.done("chgrp", "vif-agent", CONF_DB)
        yield host


def purge(host: SpareHost) -> str:
    done = host.run("sh", f"{ROOT}/debian/postrm", "purge")
    assert done.returncode == 0, done.stderr
    return done.stderr


def has_account(host: SpareHost) -> bool:
    return host.run("getent", "passwd", "vif-agent").returncode == 0


def test_takes_state_and_account_and_what_open_vswitch_made_is_roots(host: SpareHost) -> None:
    purge(host)
    assert not has_account(host)
    assert host.run("cat", STORE).returncode
    assert host.done("stat", "-c", "%G", CONF_DB) == "root\n"


@pytest.mark.parametrize("line", ["Group=vif-agent", "SupplementaryGroups=kvm vif-agent"])
def test_account_that_a_drop_in_names_stays(host: SpareHost, line: str) -> None:
    host.write(DROP_IN, f"[Service]\n{line}\n")
    assert f"the account vif-agent stays, for these name it: {DROP_IN}" in purge(host)
    assert has_account(host)
    assert host.done("stat", "-c", "%G", CONF_DB) == "vif-agent\n"
    host.done("rm", DROP_IN)
    purge(host)
    assert not has_account(host)


def test_agent_of_an_environment_keeps_its_state(host: SpareHost) -> None:
    host.write(RECORD, "{}")
    assert "state and account are its, and stay" in purge(host)
    assert has_account(host)
    assert host.read(STORE) == "requests"
