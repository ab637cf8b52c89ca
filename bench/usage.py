"""What processes have used: CPU time and memory, as the kernel counts them."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import clock_gettime

_TICKS = os.sysconf("SC_CLK_TCK")
_SCHEDULED = 2  # CPUCLOCK_SCHED of linux/posix-timers.h: what all threads have run, in ns


def cpu(pid: int) -> float:
    """Seconds, user and system, of this process and all below it, those that have ended too."""
    return sum(map(_with_ended_children, family(pid)))


def ended_children() -> float:
    """Seconds that children of this very process have used, those that it has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def resident(pid: int) -> float:
    """MB that are in memory now."""
    return _status(pid, "VmRSS")


def peak(pid: int) -> float:
    """The most MB that were in memory at once."""
    return _status(pid, "VmHWM")


def family(pid: int) -> Iterator[int]:
    """Those that run now; what ends meanwhile is its parent's ended child."""
    yield pid
    with suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                yield from family(int(child))


def _with_ended_children(pid: int) -> float:
    """By the process's own clock: its own line in /proc/PID/stat counts in ticks of 10 ms."""
    with suppress(OSError):
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ended = (int(after_name[13]) + int(after_name[14])) / _TICKS
        return clock_gettime(~pid << 3 | _SCHEDULED) + ended
    return 0.0


def _status(pid: int, field: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":")) / 1024
