"""``python -m fleet.nursery``: imports what an agent needs once, and forks agents when told to.

So they share that memory. Each line of stdin is the path of a configuration; the answer is the
pid. What has ended is told as "PID STATUS", a signal as a negative one.
"""

from __future__ import annotations

import os
import selectors
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from vif_agent.cmd import concurrency
from vif_agent.daemon import allocator, garbage


def main() -> None:
    allocator.one_heap()
    garbage.put_off()
    concurrency.native_threads()
    from fleet import agent  # when threads are chosen

    garbage.begin()
    ended, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == ended:
                    os.read(ended, 4096)
                    _tell_ended()
                elif line := _line():
                    _fork(agent.run, Path(line))
                else:
                    return


def _line() -> str:
    """Without reading ahead: what is buffered here would wake nobody."""
    line = b""
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return line.decode()


def _fork(run: Callable[[Path], NoReturn], config: Path) -> None:
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(0)
        os.open(os.devnull, os.O_RDONLY)
        run(config)
    print(pid, flush=True)


def _tell_ended() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        print(pid, os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
