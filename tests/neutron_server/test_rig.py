"""The rig itself, with a driver of Neutron's own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from vif_agent.testing import processes

_KILLED = """
import os, sys
from vif_agent.testing import netns
from vif_agent.testing.neutron.cloud import Cloud
netns.isolate_process()
with Cloud(drivers="logger") as cloud:
    print(cloud.directory, flush=True)
    sys.stdin.read()
"""


def test_nothing_of_a_cloud_outlives_who_started_it(isolated: None) -> None:
    argv = (sys.executable, "-W", "ignore", "-c", _KILLED)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        directory = holder.stdout.readline().strip()
        assert len(_using(directory)) > 8
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    processes.wait_until(lambda: not _using(directory), "the end of all", timeout=60)


def _using(directory: str) -> list[str]:
    """Command lines of processes that were started with something in the directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if directory in line:
            found.append(line)
    return found
