"""A guest that boots from a disk of its own, with systemd, and reboots as often as one likes."""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from tests.vm import qemu
from vif_agent.testing import guard

BOOT = 900.0  # seconds: on a busy machine, emulated
_MEMORY = 2048
_JOURNAL = "systemctl list-jobs --no-pager; journalctl -b -n 100 --no-pager"
_PAUSE = 1.0  # between two looks, which cost the guest something


class CommandFailed(RuntimeError):
    """A command in the guest ended with another status than 0."""


class Line:
    """A character device of the guest; what it says there comes in pieces that end with NUL."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._read = b""

    def send(self, text: str) -> None:
        self._socket.sendall(text.encode() + b"\0")

    def receive(self, deadline: float) -> str:
        while b"\0" not in self._read:
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the guest has ended")
            self._read += data
        piece, _, self._read = self._read.partition(b"\0")
        return piece.decode(errors="replace")

    def close(self) -> None:
        self._socket.close()


class Shell:
    """Carries out one command after the other: see files/shell."""

    def __init__(self, line: Line) -> None:
        self._line, self._asked = line, 0

    def run(self, command: str, timeout: float, check: bool = True) -> str:
        self._asked += 1
        token, deadline = f"answer-{self._asked}", time.monotonic() + timeout
        self._line.send(f"{token} {command}")
        output = ended = ""
        while not ended.startswith(f"{token} "):  # else of one that nobody waited for any more
            output, ended = ended, self._line.receive(deadline)
        if check and not ended.endswith(" 0"):
            raise CommandFailed(f"{command}: {ended}: {output}")
        return output.strip()

    def await_boot(self, deadline: float) -> None:
        """It says so when it begins."""
        while self._line.receive(deadline) != "boot 0":
            pass


class Guest:
    """``console``: a file for what kernel and systemd print."""

    def __init__(self, disk: Path, console: Path, release: str, devices: Sequence[str]) -> None:
        self._disk, self._console, self._release = disk, console, release
        self._devices = devices
        self._directory = tempfile.TemporaryDirectory()

    def __enter__(self) -> Self:
        directory = Path(self._directory.name)
        ports = ("shell", "spare", "probe")
        with self._console.open("wb") as console:
            self._process = subprocess.Popen(
                self._argv(directory, ports),
                env={**qemu.environment(), "TMPDIR": str(directory)},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        guard.watch(self._process)
        wait_for(lambda: all((directory / port).exists() for port in ports), "QEMU", 60)
        self._lines = [Line(directory / port) for port in ports]
        self._shells = [Shell(line) for line in self._lines[:2]]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for line in self._lines:
            line.close()
        self._directory.cleanup()

    def _argv(self, directory: Path, ports: Sequence[str]) -> list[str]:
        lines = [
            word
            for number, port in enumerate(ports, 1)
            for word in (
                *("-chardev", f"socket,id={port},path={directory / port},server=on,wait=off"),
                *("-device", f"virtserialport,chardev={port},nr={number},name=vm.{port}"),
            )
        ]
        devices = (
            *("-drive", f"file={self._disk},format=raw,if=virtio,snapshot=on,cache=unsafe"),
            *("-device", "virtio-serial-pci", *lines, "-device", "virtio-rng-pci"),
            *self._devices,
        )
        return qemu.argv(self._release, _MEMORY, "vm.root=disk", devices)

    def run(self, command: str, timeout: float = 300, check: bool = True) -> str:
        """What a command of the shell has printed, on both; sent early it waits for the boot."""
        return self._shells[0].run(command, timeout, check)

    def journal(self) -> str:
        """The end of it; by another shell, for the first may wait for something."""
        return self._shells[1].run(_JOURNAL, 120, check=False)

    def reboot(self) -> None:
        """Returns when the shell is there again, which is early."""
        self.run("systemctl --no-block reboot")
        self._shells[0].await_boot(time.monotonic() + BOOT)

    def ask(self, method: str, *arguments: Any, timeout: float) -> Any:
        """The probe: see probe.py."""
        self._lines[2].send(json.dumps([method, *arguments]))
        answer = json.loads(self._lines[2].receive(time.monotonic() + timeout))
        if isinstance(answer, dict):
            raise CommandFailed(f"{method} {arguments}: {answer['error']}")
        return answer

    def uptime(self) -> float:
        """Seconds since the kernel began."""
        return float(self.run("cat /proc/uptime").split()[0])

    def wait(self, command: str, timeout: float = BOOT) -> str:
        """Until it ends with status 0; what it has printed then."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                return self.run(command, timeout)
            except CommandFailed as failed:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"after {timeout} s: {failed}") from failed
            time.sleep(_PAUSE)


def wait_for(look: Callable[[], bool], what: str, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not look():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} after {timeout} s")
        time.sleep(0.1)
