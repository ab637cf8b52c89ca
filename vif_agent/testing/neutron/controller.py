"""One controller: Neutron's API by uWSGI, neutron-rpc-server and neutron-periodic-workers."""

from __future__ import annotations

import contextlib
import os
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from vif_agent.testing import processes
from vif_agent.testing.neutron.api import NeutronApi
from vif_agent.testing.neutron.wires import CONTROL
from vif_agent.testing.processes import Process
from vif_agent.testing.rabbit import free_ports

TREE = Path(__file__).parents[3]
#: SIGTERM takes a worker as long as what it waits for on the bus
PATIENCE = 30.0
API, RPC, PERIODIC = "api", "rpc", "periodic"


class Controller:
    """``venv`` has Neutron; its processes find our package in this tree. Each part (API, RPC,
    PERIODIC) can be started, stopped and killed by itself; its log is ``directory/PART.log``."""

    def __init__(self, venv: Path, directory: Path, config: Path, api_processes: int = 1) -> None:
        self.venv = venv
        self.directory = directory
        self.config = config
        (self._port,) = free_ports(1)
        self.url = f"http://{CONTROL}:{self._port}"  # for hypervisors
        self.api = NeutronApi(f"http://127.0.0.1:{self._port}")
        self._argv = {
            API: self._uwsgi(api_processes),
            RPC: self.argv("neutron-rpc-server"),
            PERIODIC: self.argv("neutron-periodic-workers"),
        }
        self._running: dict[str, Process] = {}

    def __enter__(self) -> Self:
        try:
            self.launch(API, RPC, PERIODIC)
            self.wait_api()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def argv(self, program: str) -> tuple[str, ...]:
        """A program of Neutron's, with this configuration."""
        return (str(self.venv / "bin" / program), "--config-file", str(self.config))

    def launch(self, *parts: str) -> None:
        """Returns while they are still coming up."""
        for part in parts:
            log = self.directory / f"{part}.log"
            self._running[part] = processes.start(self._argv[part], self.environment(), log)

    def wait_api(self, timeout: float = 180) -> None:
        """Until it answers; raises with the end of its log when it does not."""
        deadline = time.monotonic() + timeout
        while not self._answers():
            if time.monotonic() > deadline or "no app loaded" in self.log(API):
                raise RuntimeError(f"Neutron's API does not answer:\n{self.log(API)[-2500:]}")
            time.sleep(0.1)
        self._let_it_load_policy()

    def _let_it_load_policy(self) -> None:
        """At the first change that is asked for; while it does, it refuses what comes besides."""
        made = self.api.create("network", name="first")
        self.api.delete("network", made["id"])

    def stop(self, *parts: str) -> None:
        """SIGTERM to all of these (none: all there are), then wait; SIGKILL to who does not go."""
        ending = [self._running.pop(part) for part in parts or [*self._running]]
        for process in ending:
            process.terminate()
        deadline = time.monotonic() + PATIENCE
        for process in ending:
            if not processes.ended(process, max(0.1, deadline - time.monotonic())):
                _kill_tree(process.pid)
                process.wait()

    def kill(self, *parts: str) -> None:
        """SIGKILL, to workers, too."""
        for part in parts:
            process = self._running.pop(part)
            _kill_tree(process.pid)
            process.wait()

    def pids(self, part: str) -> list[int]:
        """Of its first process and of all workers."""
        return _tree(self._running[part].pid)

    def log(self, part: str) -> str:
        """All of it, of earlier starts too."""
        path = self.directory / f"{part}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def environment(self) -> dict[str, str]:
        """For any program of the venv."""
        return {
            "PATH": f"{self.venv / 'bin'}:{os.environ.get('PATH', os.defpath)}",
            "LANG": "C.UTF-8",
            "HOME": str(self.directory),
            "PYTHONPATH": str(TREE),
            "PYTHONWARNINGS": "ignore",
            "OS_NEUTRON_CONFIG_DIR": str(self.config.parent),
            "OS_NEUTRON_CONFIG_FILES": str(self.config),
        }

    def _answers(self) -> bool:
        with (
            contextlib.suppress(OSError, urllib.error.URLError),
            urllib.request.urlopen(f"{self.api.url}/v2.0/networks", timeout=60),
        ):
            return True
        return False

    def _uwsgi(self, count: int) -> tuple[str, ...]:
        return (
            *(str(self.venv / "bin/uwsgi"), "--http-socket", f":{self._port}"),
            *("--module", "neutron.wsgi.api:application", "--need-app", "--lazy-apps"),
            *("--enable-threads", "--threads", "8", "--processes", str(count), "--master"),
            *("--die-on-term", "--no-orphans", "--buffer-size", "65535", "--listen", "100"),
            *("--worker-reload-mercy", "5", "--disable-logging"),
            # it hangs up after each answer: a client that is not told says its next word to nobody
            *("--add-header", "Connection: close"),
        )


def _kill_tree(pid: int) -> None:
    for one in _tree(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, 9)


def _tree(pid: int) -> list[int]:
    """A process and all that it has started, as far as they have not ended."""
    found = [pid]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _tree(int(child))
    return found
