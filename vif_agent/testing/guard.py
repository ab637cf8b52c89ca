"""What this process has started ends with it, also where it is killed.

Not by PR_SET_PDEATHSIG, which goes by the thread that has started a process. A guard waits for the
end of a pipe that nobody else can write to. It knows its charges by pidfd, for a pid may have a
new bearer by then.
"""

from __future__ import annotations

import functools
import subprocess
import sys

_CODE = """
import os, select, signal, sys
charges = []
for line in sys.stdin:
    ended = select.select(charges, [], [], 0)[0]
    for one in ended:
        os.close(one)
    charges = [one for one in charges if one not in ended]
    try:
        charges.append(os.pidfd_open(int(line)))
    except OSError:
        pass
for one in charges:
    try:
        signal.pidfd_send_signal(one, signal.SIGKILL)
    except OSError:
        pass
"""


def watch(process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    """It ends with this process, however that ends."""
    guard = _guard()
    assert guard.stdin
    guard.stdin.write(b"%d\n" % process.pid)
    return process


@functools.cache
def _guard() -> subprocess.Popen[bytes]:
    """In a session of its own: a Ctrl-C is not for it."""
    argv = (sys.executable, "-I", "-S", "-c", _CODE)
    return subprocess.Popen(argv, stdin=subprocess.PIPE, bufsize=0, cwd="/", start_new_session=True)
