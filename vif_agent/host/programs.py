"""Vendors' programs: run by full path, without a shell, within a time limit, and listened to."""

import dataclasses
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from vif_agent.errors import CommandFailed, CommandNotAllowed, plain

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_READ_AT_ONCE = 65536
_TICK_SECONDS = 0.5
_NEVER = float("inf")
#: bytes of what a program prints: the last ones, where the reason is
_KEPT = 4096


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """``status``: as subprocess has it, so a signal's number below zero; None: out of time."""

    status: int | None
    printed: str

    @property
    def well(self) -> bool:
        """Has it ended with status 0?"""
        return self.status == 0

    def __str__(self) -> str:
        if self.status is None:
            how = "killed, it did not end in time"
        else:
            how = f"exit status {self.status}" if self.status >= 0 else f"signal {-self.status}"
        return f"{how}: {self.printed or 'nothing was printed'}"


@dataclasses.dataclass(frozen=True)
class Programs:
    """``allowed``: full path by bare name. ``prefix``: put before it; ``timeout`` in seconds."""

    allowed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    prefix: Sequence[str] = ()
    timeout: float = 30

    def run(self, vector: Sequence[str], until: Callable[[], float] = lambda: _NEVER) -> Ended:
        """Raises CommandNotAllowed, or CommandFailed when it does not start.

        ``until``: the agent's own limit, on the monotonic clock; it may come closer meanwhile.
        """
        path = self.allowed.get(vector[0])
        if path is None:
            raise CommandNotAllowed(
                f"{vector[0]}: [commands] allowed does not say where this program is"
            )
        limit = time.monotonic() + self.timeout
        process, output = _start([*self.prefix, path, *vector[1:]])
        try:
            in_time, printed = _listen(process.pid, output, lambda: min(until(), limit))
        finally:
            os.close(output)
            _end(process)
        words = plain(" ".join(printed.decode(errors="replace").split()), _KEPT)
        return Ended(process.returncode if in_time else None, words)


def _start(arguments: Sequence[str]) -> tuple["subprocess.Popen[bytes]", int]:
    """In a session, and so a process group, of its own: it can be killed with all that it started.

    A pipe, not a file: what is printed must fill no disk.
    """
    ours, theirs = os.pipe()
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            cwd="/",
            env=_ENVIRONMENT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        os.close(ours)
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
        raise CommandFailed(f"{arguments[0]}: does not start: {reason}") from error
    finally:
        os.close(theirs)
    return process, ours


def _listen(pid: int, output: int, deadline: Callable[[], float]) -> tuple[bool, bytes]:
    """Whether it ends in time, and the last of what it prints.

    A child of its own that lives on may keep the pipe open, so its end is no sign. Eventlet's
    select may show that the process has ended before it shows what that has printed.
    """
    printed, process = b"", os.pidfd_open(pid)
    with selectors.DefaultSelector() as selector, os.fdopen(process, "rb", buffering=0):
        selector.register(process, selectors.EVENT_READ)
        selector.register(output, selectors.EVENT_READ)
        while (left := deadline() - time.monotonic()) > 0:
            ready = {key.fd for key, _ in selector.select(min(left, _TICK_SECONDS))}
            if output in ready:
                more = os.read(output, _READ_AT_ONCE)
                printed = (printed + more)[-_KEPT:]
                if not more:
                    selector.unregister(output)
            elif process in ready:
                return True, (printed + _rest(selector, output))[-_KEPT:]
    return False, printed


def _rest(selector: selectors.BaseSelector, output: int) -> bytes:
    """What can be read without waiting: eventlet's os.read waits whatever the pipe is set to."""
    if output not in {key.fd for key, _ in selector.select(0)}:
        return b""
    return os.read(output, _READ_AT_ONCE)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Not reaped yet, so its number is nobody else's."""
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
