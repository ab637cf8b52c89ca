"""The mechanism driver on Neutron's own test base, in Neutron's own environment.

What runs there is ``in_neutron``: ours, and Neutron's own tests of ports with our driver loaded.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
HERE = Path(__file__).parent / "in_neutron"
VENV = ROOT / os.environ.get("VIF_AGENT_NEUTRON", ".venv-neutron-29")
OURS, NEUTRONS = 2, 4  # shares: no test is to last long, and several runs share the suite

pytestmark = pytest.mark.skipif(
    not (VENV / "bin" / "pytest").exists(), reason=f"no Neutron: scripts/neutron makes {VENV.name}"
)


def run_there(share: str, *files: str) -> str:
    """What pytest says last: its counts."""
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


@pytest.mark.parametrize("share", range(OURS))
def test_ours(share: int, figures: Callable[[str], None]) -> None:
    counts = run_there(f"{share}/{OURS}", "adopting.py", "binding.py", "casting.py", "reporting.py")
    figures(f"the Neutron driver's own tests, a half, on {VENV.name}: {counts}")


@pytest.mark.parametrize("share", range(NEUTRONS))
def test_neutrons_own_tests_of_ports(share: int, figures: Callable[[str], None]) -> None:
    counts = run_there(f"{share}/{NEUTRONS}", "ports.py")
    figures(f"Neutron's tests of ports with our driver, a quarter, on {VENV.name}: {counts}")
