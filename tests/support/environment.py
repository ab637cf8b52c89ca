"""A fresh environment as a user has it: a venv of its own, with the agent and packages of others.

pip takes its time with dependencies, so these are not installed anew: the venv borrows those of the
one that runs the tests. What is tested (to build a wheel, install it and start it) is done for
real.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from vif_agent.testing import processes

_SITE = sysconfig.get_paths()["purelib"]
_SCRIPTS = Path(sys.executable).parent


class Environment:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bin = directory / "env" / "bin"
        processes.run(
            (sys.executable, "-m", "venv", "--without-pip", str(directory / "env")), os.environ
        )
        (site,) = (directory / "env").glob("lib/python*/site-packages")
        (site / "borrowed.pth").write_text(f"import site; site.addsitedir({_SITE!r})\n")
        for name in ("vif-agent", "vif-agentctl", "pip"):
            self._script(name)

    def _script(self, name: str) -> None:
        """As pip would have put it here: its first line names this environment's Python."""
        _, code = (_SCRIPTS / name).read_text().split("\n", 1)
        path = self.bin / name
        path.write_text(f"#!{self.bin}/python\n{code}")
        path.chmod(0o755)

    def answer_by(self, config: Path) -> None:
        """The agent's file is not where vif-agentctl looks for it by itself."""
        script = self.bin / "vif-agentctl"
        real = script.rename(self.bin / "vif-agentctl.real")
        script.write_text(f'#!/bin/sh\nexec {real} --config-file {config} "$@"\n')
        script.chmod(0o755)

    @property
    def agent(self) -> tuple[str, ...]:
        return (str(self.bin / "vif-agent"),)

    @property
    def variables(self) -> dict[str, str]:
        """To run commands in it. pip needs no network: what is required is there."""
        return {
            **os.environ,
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as the option's value: off
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def run(self, *argv: str, cwd: Path | None = None, timeout: float = 120) -> str:
        command = 'cd "$0" && exec "$@"'
        where = str(cwd or self.directory)
        return processes.run(("sh", "-c", command, where, *argv), self.variables, timeout)

    def install(self, source: Path) -> Path:
        """Build the wheel of a copy, which may leave what it likes beside it, and install that."""
        copy = self.directory / source.name
        shutil.copytree(source, copy)
        self.run("pip", "wheel", "-q", "--no-deps", "-w", str(self.directory / "dist"), str(copy))
        (wheel,) = (self.directory / "dist").glob(f"{source.name.replace('-', '_')}-*.whl")
        self.run("pip", "install", "-q", str(wheel))
        return copy
