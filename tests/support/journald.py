"""A journal of one's own: systemd-journald in a mount namespace, with a /run of its own."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Self

JOURNALD = Path("/lib/systemd/systemd-journald")
#: the tests' own /sys hides the groups of processes, without which it does not start
_OWN_RUN = """
mount -t tmpfs tmpfs /run
if grep -q 'name=systemd' /proc/self/cgroup; then
    mount -t tmpfs tmpfs /sys/fs/cgroup
    mkdir /sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
else
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
mkdir -p /run/systemd/journald.conf.d /run/log/journal
cd /run/systemd/journald.conf.d
printf '[Journal]\\nStorage=volatile\\nReadKMsg=no\\nAudit=no\\n' >own.conf
exec "$0"
"""


class Journal:
    def __enter__(self) -> Self:
        argv = ("unshare", "--mount", "sh", "-ec", _OWN_RUN, str(JOURNALD))
        self._process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        socket = Path(f"/proc/{self._process.pid}/root/run/systemd/journal/socket")
        deadline = time.monotonic() + 30
        while not socket.exists():
            assert self._process.poll() is None, "journald has ended"
            assert time.monotonic() < deadline, "journald has no socket"
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    @property
    def within(self) -> tuple[str, ...]:
        """To be put before a command that is to see this journal."""
        return ("nsenter", "--target", str(self._process.pid), "--mount", f"--wd={os.getcwd()}")

    def entries(self, *matches: str) -> list[dict[str, Any]]:
        """As journalctl finds them by fields."""
        argv = (*self.within, "journalctl", "--directory=/run/log/journal", "-o", "json", *matches)
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        return [json.loads(line) for line in done.stdout.splitlines()]
