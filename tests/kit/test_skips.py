"""``scripts/test`` ends with what was skipped and why, for all its runs together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support import skips
from vif_agent.testing.processes import run

ROOT = Path(__file__).parent.parent.parent
TESTS = """
import pytest

@pytest.mark.parametrize("n", [1, 2, 3])
def test_vlan(n):
    if n > 1:
        pytest.skip("no VLANs in this kernel: Operation not supported")

@pytest.mark.skip(reason="no such hardware")
def test_vf():
    pass
"""


def test_every_reason_is_told_once_with_its_count(tmp_path: Path) -> None:
    """As scripts/test does: two runs, one list."""
    reported = tmp_path / "skips"
    for module in ("test_one", "test_two"):
        (tmp_path / f"{module}.py").write_text(TESTS)
        options = ("-q", "-rfE", "-ptests.conftest", f"{skips.OPTION}={reported}")
        argv = (sys.executable, "-m", "pytest", *options, f"--rootdir={tmp_path}")
        done = subprocess.run(
            (*argv, str(tmp_path / f"{module}.py")),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    expected = [
        f"{module}.py::{test}"
        for module in ("test_one", "test_two")
        for test in (
            "test_vf (1): no such hardware",
            "test_vlan (2): no VLANs in this kernel: Operation not supported",
        )
    ]
    assert reported.read_text().splitlines() == expected


def test_script_prints_the_list_last(tmp_path: Path) -> None:
    script = (ROOT / "scripts" / "test").read_text()
    answer = script[script.index("tell_skips() {") : script.index("# end of tell_skips")]
    for content, expected in (("b: y\na: x\n", "a: x\nb: y"), ("", "nothing")):
        (tmp_path / "skips").write_text(content)
        out = run(
            ("bash", "-c", f'{answer}\ntell_skips "{tmp_path}/skips"'), {"PATH": "/usr/bin:/bin"}
        )
        assert out.splitlines() == ["", "== skipped, and why", *expected.splitlines()]
