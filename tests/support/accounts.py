"""Another account than root's, for agents and commands that are to run without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
_HERE = Path(__file__).parent.parent.parent


def must_reach() -> None:
    """The agent itself, in this checkout: below /root, of mode 0700, nobody else can run it."""
    nobody = (*AS_NOBODY, "--inh-caps=-all", "--bounding-set=-all")
    code = (*nobody, sys.executable, "-c", "import vif_agent")
    done = subprocess.run(code, capture_output=True, check=False, timeout=60, cwd="/")
    if done.returncode:
        pytest.skip(f"another account than root cannot run what is in {_HERE}")
