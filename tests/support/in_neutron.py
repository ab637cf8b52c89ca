"""Tests that run in Neutron's own environment: tests/neutron/in_neutron."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
HERE = ROOT / "tests" / "neutron" / "in_neutron"
VENV = ROOT / os.environ.get("VIF_AGENT_NEUTRON", ".venv-neutron-29")
IS_THERE = (VENV / "bin" / "pytest").exists()
WHY_NOT = f"no Neutron: scripts/neutron makes {VENV.name}"


def run_there(share: str, *files: str) -> str:
    """What pytest says last: its counts. ``share``: "0/2" is the first half of the tests."""
    command: list[str | Path] = [VENV / "bin" / "python", "-W", "ignore", "-m", "pytest", "-q"]
    command += [
        "--tb=short",
        f"--confcutdir={HERE}",
        f"--rootdir={ROOT}",
        "-c",
        HERE / "pytest.ini",
    ]
    done = subprocess.run(
        [*command, *(HERE / file for file in files)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "VIF_AGENT_SHARE": share},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2000:]
    last: str = done.stdout.strip().splitlines()[-1]
    return last
