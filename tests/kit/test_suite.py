"""The suite's own conftest: a test that fails says what the agent has said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FAILS = """
import pytest

from vif_agent.testing.daemon import Daemon
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.ovs import PrivateOvs

@pytest.fixture
def daemon(tmp_path):
    host = ScratchHost()
    host.directory, host.ovs = tmp_path, PrivateOvs(tmp_path)
    daemon = Daemon(host, "fake:/")
    daemon.log_file.write_text("".join(f"line {n} of it\\n" for n in range(200)))
    return daemon

def test_fails(daemon):
    assert daemon.log_file == ""
"""


def pytest_says(directory: Path, **modules: str) -> str:
    for name, text in modules.items():
        (directory / f"{name}.py").write_text(text)
    files = [str(directory / f"{name}.py") for name in modules]
    argv = (sys.executable, "-m", "pytest", "-ptests.conftest", f"--rootdir={directory}", *files)
    done = subprocess.run(
        argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )  # fmt: skip
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    return done.stdout


def test_failure_comes_with_the_end_of_the_agents_log(tmp_path: Path) -> None:
    said = pytest_says(tmp_path, test_one=FAILS).splitlines()
    assert [line for line in said if line.startswith("line ")] == [
        f"line {n} of it" for n in range(100, 200)
    ]
