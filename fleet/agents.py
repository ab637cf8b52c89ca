"""The agents as seen from outside: started, stopped, killed, and how much they take."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Self

from bench import usage
from vif_agent.testing import guard, processes

_CREDENTIALS = struct.Struct("=iII")  # struct ucred: pid, uid, gid
_START_SECONDS = 300.0


class Agents:
    """``configs``: by host. All are children of one process that has forked them, the nursery."""

    def __init__(self, directory: Path, configs: dict[str, Path]) -> None:
        self.directory, self._configs = directory, configs
        self._pids: dict[str, int] = {}
        self._ready: set[int] = set()
        self._ended: dict[int, int] = {}
        self._changed = threading.Condition()
        self._forked: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._starting = threading.Lock()

    def __enter__(self) -> Self:
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notices.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._notices.bind(str(self.directory / "notify"))
        with (self.directory / "nursery.log").open("ab") as log:
            self._nursery = subprocess.Popen(
                (sys.executable, "-W", "ignore", "-m", "fleet.nursery"),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0,
                start_new_session=True,
            )  # fmt: skip
        guard.watch(self._nursery)
        for work in (self._hear, self._read):
            threading.Thread(target=work, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(self._pids.keys())
        processes.kill(self._nursery)
        self._notices.close()

    # -- what happens to them ------------------------------------------------------------------

    def start(self, hosts: Iterable[str]) -> None:
        """Returns when they are forked."""
        for host in hosts:
            with self._starting:
                assert self._nursery.stdin
                self._nursery.stdin.write(f"{self._configs[host]}\n".encode())
                self._pids[host] = self._forked.get(timeout=60)

    def wait_ready(self, hosts: Iterable[str], timeout: float = _START_SECONDS) -> None:
        """Until each has told READY=1: it has joined the bus."""
        waited = {self._pids[host]: host for host in hosts}
        with self._changed:
            self._changed.wait_for(
                lambda: self._ready >= waited.keys() or waited.keys() & self._ended.keys(), timeout
            )
            late = [host for pid, host in waited.items() if pid not in self._ready]
        if late:
            raise RuntimeError(f"{len(late)} agents have not joined: {self.log(late[0])[-3000:]}")

    def kill(self, hosts: Iterable[str]) -> None:
        """As when the power fails: what the host in memory has goes, too."""
        self._end(hosts, signal.SIGKILL)

    def stop(self, hosts: Iterable[str]) -> None:
        self._end(hosts, signal.SIGTERM)

    def unwell(self) -> list[str]:
        """Which have ended by themselves."""
        return [f"{host} ended with {self._ended[pid]}: {self.log(host)[-2000:]}"
                for host, pid in self._pids.items() if pid in self._ended]  # fmt: skip

    def log(self, host: str) -> str:
        file = self._configs[host].parent / "agent.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def _end(self, hosts: Iterable[str], how: signal.Signals) -> None:
        pids = {self._pids.pop(host) for host in [*hosts]}
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
        with self._changed:
            if not self._changed.wait_for(lambda: self._ended.keys() >= pids, 60):
                raise RuntimeError(f"agents do not end: {sorted(pids - self._ended.keys())}")

    # -- what they take ------------------------------------------------------------------------

    def pids(self) -> Collection[int]:
        return [*self._pids.values()]

    def cpu(self) -> float:
        """Seconds, of all that there have been."""
        return usage.cpu(self._nursery.pid)

    def memory(self) -> tuple[float, float]:
        """MB: what they take together of the machine, each page once; and the mean that is an
        agent's own."""
        used = [_rollup(pid) for pid in (self._nursery.pid, *self._pids.values())]
        own = [each["Private_Clean"] + each["Private_Dirty"] for each in used[1:]]
        return sum(each["Pss"] for each in used) / 1024, sum(own) / len(own) / 1024

    # -- what they say -------------------------------------------------------------------------

    def _hear(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                said, credentials, _, _ = self._notices.recvmsg(4096, 64)
                if b"READY=1" in said and credentials:
                    with self._changed:
                        self._ready.add(_CREDENTIALS.unpack(credentials[0][2])[0])
                        self._changed.notify_all()

    def _read(self) -> None:
        assert self._nursery.stdout
        for line in iter(self._nursery.stdout.readline, b""):
            pid, *status = map(int, line.split())
            if not status:
                self._forked.put(pid)
                continue
            with self._changed:
                self._ended[pid] = status[0]
                self._changed.notify_all()


def _rollup(pid: int) -> dict[str, int]:
    """KiB by kind."""
    rows: Iterator[list[str]] = (
        line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    )
    return {row[0].rstrip(":"): int(row[1]) for row in rows}
