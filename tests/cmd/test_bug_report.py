"""``vif-agentctl report``: one archive, without secrets, and whole as far as it can be."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.casting import Site, Vif
from tests.support.operating import ctl, stopped
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

OF_THE_AGENT = {
    "health.json", "status.json", "ports.json", "plugins.json", "orphans.json", "firewall.json",
    "topology.json", "cleanup-plan.json", "not-well.json", "missing.txt",
}  # fmt: skip
OF_THE_HOST = {"version.txt", "configuration.txt", "store.txt", "ovs-vsctl.txt", "ip.txt"}


@pytest.fixture(scope="module")
def site(scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, "threading") as running:
        yield running


def packed(site: Site, to: Path, *options: str) -> dict[str, str]:
    said = ctl(site.daemon.config_file, *options, "report", "-o", str(to))
    assert (said.code, said.out) == (0, f"{to}\n"), said
    assert to.stat().st_mode & 0o777 == 0o600
    with tarfile.open(to) as archive:
        files = {
            member.name.partition("/")[2]: archive.extractfile(member).read().decode()  # type: ignore[union-attr]
            for member in archive
        }
    to.unlink()
    return files


def test_report_has_what_is_asked_for_first(
    site: Site, payload: Callable[[str], Vif], tmp_path: Path
) -> None:
    vif = payload("unbound")
    site.plug(payload("tap"))
    site.plug(vif, wait=None)
    site.settled()
    files = packed(site, tmp_path / "r.tar.gz")
    assert files.keys() >= OF_THE_AGENT | OF_THE_HOST, files["missing.txt"]
    assert json.loads(files["health.json"])["state"] == "healthy"
    assert json.loads(files["not-well.json"])[vif["id"]]["check_vif"]["state"] == "error"
    assert "vif_agent.concurrency" in files["configuration.txt"]
    assert "vif-agent.sqlite" in files["store.txt"]
    assert "br-int" in files["ovs-vsctl.txt"]
    login = site.rabbit.url.partition("://")[2].partition("@")[0]
    assert [name for name, text in files.items() if login in text] == []


@pytest.mark.parametrize("key", ["swordfish", "sword fish, }", r"sword\"fish"])
def test_keys_of_tunnels_are_left_out(
    site: Site, scratch_with_bus: ScratchHost, tmp_path: Path, key: str
) -> None:
    tunnel = ("add-port", "br-int", "gre0", "--", "set", "Interface", "gre0", "type=gre")
    options = (f'options:psk="{key}"', "options:remote_ip=192.0.2.1")
    scratch_with_bus.ovs.vsctl(*tunnel, *options)
    try:
        files = packed(site, tmp_path / "r.tar.gz", "--local")
    finally:
        scratch_with_bus.ovs.vsctl("del-port", "gre0")
    assert 'options: {psk=***, remote_ip="192.0.2.1"}' in files["ovs-vsctl.txt"]
    assert [name for name, text in files.items() if "fish" in text] == []


def test_report_is_made_without_the_agent_too(site: Site, tmp_path: Path) -> None:
    with stopped(site.daemon):
        files = packed(site, tmp_path / "r.tar.gz", "--local")
    assert files.keys() >= {"health.json", "status.json", "ports.json"} | OF_THE_HOST
    assert json.loads(files["health.json"])["state"] == "down"


def test_report_on_a_host_that_does_not_answer_says_what_is_missing(
    site: Site, tmp_path: Path
) -> None:
    files = packed(site, tmp_path / "r.tar.gz", "--host", "nobody", "--timeout", "3")
    assert files.keys() == {"missing.txt"}
    assert "health.json: no agent on nobody" in files["missing.txt"]
    assert "status.json: not asked any more" in files["missing.txt"]


def test_file_that_is_there_is_not_overwritten(site: Site, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    said = ctl(site.daemon.config_file, "--host", HOST, "report", "-o", str(there))
    said.refused("there: File exists")
    assert there.read_text() == "mine"
