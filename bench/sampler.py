"""Where an agent's CPU goes: run by the agent's own python, in its process and its helper.

    python sampler.py OUT vif-agent's arguments...

A thread looks up to a thousand times a second which threads have had CPU in the last fifth of a
millisecond, by the kernel's clock of each, and what they do. The window is so short because one
that has begun to wait meanwhile shows what it waits for instead of what it did. Every quarter of a
second the sums so far go to OUT.PID, as JSON: {"process": name, "spent": seconds of CPU of the
process without this thread, "seen": [[thread, room, function, package, seconds], ...]}.

Room and function are those of the innermost frame in vif_agent, whatever it calls; the package is
that of the innermost frame of all. Nothing of the bench is imported here, nor anything of the agent
before it starts.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType

PAUSE, WINDOW = 0.001, 0.0002
FLUSH = 0.25
SWITCH = 0.0001  # the interpreter's default of 5 ms would show us only those who wait
_OF_THREAD, _SCHEDULED = 4, 2  # CPUCLOCK_* of linux/posix-timers.h
NAME = "sampler"
_ROOT = "vif_agent"

Key = tuple[str, str, str, str]


class Sampler:
    def __init__(self, out: str) -> None:
        self._out = out
        self._begin("agent")
        os.register_at_fork(after_in_child=lambda: self._begin("helper"))

    def _begin(self, process: str) -> None:
        """Threads do not survive a fork, and the parent's sums are not the child's."""
        self._process = process
        self._file = Path(f"{self._out}.{os.getpid()}")
        self._sums: defaultdict[Key, float] = defaultdict(float)
        threading.Thread(target=self._run, name=NAME, daemon=True).start()

    def _run(self) -> None:
        due = 0.0
        while True:
            time.sleep(PAUSE)
            threads = threading.enumerate()
            before = [_clock(thread) for thread in threads]
            time.sleep(WINDOW)
            self._sample(threads, before)
            if time.monotonic() >= due:
                due = time.monotonic() + FLUSH
                self._write()

    def _sample(self, threads: list[threading.Thread], before: list[float]) -> None:
        frames = sys._current_frames()
        for thread, then in zip(threads, before, strict=True):
            frame = frames.get(thread.ident or 0)
            if frame and (used := _clock(thread) - then) > 0:
                self._sums[(_kind(thread.name), *_place(frame))] += used

    def _write(self) -> None:
        written = self._file.with_name(self._file.name + ".new")
        seen = [[*key, used] for key, used in self._sums.items() if key[0] != NAME]
        spent = time.process_time() - time.thread_time()
        written.write_text(json.dumps({"process": self._process, "spent": spent, "seen": seen}))
        written.replace(self._file)


def _clock(thread: threading.Thread) -> float:
    """Seconds of CPU that it has had."""
    try:
        return time.clock_gettime(~(thread.native_id or 0) << 3 | _OF_THREAD | _SCHEDULED)
    except OSError:  # it has ended meanwhile
        return 0.0


def _kind(name: str) -> str:
    """Of many threads of one pool, one name."""
    return name.rstrip("0123456789").rstrip("-_ (")


def _place(frame: FrameType) -> tuple[str, str, str]:
    """Room, function and package."""
    at: FrameType | None = frame
    while at:
        if room := _room(at.f_code.co_filename):
            function = f"{Path(at.f_code.co_filename).name} {at.f_code.co_qualname}"
            return room, function, _package(frame.f_code.co_filename)
        at = at.f_back
    return "", "", _package(frame.f_code.co_filename)


def _room(path: str) -> str:
    """The folder in vif_agent; of what lies at the top, the module."""
    before, found, rest = path.rpartition(f"/{_ROOT}/")
    if not found or "site-packages" in before:
        return ""
    return rest.rpartition("/")[0] or rest


def _package(path: str) -> str:
    if _room(path):
        return _ROOT
    _, installed, rest = path.rpartition("/site-packages/")
    if installed:
        return rest.split("/")[0].removesuffix(".py")
    return "python: " + path.rpartition("/python3.")[2].split("/", 1)[-1].split("/")[0]


def main() -> None:
    out = sys.argv[1]
    sys.argv[1:] = sys.argv[2:]
    sys.setswitchinterval(SWITCH)
    sys.path.pop(0)  # bench/, whose modules would hide others of the same name
    Sampler(out)
    from vif_agent.cmd.agent import main as agent

    agent()


if __name__ == "__main__":
    main()
