"""Neutron's own DHCP, L3 and metadata agents on a hypervisor, with our interface driver."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vif_agent.testing import processes
from vif_agent.testing.neutron import configuration
from vif_agent.testing.neutron.hypervisor import Hypervisor
from vif_agent.testing.processes import Process

if TYPE_CHECKING:
    from vif_agent.testing.neutron.cloud import Cloud
    from vif_agent.testing.neutron.configuration import Options

DHCP, L3, METADATA = "dhcp", "l3", "metadata"
SECRET = "shared by nova and Neutron"
#: what dnsmasq and haproxy are to these agents is theirs alone, and dies with this process
_APART = ("unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc")
_FIRST = (
    "mount -t sysfs sysfs /sys; mount -t tmpfs tmpfs /run; mkdir /run/netns; exec sleep infinity"
)


class Services:
    """Of one host: they have its network namespace, and names of namespaces that nobody else sees.

    ``metadata``: the address of nova's metadata API, "host:port". Each (DHCP, L3, METADATA) can be
    started, stopped and killed by itself; what it has started, as dnsmasq, goes on without it.
    """

    def __init__(
        self, cloud: Cloud, host: Hypervisor, metadata: str = "", options: Options | None = None
    ) -> None:
        self._controller = cloud.controllers[0]
        self._host = host
        self.directory = Path(tempfile.mkdtemp(prefix=f"{host.name}-", dir=cloud.directory))
        self.directory.chmod(0o711)
        self._config = self.directory / "agents.conf"
        groups = self._groups(metadata)
        for group, values in (options or {}).items():
            groups.setdefault(group, {}).update(values)
        self._config.write_text(configuration.as_text(groups))
        self._running: dict[str, Process] = {}

    def __enter__(self) -> Self:
        self.power_on()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.power_off()

    def power_off(self) -> tuple[str, ...]:
        """As with the host: no namespace, device or process is left, and no agent was told. Answers
        which ran."""
        names = tuple(self._running)
        self._holder.kill()
        self._holder.wait()
        for process in self._running.values():
            process.wait()
        self._running.clear()
        return names

    def power_on(self, *names: str) -> None:
        """Then launch these."""
        argv = (*_APART, "sh", "-c", _FIRST)
        with self._host.entered():
            self._holder = processes.start(argv, os.environ, self.directory / "holder.log")
        processes.wait_until(self._is_apart, "namespaces of Neutron's agents", self._holder)
        self.launch(*names)

    def launch(self, *names: str) -> None:
        """Returns while they are still coming up."""
        for name in names:
            argv = (*self._inside(), *self._controller.argv(f"neutron-{name}-agent"))
            argv = (*argv, "--config-file", str(self._config))
            log = self.directory / f"{name}.log"
            self._running[name] = processes.start(argv, self._controller.environment(), log)

    def stop(self, *names: str) -> None:
        """SIGTERM to all of these (none: all there are), then wait; SIGKILL to who does not go."""
        self._end(signal.SIGTERM, names or tuple(self._running))

    def kill(self, *names: str) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL, names)

    def log(self, name: str) -> str:
        """All of it, of earlier starts too."""
        path = self.directory / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def namespaces(self) -> set[str]:
        """qdhcp-… and qrouter-…"""
        return {line.split()[0] for line in self.run("ip", "netns").splitlines()}

    def links(self, namespace: str) -> dict[str, dict[str, Any]]:
        """In there."""
        links = json.loads(self.run("ip", "-j", "-n", namespace, "link"))
        return {link["ifname"]: link for link in links}

    def run(self, *argv: str) -> str:
        """What a command prints that sees these namespaces."""
        return processes.run((*self._inside(), *argv), self._controller.environment())

    def _inside(self) -> tuple[str, ...]:
        (first,) = _children(self._holder.pid)
        return ("nsenter", "--target", str(first), "--pid", "--mount", "--net")

    def _is_apart(self) -> bool:
        children = _children(self._holder.pid)
        return bool(children) and _command(children[0]) == "sleep"

    def _end(self, number: int, names: tuple[str, ...]) -> None:
        """nsenter passes no signal on."""
        ending = [self._running.pop(name) for name in names]
        for process in ending:
            _signal(process, number)
        for process in ending:
            if not processes.ended(process, 30):
                _signal(process, signal.SIGKILL)
                process.wait()

    def _groups(self, metadata: str) -> dict[str, dict[str, Any]]:
        address, _, port = metadata.partition(":")
        return {
            "DEFAULT": {
                "host": self._host.name,
                "interface_driver": "vif_agent",
                "state_path": self.directory / "state",
                "enable_isolated_metadata": "true",
                "metadata_proxy_shared_secret": SECRET,
                "nova_metadata_host": address,
                "nova_metadata_port": port or 80,
                "metadata_workers": 0,
            },
            "AGENT": {"root_helper": "env", "report_interval": configuration.REPORT_INTERVAL},
            "oslo_concurrency": {"lock_path": self.directory / "locks"},
        }


def _signal(process: Process, number: int) -> None:
    for pid in _children(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()
