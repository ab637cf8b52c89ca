"""vif-agent: the real daemon in its own process, asked by casts over a real RabbitMQ.

The clock starts before the first cast and stops when the notification of the last port is here:
all that a sender would wait for is in it, the broker twice.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from oslo_config import cfg

from bench.cases import Vif
from bench.child import Child
from bench.place import Place
from bench.sender import HOST, PATIENCE, Sender

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


class Agent:
    name = "vif-agent"

    def __init__(self, here: Place) -> None:
        logging.getLogger("oslo_messaging").setLevel(logging.ERROR)
        self.log = here.scratch / "vif-agent.log"
        self.ended = ExitStack()
        with ExitStack() as unwind:
            supervisor = Supervisor(here.scratch / "notify")
            unwind.callback(supervisor.close)
            child = self._start(configure(here), supervisor.env)
            unwind.callback(child.wait, timeout=30)
            unwind.callback(child.terminate)
            with self._telling():
                if not supervisor.ready.wait(PATIENCE):
                    raise RuntimeError("vif-agent has not joined the bus")
            cfg.CONF([], project="bench", default_config_files=[])
            self.sender = Sender(cfg.CONF, here.transport_url)
            unwind.callback(self.sender.close)
            self.ended = unwind.pop_all()

    def plug(self, vifs: Sequence[Vif]) -> float:
        with self._telling():
            return self.sender.plug(vifs)

    def unplug(self, vifs: Sequence[Vif]) -> float:
        with self._telling():
            return self.sender.unplug(vifs)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError:
            print(self.log.read_text()[-5000:], file=sys.stderr)
            raise

    def close(self) -> None:
        self.ended.close()

    def _start(self, config: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "vif_agent.cmd.agent", "--config-file", str(config)]
        with self.log.open("w") as out:
            return subprocess.Popen(command, env=os.environ | env, stdout=out, stderr=out)


class MemoryAgent:
    """The daemon's parts and the sender in one process, with the in-process bus between them."""

    name = "vif-agent"

    def __init__(self, here: Place) -> None:
        self._supervisor = Supervisor(here.scratch / "notify")
        command = [sys.executable, "-m", "bench.memory_side", str(configure(here))]
        self._child = Child(command, self._supervisor.env)
        if not self._supervisor.ready.wait(PATIENCE):
            self.close()
            raise RuntimeError("vif-agent has not joined the bus, see above")

    def plug(self, vifs: Sequence[Vif]) -> float:
        return self._child.ask("plug", vifs)

    def unplug(self, vifs: Sequence[Vif]) -> float:
        return self._child.ask("unplug", vifs)

    def close(self) -> None:
        self._child.close()
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
            if b"READY=1" in said:
                self.ready.set()
