"""``vif-agentctl`` as an operator runs it: the real executable, a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vif_agent.testing import processes
from vif_agent.testing.daemon import Daemon

CTL = str(Path(sys.executable).parent / "vif-agentctl")


class Said:
    def __init__(self, done: subprocess.CompletedProcess[str], seconds: float) -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        self.seconds = seconds

    def __repr__(self) -> str:
        return f"exit {self.code}\n{self.out}\n{self.err}"

    def json(self) -> Any:
        """The answer, of a command that was done without a word on stderr."""
        assert (self.code, self.err) == (0, ""), self
        return json.loads(self.out)

    def refused(self, words: str, code: int = 2) -> str:
        """One clear line on stderr, and nothing else."""
        lines = self.err.splitlines()
        assert (self.code, self.out, len(lines)) == (code, "", 1), self
        assert lines[0].startswith("vif-agentctl: "), self
        assert words in lines[0], self
        return lines[0]


def ctl(config: Path, *arguments: str, stdin: object = None, under: Sequence[str] = ()) -> Said:
    """``stdin``: text, or what is to be sent as JSON; ``under``: the command that runs it."""
    began = time.monotonic()
    done = subprocess.run(
        (*under, CTL, "--config-file", str(config), *arguments),
        input=stdin if isinstance(stdin, str) else json.dumps(stdin),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(done, time.monotonic() - began)


@contextlib.contextmanager
def stopped(daemon: Daemon) -> Iterator[None]:
    """The agent is not running, its state is there."""
    daemon.stop()
    try:
        yield
    finally:
        daemon.start()


@contextlib.contextmanager
def frozen(which: Daemon | processes.Process | int | None) -> Iterator[None]:
    """The agent, or another process, runs and answers nobody, as one that hangs."""
    process = which.process if isinstance(which, Daemon) else which
    pid = process if isinstance(process, int) else process and process.pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
