"""Child processes: each in its own session, each ended by its own pid, never by a name."""

from __future__ import annotations

import abc
import contextlib
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from vif_agent.testing import guard

Process = subprocess.Popen[bytes]
_END = 2000  # characters of what a command printed
POLL = 0.005  # seconds between two looks; a look costs a few microseconds


class NotReadyError(RuntimeError):
    """A process ended, or took too long, before it could be used."""


def start(argv: Sequence[str], env: Mapping[str, str], log: Path) -> Process:
    """Start in a new session, so that a Ctrl-C in the terminal is for the test runner alone.

    It ends with this process, also where that is killed.
    """
    with log.open("ab") as output:
        started = subprocess.Popen(
            argv,
            env=env,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return guard.watch(started)


class Private(abc.ABC):
    """A daemon of our own: it runs within the ``with`` block."""

    @abc.abstractmethod
    def start(self) -> None:
        """Returns when it can be used."""

    @abc.abstractmethod
    def stop(self) -> object:
        """Returns when it has ended."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def run(argv: Sequence[str], env: Mapping[str, str], timeout: float = 60, given: str = "") -> str:
    """What a command printed, that was ``given`` this to read. The error has its stderr, which
    check=True would hide, or, where there is none, the end of what it printed."""
    done = subprocess.run(
        argv,
        env=env,
        input=given,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip() or done.stdout[-_END:].strip()
        raise RuntimeError(f"{' '.join(argv)}: exit {done.returncode}: {said}")
    return done.stdout


def alive(process: Process | None) -> bool:
    """Has it been started, and not ended yet?"""
    return process is not None and process.poll() is None


def wait_until(
    ready: Callable[[], bool], what: str, process: Process | None = None, timeout: float = 30
) -> None:
    """Look until `ready`, at most `timeout` seconds and only while `process`, if given, lives."""
    deadline = time.monotonic() + timeout
    while not ready():
        if process is not None and process.poll() is not None:
            raise NotReadyError(f"{what}: the process ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise NotReadyError(f"{what}: not ready after {timeout} s")
        time.sleep(POLL)


def ended(process: Process, timeout: float) -> bool:
    """Within ``timeout`` seconds?"""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout)
    return process.returncode is not None


def kill(process: Process | None) -> None:
    """SIGKILL and reap: what it left on disk is what a crash leaves."""
    if process is not None:
        process.kill()
        process.wait()


def end(process: Process | None, timeout: float = 5) -> None:
    """Ask with SIGTERM; after `timeout` seconds, do not ask."""
    if process is not None and alive(process):
        process.terminate()
        if not ended(process, timeout):
            kill(process)
