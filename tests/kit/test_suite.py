"""The suite's own conftest: a test that fails says what the agent has said, and a module leaves no
table in the namespace that it shares with others."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.leavings import tables
from tests.support.others_tables import TABLES, OthersTables
from vif_agent.helper import guards

ROOT = Path(__file__).parent.parent.parent
LEAVES = """
import subprocess

def test_leaves():
    subprocess.run(("nft", "add", "table", "inet", "left"), check=True)

def test_leaves_nothing():
    pass
"""
STUMBLES = """
import subprocess

def test_finds_it():
    assert b"table inet left" in subprocess.check_output(("nft", "list", "tables"))
"""
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


@pytest.fixture
def nft() -> None:
    if missing := guards.lacks():
        pytest.skip(f"the kernel cannot guard ports: {missing}")
    if not shutil.which("nft"):
        pytest.skip("nft is not installed (Debian: nftables)")


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


def test_module_that_leaves_a_table_fails_and_not_the_next(nft: None, tmp_path: Path) -> None:
    said = pytest_says(tmp_path, test_one=LEAVES, test_two=STUMBLES)
    assert "ERROR at teardown of test_leaves_nothing" in said
    assert "assert ['inet left'] == []" in said
    last = said.splitlines()[-1]
    assert ("3 passed" in last, "1 error" in last, "failed" in last) == (True, True, False)


def test_tables_of_others_go_with_who_has_made_them(nft: None, namespace: None) -> None:
    others = OthersTables()
    there = tables()
    others.close()
    assert there - tables() == {*TABLES}
