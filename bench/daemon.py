"""The real daemon of one tree in a process of its own, as systemd would start it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import usage
from bench.place import Place
from bench.sender import HOST, PATIENCE
from bench.tree import HERE, Tree

CONFIG = """
[DEFAULT]
host = {host}
transport_url = {url}
state_path = {state}
[ovs]
ovsdb_connection = {db}
[bridge]
create_tap = true
"""
LONG_START = 3 * PATIENCE


class Daemon:
    """Started, and perhaps not ready yet. ``config``: of an agent before, whose state it has.

    ``command``: another one than the tree's own. The times are by time.perf_counter().
    """

    def __init__(
        self,
        here: Place,
        tree: Tree = HERE,
        config: Path | None = None,
        command: Sequence[str] = (),
    ) -> None:
        self.config = config or configure(here)
        self._log = here.scratch / "vif-agent.log"
        self._supervisor = Supervisor(here.scratch / "notify")
        words = [*(command or tree.command), "--config-file", str(self.config)]
        with self._log.open("w") as out:
            env = os.environ | self._supervisor.env
            self.begun = time.perf_counter()
            self._process = subprocess.Popen(words, env=env, cwd=tree.path, stdout=out, stderr=out)

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu(self) -> float:
        """Seconds, of agent, helper and whatever else it has started."""
        return usage.cpu(self.pid)

    def until_ready(self) -> float:
        """When it told READY=1."""
        with self.telling():
            if not self._supervisor.ready.wait(LONG_START):
                raise RuntimeError("vif-agent has not joined the bus")
        return self._supervisor.ready_at

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Its log, when what is done meanwhile fails."""
        try:
            yield
        except RuntimeError:
            print(self._log.read_text()[-5000:], file=sys.stderr)
            raise

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)
        self._supervisor.close()


def configure(here: Place) -> Path:
    """A state of its own for each start: the agent knows of nothing."""
    state = here.scratch / f"state-{time.monotonic_ns()}"
    state.mkdir()
    file = state / "vif-agent.conf"
    file.write_text(CONFIG.format(host=HOST, url=here.transport_url, state=state, db=here.db))
    return file


class Supervisor:
    """Hears the agent's sd_notify messages to their end, as systemd would."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self.path = path
        self.env = {"NOTIFY_SOCKET": str(path), "PYTHONWARNINGS": "ignore"}
        self.ready = threading.Event()
        self.ready_at = 0.0
        self._said = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._said.bind(str(path))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """An empty message is ours: no more will come."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(b"", str(self.path))
        self._thread.join()
        self._said.close()

    def _listen(self) -> None:
        while said := self._said.recv(4096):
            if b"READY=1" in said and not self.ready.is_set():
                self.ready_at = time.perf_counter()
                self.ready.set()
