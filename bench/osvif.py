"""os-vif from PyPI in an environment of its own, as a child process."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from bench.child import InChild

VERSION = "4.3.0"
SIDE = Path(__file__).with_name("osvif_side.py")
ASK = "import importlib.metadata as m; print(m.version('os-vif'))"


def environment(where: Path) -> Path:
    """The python of os-vif's environment, which is made once and then used again."""
    python = where / "bin" / "python"
    if _version(python) != VERSION:
        print(f"making {where} with os-vif {VERSION}, once", file=sys.stderr)
        venv.create(where, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "-qq", f"os-vif=={VERSION}"]
        subprocess.run(install, check=True, stdout=sys.stderr)
        (where / ".gitignore").write_text("*\n")
    return python


def _version(python: Path) -> str | None:
    if not python.exists():
        return None
    asked = subprocess.run([python, "-c", ASK], capture_output=True, text=True, check=False)
    return asked.stdout.strip()


class OsVif(InChild):
    """One nova-like process: each port in its turn, in one thread."""

    name = "os-vif"

    def __init__(self, python: Path, db: str, scratch: Path, privsep: bool) -> None:
        command = [str(python), str(SIDE), "--ovsdb", db, "--scratch", str(scratch)]
        super().__init__([*command, "--privsep"] if privsep else command)
