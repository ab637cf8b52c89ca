"""The command line: what an operator with a wrong configuration sees."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

AGENT = str(Path(sys.executable).parent / "vif-agent")
WRONG = {
    "[vif_agent]\nconcurrency = fibers\n": "fibers",
    "[vif_agent]\nretry_min = soon\n": "soon",
    "[vif_agent]\nretry_max = 0\n": "retry_max",
    "[ovs]\novsdb_timeout = -1\n": "ovsdb_timeout",
    "[ovs]\ncreate_tap = perhaps\n": "perhaps",
    "[bridge]\ncreate_tap = perhaps\n": "perhaps",
    "[DEFAULT]\nhost = two words\n": "two words",
    "[DEFAULT]\nstate_path = /nonexistent/vif-agent\n": "/nonexistent/vif-agent",
    "[DEFAULT]\ntransport_url = nonsense://x\n": "nonsense",
    "[ovs]\novsdb_connection = nonsense\n": "nonsense",
    "[network]\ntype_drivers = flat,gre\n": "type_drivers: gre is not installed",
    "[network]\nvxlan_group = 192.0.2.1\n": "not multicast",
    "[network]\nphysical_interface_mappings = physnet1\n": "physical_interface_mappings",
    "no section\n": "conf",
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (AGENT, *arguments), capture_output=True, text=True, timeout=10, check=False
    )


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout.strip()) == (0, "0.1.0")


def test_help_names_the_options() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "--config-file" in done.stdout


@pytest.mark.parametrize("text", WRONG)
def test_wrong_configuration_is_one_clear_line(tmp_path: Path, text: str) -> None:
    config = tmp_path / "vif-agent.conf"
    config.write_text(text if "state_path" in text else f"{text}[DEFAULT]\nstate_path={tmp_path}\n")
    _refused(run("--config-file", str(config)), WRONG[text])


def test_missing_configuration_file_is_named() -> None:
    _refused(run("--config-file", "/nonexistent.conf"), "/nonexistent.conf")


def test_unknown_argument_is_named() -> None:
    done = run("--frobnicate")
    assert done.returncode != 0
    assert "--frobnicate" in done.stderr
    assert "Traceback" not in done.stderr


def _refused(done: subprocess.CompletedProcess[str], words: str) -> None:
    said = [line for line in (done.stdout + done.stderr).splitlines() if "Eventlet" not in line]
    assert done.returncode not in (0, None)
    assert "Traceback" not in done.stdout + done.stderr
    assert words in "\n".join(said)
    assert len([line for line in said if words in line]) == 1, said
