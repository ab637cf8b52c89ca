"""The command line: what an operator with a wrong configuration sees."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

AGENT = str(Path(sys.executable).parent / "vif-agent")
_URL = "[DEFAULT] transport_url: expected rabbit://USER:PASSWORD@HOST:PORT/VHOST"


def _tls(file: str) -> str:
    names = ("ssl_key_file", "ssl_cert_file", "ssl_ca_cert_file")
    files = "".join(f"{name} = {file}\n" for name in names)
    return f"[ovs]\novsdb_connection = ssl:db:6640\n{files}"


#: what is written, and what must be said of it
WRONG = {
    _tls("/nonexistent/key"): "[ovs] ssl_key_file = /nonexistent/key: No such file",
    _tls("/"): "[ovs] ssl_key_file = /: Is a directory",
    _tls("/etc/passwd"): "[ovs] ssl_key_file, ssl_cert_file, ssl_ca_cert_file: ",
    "[vif_agent]\nconcurrency = fibers\n": "[vif_agent] concurrency = fibers: ",
    "[vif_agent]\nretry_min = soon\n": "[vif_agent] retry_min = soon: ",
    "[vif_agent]\nretry_max = 0\n": "[vif_agent] retry_max = 0: ",
    "[vif_agent]\ncheck_interval = nan\n": "[vif_agent] check_interval = nan: ",
    "[ovs]\novsdb_timeout = -1\n": "[ovs] ovsdb_timeout = -1: ",
    "[ovs]\novsdb_timeout = inf\n": "[ovs] ovsdb_timeout = inf: ",
    "[ovs]\novsdb_connection = nonsense\n": "[ovs] ovsdb_connection = nonsense: ",
    "[ovs]\novsdb_connection = tcp:db\n": "[ovs] ovsdb_connection = tcp:db: ",
    "[ovs]\novsdb_connection = ssl:db:6640\n": "[ovs] ovsdb_connection: ssl: needs ssl_key_file",
    "[ovs]\nintegration_bridge = br int\n": "[ovs] integration_bridge = br int: ",
    "[ovs]\ncreate_tap = perhaps\n": "[ovs] create_tap = perhaps: ",
    "[ovs]\nper_port_bridge = 2\n": "[ovs] per_port_bridge = 2: ",
    "[bridge]\ncreate_tap = perhaps\n": "[bridge] create_tap = perhaps: ",
    "[bridge]\nwire_taps = perhaps\n": "[bridge] wire_taps = perhaps: ",
    "[sriov]\nnic_agent = perhaps\n": "[sriov] nic_agent = perhaps: ",
    "[vrouter]\nport_type = Pod\n": "[vrouter] port_type = Pod: ",
    "[commands]\nallowed = mm-ctl:mm-ctl\n": "[commands] allowed = mm-ctl:mm-ctl: ",
    '[commands]\nprefix = /bin/sudo "-n\n': '[commands] prefix = /bin/sudo "-n: ',
    "[commands]\ntimeout = 0\n": "[commands] timeout = 0: ",
    "[commands]\ntimeout = $nothing\n": "[commands] timeout: ",
    "[plugins]\ntimeout = 0\n": "[plugins] timeout = 0: ",
    "[plugins]\noverride = ovs\n": "[plugins] override: expected vif_type:plugin, got 'ovs'",
    "[DEFAULT]\nhost = rack1.*\n": "[DEFAULT] host = rack1.*: expected no * or # between dots",
    "[DEFAULT]\nhost = bell\x07\n": "[DEFAULT] host = bell\x07: expected a name, of characters",
    f"[DEFAULT]\nhost = {'x' * 240}\n": f"[DEFAULT] host = {'x' * 240}: expected 239 bytes at most",
    "[DEFAULT]\nhost =\n": "[DEFAULT] host = : expected a name",
    "[DEFAULT]\nstate_path = agent\n": "[DEFAULT] state_path = agent: ",
    "[DEFAULT]\ntransport_url = nonsense://x\n": "nonsense",
    "[DEFAULT]\ntransport_url = rabbit://u:secret@h:port/\n": _URL,
    "[DEFAULT]\ntransport_url = rabbit://u:secret@h:99999/\n": _URL,
    "[DEFAULT]\ntransport_url = rabbit://u:/secret@h/\n": _URL,
    "[DEFAULT]\nlog_file = /nonexistent/log\n": "/nonexistent/log",
    "[oslo_messaging_rabbit]\nrabbit_qos_prefetch_count = lots\n": "rabbit_qos_prefetch_count",
    "[network]\ntype_drivers = flat,gre\n": "[network] type_drivers: gre is not installed",
    "[network]\nvxlan_group = 192.0.2.1\n": "[network] vxlan_group: 192.0.2.1 is not multicast",
    "[network]\nvxlan_local_ip = 239.0.0.1\n": "[network] vxlan_local_ip: 239.0.0.1 is no host's",
    "[network]\nphysical_interface_mappings = physnet1\n": (
        "[network] physical_interface_mappings = physnet1: "
    ),
    "[firewall]\ndriver = iptables\n": (
        "Cannot start: [firewall] driver: expected one of nftables, noop, got 'iptables'"
    ),
    "[firewall]\nunknown_pairs = all\n": "[firewall] unknown_pairs = all: ",
    "[firewall]\npermitted_ethertypes = 0x0800\n": "[firewall] permitted_ethertypes = 0x0800: ",
    "no section\n": "conf",
}
_WRONG_CONFIGURATION = 2


def run(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (AGENT, *arguments), capture_output=True, text=True, timeout=60, check=False, env=env
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
    done = run("--config-file", str(config))
    _refused(done, WRONG[text])
    assert done.returncode == _WRONG_CONFIGURATION
    assert "secret" not in done.stdout + done.stderr


def test_missing_state_directory_is_one_clear_line(tmp_path: Path) -> None:
    config = tmp_path / "vif-agent.conf"
    config.write_text("[DEFAULT]\nstate_path = /nonexistent/vif-agent\n")
    _refused(run("--config-file", str(config)), "/nonexistent/vif-agent")


def test_missing_capability_is_one_clear_line(tmp_path: Path) -> None:
    """As in a container that has not been given it."""
    config = tmp_path / "vif-agent.conf"
    config.write_text(f"[DEFAULT]\nstate_path = {tmp_path}\n")
    without = ("setpriv", "--inh-caps=-all", "--bounding-set=-all", AGENT)
    done = subprocess.run(
        (*without, "--config-file", str(config)),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    _refused(done, "CAP_NET_ADMIN")
    assert done.returncode == _WRONG_CONFIGURATION


def test_wrong_value_in_the_environment_is_named(tmp_path: Path) -> None:
    config = tmp_path / "vif-agent.conf"
    config.write_text(f"[DEFAULT]\nstate_path = {tmp_path}\n")
    environment = {**os.environ, "OS_VIF_AGENT__RETRY_MIN": "soon"}
    done = run("--config-file", str(config), env=environment)
    _refused(done, "[vif_agent] retry_min = soon: ")


def test_missing_configuration_file_is_named() -> None:
    _refused(run("--config-file", "/nonexistent.conf"), "/nonexistent.conf")


def test_directory_is_no_configuration_file(tmp_path: Path) -> None:
    _refused(run("--config-file", str(tmp_path)), str(tmp_path))
    _refused(run("--config-dir", str(tmp_path / "none")), str(tmp_path / "none"))


def test_unknown_argument_is_named() -> None:
    done = run("--frobnicate")
    assert done.returncode != 0
    assert "--frobnicate" in done.stderr
    assert "Traceback" not in done.stderr


def _refused(done: subprocess.CompletedProcess[str], words: str) -> None:
    output = [line for line in (done.stdout + done.stderr).splitlines() if "Eventlet" not in line]
    assert done.returncode not in (0, None)
    assert "Traceback" not in done.stdout + done.stderr
    assert words in "\n".join(output)
    assert len([line for line in output if words in line]) == 1, output
