"""This machine's file system with every change put aside: for what lays files all over a host."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Self

import pytest

from vif_agent.testing import processes

ROOT = Path(__file__).parents[2]
ENVIRONMENT = "/opt/vif-agent"
_ROOMS = ("etc", "opt", "usr", "var")
_PYTHON = "/usr/bin/python3"  # of a distribution: one in somebody's home is hidden from the agent
_ASIDE = """
mount -t tmpfs -o mode=755 aside "$1"
for room in etc opt usr var; do
    mkdir "$1/$room" "$1/$room.work"
    mount -t overlay -o "lowerdir=/$room,upperdir=$1/$room,workdir=$1/$room.work" overlay "/$room"
done
echo ready
exec sleep infinity
"""


class SpareHost:
    """Entered, changes of /etc, /opt, /usr and /var land in ``aside``; with it they go."""

    def __init__(self, directory: Path) -> None:
        self._mounted, self._log = directory / "aside", directory / "log"
        self._mounted.mkdir()

    def __enter__(self) -> Self:
        script = ("sh", "-euc", _ASIDE, "-", str(self._mounted))
        self._process = processes.start(("unshare", "--mount", *script), os.environ, self._log)
        try:
            processes.wait_until(
                lambda: "ready" in self._log.read_text(), "overlays", self._process
            )
        except processes.NotReadyError:
            pytest.skip(f"no overlay here: {self._log.read_text().strip()}")
        return self

    def __exit__(self, *_: object) -> None:
        processes.kill(self._process)

    @property
    def aside(self) -> Path:
        return Path(f"/proc/{self._process.pid}/root{self._mounted}")

    def changes(self) -> set[str]:
        """Every file, link and directory that is new, other or gone."""
        return {
            f"/{path.relative_to(self.aside)}"
            for room in _ROOMS
            for path in (self.aside / room).rglob("*")
        }

    def is_old(self, path: str) -> bool:
        """A directory of the machine's own."""
        return Path(path).is_dir() and not Path(path).is_symlink()

    def times(self) -> dict[str, int]:
        """When each of these was changed."""
        return {path: (self.aside / path[1:]).lstat().st_ctime_ns for path in self.changes()}

    def run(self, *words: str, directory: str = "/") -> subprocess.CompletedProcess[str]:
        enter = ("nsenter", f"--mount=/proc/{self._process.pid}/ns/mnt", f"--wd={directory}")
        return subprocess.run(
            (*enter, *words), capture_output=True, text=True, timeout=60, check=False
        )

    def done(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def read(self, path: str) -> str:
        return self.done("cat", path)

    def write(self, path: str, text: str) -> None:
        self.done("sh", "-ec", 'mkdir -p "$(dirname "$0")"; printf %s "$1" >"$0"', path, text)

    def install(self, wheel: Path, environment: str = ENVIRONMENT) -> None:
        """Without the libraries, which vif-agent-setup needs none of."""
        if not Path(_PYTHON).exists():
            pytest.skip(f"no {_PYTHON}")
        self.done(_PYTHON, "-m", "venv", "--without-pip", environment)
        self.done(
            sys.executable, "-m", "pip", "--python", f"{environment}/bin/python",
            "install", "--quiet", "--no-index", "--no-deps", str(wheel),
        )  # fmt: skip


def wheel(directory: Path) -> Path:
    """Of this tree; made from a copy, for setuptools leaves things where it builds."""
    tree = directory / "tree"
    brought = ("vif_agent", "docs", "etc", "man", "completion", "systemd")
    for name in brought:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    build = ("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(directory))
    processes.run((sys.executable, "-m", "pip", *build, str(tree)), os.environ)
    return next(directory.glob("*.whl"))
