"""A broker, so many agents, and what senders and operators use of them."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import kombu
from oslo_config import cfg

from fleet import noted
from fleet.agents import Agents
from fleet.host import ages_file
from fleet.senders import Senders
from fleet.wishes import Wishes
from tests.support.neutron_server import NeutronServer
from vif_agent import bus
from vif_agent.bus.api import VifAgentAPI
from vif_agent.testing import processes
from vif_agent.testing.daemon import transport
from vif_agent.testing.rabbit import PrivateRabbit

SENDERS = 8
_DESCRIPTORS = 20_000  # of the broker: four for each agent, and its files
_CONFIG = """\
[DEFAULT]
host = {host}
transport_url = {url}
state_path = {state}
[oslo_messaging_rabbit]
{queues} = true
{pauses}
[bridge]
create_tap = {create_tap}
wire_taps = {neutron}
[firewall]
driver = noop
[neutron]
enabled = {neutron}
"""
#: oslo.messaging's own defaults
_IN_STEP = "kombu_reconnect_delay = 1\nrabbit_retry_backoff = 2"
QUEUES = {"classic": "amqp_durable_queues", "quorum": "rabbit_quorum_queue"}


@dataclass(frozen=True)
class Choice:
    """``broker``: rabbitmq.conf's; see ``fleet.__main__`` for all else."""

    hosts: int
    seed: int
    queues: str
    neutron: bool
    in_step: bool
    broker: Mapping[str, str]


class Region:
    """All that it leaves is removed at its end."""

    def __init__(self, choice: Choice) -> None:
        self.hosts = [f"host-{number:03}" for number in range(choice.hosts)]
        self._choice = choice
        self.wishes = Wishes(self.hosts, choice.seed)

    def __enter__(self) -> Self:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(_DESCRIPTORS, hard), hard))
        with contextlib.ExitStack() as stack:
            self.directory = Path(tempfile.mkdtemp(prefix="vif-agent-fleet-"))
            stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            _like_ethernet()
            broker = self.directory / "rabbit"
            broker.mkdir()
            self.rabbit = PrivateRabbit(broker, settings=self._choice.broker)
            stack.callback(self.rabbit.stop)
            self.rabbit.start()
            self._transport = self._client(self.directory)
            stack.callback(self._transport.cleanup)
            self.senders = Senders(self._transport, SENDERS)
            self.api = VifAgentAPI(transport=self._transport, timeout=60)
            if self._choice.neutron:
                self.neutron = stack.enter_context(NeutronServer(self.rabbit.url))
            self.heard = stack.enter_context(Heard(self.rabbit.url))
            configs = {host: self._configure(host) for host in self.hosts}
            self.agents = stack.enter_context(Agents(self.directory, configs))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def stored(self) -> int:
        """Casts that are on their hosts' disks."""
        sizes = (_size(ages_file(self.state(host))) for host in self.hosts)
        return sum(size // noted.RECORD.size for size in sizes)

    def ages(self, begin: float, end: float) -> list[float]:
        """Seconds from cast to disk, of what was on disk in this time (time.time)."""
        return sorted(
            (stored - cast) / 1e9
            for host in self.hosts
            for stored, cast in noted.read(ages_file(self.state(host)))
            if begin <= stored / 1e9 <= end
        )

    def state(self, host: str) -> Path:
        return self.directory / host / "state"

    def queues_without(self) -> list[str]:
        """Queues of the agents that nobody consumes now; OSError if the broker is away."""
        with kombu.Connection(_amqp(self.rabbit.url)) as connection:  # type: ignore[no-untyped-call]
            channel = connection.channel()
            return [
                name
                for host in self.hosts
                for name in (f"{bus.CAST_TOPIC}.{host}", f"{bus.ADMIN_TOPIC}.{host}")
                if not channel.queue_declare(queue=name, passive=True).consumer_count
            ]

    def _client(self, directory: Path) -> Any:
        """The senders' side has the agents' options, for the exchange is declared by both."""
        file = directory / "sender.conf"
        file.write_text(f"[oslo_messaging_rabbit]\n{QUEUES[self._choice.queues]} = true\n")
        cfg.CONF(["--config-file", str(file)], project="fleet")
        return transport(self.rabbit.url)

    def _configure(self, host: str) -> Path:
        state = self.state(host)
        state.mkdir(parents=True)
        file, choice = state.parent / "vif-agent.conf", self._choice
        file.write_text(_CONFIG.format(
            host=host, url=self.rabbit.url, state=state, queues=QUEUES[choice.queues],
            neutron=str(choice.neutron).lower(), create_tap=str(not choice.neutron).lower(),
            pauses=_IN_STEP if choice.in_step else "",
        ))  # fmt: skip
        return file


class Heard:
    """Counts the notifications of all agents, and reads none of them."""

    def __init__(self, url: str) -> None:
        self._url = _amqp(url)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.count = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._ending.is_set():
            with contextlib.suppress(Exception):  # not declared yet, or the broker is away
                self._listen()
            self._ending.wait(1)

    def _listen(self) -> None:
        names = [f"{bus.NOTIFICATION_TOPIC}.{priority}" for priority in ("info", "error")]
        with kombu.Connection(self._url) as connection:  # type: ignore[no-untyped-call]
            channel = connection.channel()
            for name in names:
                channel.basic_consume(queue=name, no_ack=True, callback=self._count)
            while not self._ending.is_set():
                with contextlib.suppress(TimeoutError):
                    connection.drain_events(timeout=1)

    def _count(self, _message: object) -> None:
        self.count += 1


def _like_ethernet() -> None:
    """The broker gives each connection a buffer as large as its socket's, and Linux makes that by
    the MTU: 2.6 MB on a loopback as it is."""
    processes.run(("ip", "link", "set", "lo", "mtu", "1500"), os.environ)


def wait_until(done: Any, what: str, seconds: float, pause: float = 0.2) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not {what} in {seconds:g} s")
        time.sleep(pause)


def batches(hosts: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(hosts), size):
        yield hosts[start : start + size]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _amqp(url: str) -> str:
    return url.replace("rabbit://", "amqp://")
