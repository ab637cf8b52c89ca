"""The same intake on the in-process bus kombu+memory://, as the demo runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_demo_on_the_memory_bus_holds_what_it_claims() -> None:
    done = subprocess.run(
        (sys.executable, "-m", "demo", "--bus", "memory"),
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
