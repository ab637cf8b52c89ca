"""Debian with systemd as its process 1, on this kernel, to try a service in.

scripts/root makes the roots, boots throw-away copies of them, and cleans up, also after a SIGKILL.
What such a machine lacks is the kernel's: no modules, so neither Open vSwitch's datapath nor VLAN
devices where this kernel has none; of its settings it may write those below net; memory, CPUs and
tasks are not limited, for the kernel's controllers may be elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from vif_agent.testing import processes

TREE = Path(__file__).parents[2]
RELEASES = ("bookworm", "trixie")
#: what a compute node has beside the agent
SERVICES = ("openvswitch-switch", "rabbitmq-server")
#: the network namespace of scripts/test-service, from which the registries are reached
ONLINE = "VIF_AGENT_ONLINE"
_TIMEOUT = 900.0  # for what takes seconds on an idle machine


def online(*argv: str) -> str:
    """What a command prints here, with the network from which the registries are reached: the
    tests' own has none."""
    enter = ("nsenter", f"--net={os.environ[ONLINE]}")
    return processes.run((*enter, *argv), os.environ, _TIMEOUT)


@dataclass(frozen=True)
class Root:
    """A pristine Debian; with ``packages``, one on which they are installed and nothing else."""

    release: str
    packages: tuple[str, ...] = ()

    def make(self) -> Path:
        """Where it is; a minute the first time. Nobody may change it: Machine has a copy."""
        return Path(online(*self.script).strip())

    @property
    def script(self) -> tuple[str, ...]:
        return (str(TREE / "scripts" / "root"), self.release, "--with", " ".join(self.packages))


class Machine:
    """A throw-away copy of ``root``: entered, it has booted; left, nothing of it is there.

    Its network is empty but for `lo`.
    """

    def __init__(self, root: Root) -> None:
        self.root = root
        self.pid = 0  # of its process 1, as it is named here

    @property
    def files(self) -> Path:
        """Its /, for reading while it runs."""
        return Path(f"/proc/{self.pid}/root")

    def run(self, command: str, online: bool = False, timeout: float = 120) -> str:
        """What a shell there prints, of a login as root; RuntimeError with stderr if it fails.

        ``online``: with the network from which this machine reaches its registries in place of its
        own, for apt and pip. What is started as a service is in its own all the same.
        """
        network = f"--net={os.environ[ONLINE]}" if online else "--net"
        namespaces = ("--mount", "--uts", "--ipc", "--pid", "--cgroup", network)
        there = ("--root", f"--wd={self.files}/root")
        enter = ("nsenter", "--target", str(self.pid), *namespaces, *there)
        argv = (*enter, "env", "-i", *self._environment, "sh", "-ec", command)
        return processes.run(argv, os.environ, timeout)

    def copy_in(self, source: Path, to: str) -> None:
        """A file, or a directory with all that is in it, as root's."""
        target = self.files / to.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        processes.run(
            ("cp", "-R", "--no-target-directory", str(source), str(target)), os.environ, 120
        )

    def reboot(self) -> None:
        """Orderly; returns when it has booted again."""
        before = self.pid
        with contextlib.suppress(RuntimeError):  # the shell may not live to see the end
            self.run("systemctl reboot")
        self._wait(lambda: self._current() not in (0, before), "the reboot")
        self._wait_booted()

    def failed(self) -> list[str]:
        """The units that have failed."""
        return self.run("systemctl list-units --state=failed --plain --no-legend").splitlines()

    def journal(self, *arguments: str) -> str:
        """All of it, or what these arguments of journalctl select."""
        return self.run(" ".join(("journalctl --no-pager --quiet", *arguments)))

    def kill(self) -> None:
        """As when the power goes; what was its disk goes, too."""
        processes.kill(self._process)
        processes.wait_until(lambda: not self._directory.exists(), "removal", timeout=_TIMEOUT)

    def __enter__(self) -> Self:
        self.root.make()
        with tempfile.TemporaryDirectory() as directory:
            self._log = Path(directory, "log")
            self._process = processes.start((*self.root.script, "--boot"), os.environ, self._log)
            self._wait(lambda: "\n" in self._log.read_text(), "a copy of the root")
            self._directory = Path(self._log.read_text().splitlines()[0])
        try:
            self._wait_booted()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def _environment(self) -> list[str]:
        return self._directory.joinpath("environment").read_text().splitlines()

    def _wait_booted(self) -> None:
        self._wait(lambda: self._current() != 0, "its process 1")
        self.pid = self._current()
        self._wait(self.files.joinpath("run/systemd/private").exists, "systemd")
        # "degraded" has a status of its own, and is for the test to judge: see failed()
        self.run("systemctl is-system-running --wait || true", timeout=_TIMEOUT)

    def _current(self) -> int:
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int(self._directory.joinpath("pid").read_text())
        return 0

    def _wait(self, ready: Callable[[], bool], what: str) -> None:
        processes.wait_until(ready, f"{self.root}: {what}", self._process, _TIMEOUT)
