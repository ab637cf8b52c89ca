"""The real vif-agent on a scratch host: a process of its own, with a configuration of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import oslo_messaging
from oslo_config import cfg

from vif_agent.bus.api import VifAgentAPI
from vif_agent.private_names.oslo_config import is_parsed
from vif_agent.testing import guard
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.processes import Private

HOST = "scratch"


class Daemon(Private):
    """``options``: {group: {option: value}} on top of what a scratch host needs.

    ``argv``: the command to run, for tests that start the agent as another user. SIGKILL it with
    ``kill``, and ``start`` again with the same state.
    """

    def __init__(
        self,
        host: ScratchHost,
        url: str,
        options: Mapping[str, Mapping[str, object]] | None = None,
        argv: tuple[str, ...] = (),
        state_path: Path | None = None,
        directory: str = "agent",
    ) -> None:
        self.directory = host.directory / directory
        self.state_path = state_path or self.directory / "state"
        self.log_file = self.directory / "agent.log"
        self.config_file = self.directory / "vif-agent.conf"
        self.process: subprocess.Popen[bytes] | None = None
        self._argv = argv or (str(Path(sys.executable).parent / "vif-agent"),)
        self._reported: list[str] = []
        self.directory.mkdir(exist_ok=True)
        self.state_path.mkdir(parents=True, exist_ok=True)
        self.config_file.write_text(_config(host, url, self.state_path, options or {}))

    def start(self, timeout: float = 60) -> None:
        """Returns when the agent has told systemd READY=1."""
        self.launch()
        self.wait_for_notice("READY=1", timeout)

    def launch(self) -> None:
        """Start it and return at once."""
        notify = self.directory / "notify"
        notify.unlink(missing_ok=True)
        supervisor = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        supervisor.bind(str(notify))
        notify.chmod(0o666)
        self._reported = []
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._argv, "--config-file", str(self.config_file)],
                stdout=log,
                stderr=log,
                env={**os.environ, "NOTIFY_SOCKET": str(notify)},
            )
        guard.watch(self.process)
        arguments = (supervisor, self.process, self._reported)
        self._listener = threading.Thread(target=_listen, args=arguments, daemon=True)
        self._listener.start()

    def wait_for_notice(self, wanted: str, timeout: float = 30) -> list[str]:
        """The lines told to systemd since the start, with the wanted one among them."""
        deadline = time.monotonic() + timeout
        while wanted not in (reported := self.notified()):
            over = time.monotonic() > deadline or not self._listener.is_alive()
            if over and wanted not in self.notified():
                raise TimeoutError(f"no {wanted} from vif-agent; its log:\n{self.log()[-4000:]}")
            time.sleep(0.01)
        return reported

    def notified(self) -> list[str]:
        """The lines told to systemd since the start."""
        return list(self._reported)

    def alive(self) -> bool:
        """Has it been started, and not ended yet?"""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL of the agent; its helper follows by itself."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self, timeout: float = 60) -> int:
        """SIGTERM, SIGKILL if that does not help; answers the exit status."""
        assert self.process
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def helper_pid(self) -> int:
        """The privileged helper: the agent's only child."""
        assert self.process
        pid = self.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def log(self) -> str:
        """All of it, of earlier starts too."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""


def _listen(
    supervisor: socket.socket, process: subprocess.Popen[bytes], reported: list[str]
) -> None:
    """As systemd does, at once and always: a dozen datagrams unread would block the agent.

    When it has ended, what it said last may be unread yet.
    """
    supervisor.settimeout(0.1)
    ended = False
    with supervisor:
        while not ended:
            ended = process.poll() is not None
            with contextlib.suppress(TimeoutError):
                while True:
                    reported += supervisor.recv(4096).decode().splitlines()


def sender(url: str) -> VifAgentAPI:
    """A sender's client in this process."""
    return VifAgentAPI(transport=transport(url))


def transport(url: str) -> Any:
    """An RPC transport of this process, for the broker at ``url``."""
    if not is_parsed(cfg.CONF):
        cfg.CONF([], project="vif-agent-testing")
    return oslo_messaging.get_rpc_transport(cfg.CONF, url=url)


def _config(
    host: ScratchHost, url: str, state_path: Path, options: Mapping[str, Mapping[str, object]]
) -> str:
    groups: dict[str, dict[str, object]] = {
        "DEFAULT": {"host": HOST, "transport_url": url, "state_path": state_path},
        "ovs": {"ovsdb_connection": host.ovs.connection},
        "vif_agent": {"tun_device": host.own_tun_device(), "retry_max": 2},
    }
    for group, values in options.items():
        groups.setdefault(group, {}).update(values)
    return "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())
        for group, values in groups.items()
    )
