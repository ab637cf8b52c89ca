"""The unit file: what it lets the agent do is enough, and no more than it has to be."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import foreign, sandbox
from tests.support.casting import GOOD, MODES, Site, Vif, nic
from tests.support.real_host import ip, links
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]

UNIT = Path(__file__).parent.parent.parent / "systemd" / "vif-agent.service"
AGENT = str(Path(sys.executable).parent / "vif-agent")
SECURITY = Path(__file__).parents[2].joinpath("docs", "security.md").read_text()
ROOT = str(Path(__file__).parent.parent.parent)
WORST = 1.7  # of systemd-analyze security: 0 is shut, 10 open
DENIED = (
    "chown", "setuid", "pivot_root", "mbind", "sched_setscheduler", "setrlimit", "io_uring_setup",
    "io_submit", "keyctl", "add_key", "mlock", "process_vm_readv", "process_vm_writev", "ptrace",
    "mount", "bpf", "kexec_load", "init_module", "perf_event_open",
)  # fmt: skip
PLUGIN = """
class Fine(Plugin):
    contract = "1.0"

    def resources(self, vif):
        return [Tap(name="tap" + vif.short_id, mtu=vif.mtu)]
"""


def rated(*arguments: str) -> str:
    return subprocess.run(
        ("systemd-analyze", "security", "--offline=true", "--no-pager", *arguments, str(UNIT)),
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip


def test_exposure_as_systemd_computes_it_and_as_documented() -> None:
    found = re.search(r"exposure level for vif-agent.service: ([0-9.]+)", rated())
    assert found
    assert float(found[1]) <= WORST
    assert f"rates it {found[1]} of 10" in SECURITY


def test_each_point_that_is_left_has_its_reason_in_the_documents() -> None:
    left = {
        item["name"]: item["exposure"]
        for item in json.loads(rated("--json=short"))
        if item["exposure"]
    }
    section = SECURITY.partition("## The unit's sandbox")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(.+?)` \| ([0-9.]+) \| \S.* \|$", section, re.MULTILINE)
    assert {name.replace("\\", ""): counts for name, counts in rows} == left


def test_calls_that_nobody_needs_are_denied() -> None:
    calls = sandbox.allowed(UNIT)
    assert calls.isdisjoint(DENIED)
    assert {"capset", "prlimit64", "clone", "execve", "prctl", "ioctl", "pidfd_open"} <= calls


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    installed = tmp_path_factory.mktemp("installed")
    foreign.package(installed, "fine-plugins", PLUGIN, {"fine": "Fine"})
    return installed


@pytest.fixture(scope="module", params=MODES)
def site(
    request: pytest.FixtureRequest,
    scratch_with_bus: ScratchHost,
    installed: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """As the unit has it: with its one capability and its system calls."""
    program = tmp_path_factory.mktemp("bin") / "mm-ctl"
    program.write_text("#!/bin/sh\nexit 0\n")
    for path in (program.parent, program):
        path.chmod(0o755)
    options: dict[str, dict[str, object]] = {
        "network": {"interfaces": "eth1"},
        "commands": {"allowed": f"mm-ctl:{program}"},
    }
    environment = ("env", f"PYTHONPATH={installed}:{ROOT}")
    argv = (*environment, sys.executable, "-m", "tests.support.sandbox", str(UNIT), AGENT)
    running = Site(scratch_with_bus, request.param, options, argv=argv)
    with nic("eth1"), running:
        yield running


def test_agent_runs_as_the_unit_says(site: Site) -> None:
    assert site.daemon.process
    for pid in (site.daemon.process.pid, site.daemon.helper_pid()):
        answer = Path(f"/proc/{pid}/status").read_text()
        status = dict(line.split(":\t", 1) for line in answer.splitlines() if ":\t" in line)
        assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
        if pid == site.daemon.process.pid:  # oslo.privsep sets 0 in the helper, which makes no file
            assert status["Umask"] == "0077"
        assert int(status["CapBnd"], 16) == 1 << 12
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits)
    for path in site.daemon.state_path.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("name", GOOD)
def test_every_port_is_plugged_and_unplugged(site: Site, payload: Payload, name: str) -> None:
    before = site.host.links().keys()
    assert site.plug(payload(name))["state"] == "ready"
    assert site.unplug(payload(name))["state"] == "unplugged"
    assert site.host.links().keys() == before


def test_nic_moves_with_its_addresses(site: Site, payload: Payload) -> None:
    vif = payload("bridge")
    vif["network"]["meta"]["bridge_interface"] = "eth1"
    ip("address", "add", "192.0.2.1/24", "dev", "eth1")
    site.plug(vif)
    assert links()["eth1"]["master"] == vif["network"]["bridge"]
    site.unplug(vif)
    assert "192.0.2.1" in {a.get("local") for a in links()["eth1"]["addr_info"]}


def test_plugin_of_another_package_answers(site: Site, payload: Payload) -> None:
    """Its process limits its memory and drops what it might have."""
    assert site.plug({**payload("tap"), "type": "fine"})["state"] == "ready"
    site.unplug(payload("tap"))


def test_vendors_command_runs(site: Site, payload: Payload) -> None:
    assert site.plug(payload("midonet"))["state"] == "ready"
    site.unplug(payload("midonet"))
