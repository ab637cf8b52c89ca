"""What is there when the curtain rises: a broker, two hosts and two networks between them."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from demo.guests.guest import Guest
from demo.guests.host import TRUNK, Host
from demo.guests.prober import Prober
from demo.guests.vifs import nics
from vif_agent.bus.api import VifAgentAPI
from vif_agent.testing.daemon import transport
from vif_agent.testing.neutron.wires import CONTROL, Wires, ip
from vif_agent.testing.rabbit import PrivateRabbit

PATIENCE = 240.0  # seconds; guests are emulated, and others may have the CPUs


@dataclass
class Stage:
    directory: Path
    agents: VifAgentAPI
    hosts: list[Host]
    prober: Prober

    def guests(self, kinds: Callable[[str], bool] = lambda _: True) -> list[Guest]:
        """One with one CPU, hence queue, and one with two."""
        return [
            Guest(number, [nic for nic in nics(number, number) if kinds(nic.kind.name)],
                  self.directory / f"guest-{number}.console")
            for number in (1, 2)
        ]  # fmt: skip


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    with contextlib.ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="vif-agent-guests-"))
        stack.callback(_remove, directory)
        directory.chmod(0o711)
        wires = stack.enter_context(Wires())
        ip("link", "add", TRUNK, "up", "type", "bridge", "mcast_snooping", "0")
        (directory / "rabbit").mkdir(0o711)
        rabbit = stack.enter_context(PrivateRabbit(directory / "rabbit", address=CONTROL))
        messaging = transport(rabbit.url)
        stack.callback(messaging.cleanup)
        agents = VifAgentAPI(transport=messaging, timeout=10)
        hosts = [
            stack.enter_context(Host(name, wires, rabbit.url, agents))
            for name in ("compute-1", "compute-2")
        ]
        yield Stage(directory, agents, hosts, stack.enter_context(Prober()))


def _remove(directory: Path) -> None:
    if not os.environ.get("VIF_AGENT_KEEP"):
        shutil.rmtree(directory, ignore_errors=True)


def wait(condition: Callable[[], bool], what: str, timeout: float = PATIENCE) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {timeout:.0f} s")
        time.sleep(0.05)
