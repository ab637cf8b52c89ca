"""The hypervisors: of each an agent that can be killed, and a sender."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cluster.client import Client
from cluster.nodes import Cluster
from vif_agent.testing import processes
from vif_agent.testing.processes import Process

_ROOT = Path(__file__).parent.parent
_SAID = 4000  # characters of a log
_JOIN_SECONDS, _LEAVE_SECONDS, _DRAIN_SECONDS = 600.0, 60.0, 600.0


class Crew:
    """``kind``: options of oslo_messaging_rabbit, which say what their queues are."""

    def __init__(
        self, cluster: Cluster, directory: Path, kind: Mapping[str, str], names: Sequence[str]
    ) -> None:
        self._cluster = cluster
        self.clients = [self._client(directory / name, kind) for name in names]
        self._agents: dict[str, Process] = {}

    def _client(self, directory: Path, kind: Mapping[str, str]) -> Client:
        directory.mkdir(parents=True)
        host = directory.name
        authority = str(self._cluster.authority.certificate)
        return Client(host, self._cluster.url(host), authority, str(directory), dict(kind))

    def start(self) -> None:
        """Returns when all agents have joined the bus."""
        self.launch()
        for client in self.clients:
            joined = Path(client.directory, "joined")
            agent, what = self._agents[client.host], f"the agent of {client.host}"
            try:
                processes.wait_until(joined.exists, what, agent, _JOIN_SECONDS)
            except processes.NotReadyError as error:
                error.add_note(Path(client.directory, "log").read_text()[-_SAID:])
                raise

    def launch(self) -> None:
        """All agents; they may wait for their broker."""
        for client in self.clients:
            Path(client.directory, "joined").unlink(missing_ok=True)
            self._agents[client.host] = _run("cluster.agent", client, str(client.written()))

    def kill(self) -> None:
        """SIGKILL of all agents."""
        for agent in self._agents.values():
            processes.kill(agent)

    def stop(self) -> None:
        """SIGTERM of all agents."""
        for agent in self._agents.values():
            if processes.alive(agent):
                agent.terminate()
        for agent in self._agents.values():
            processes.end(agent, _LEAVE_SECONDS)

    @contextlib.contextmanager
    def storm(self, name: str, count: int, seconds: float) -> Iterator[list[Process]]:
        """``count`` casts of all senders together, within about ``seconds``."""
        share = str(count // len(self.clients))
        senders = [
            _run("cluster.sender", each, str(each.written()), name, share, str(seconds))
            for each in self.clients
        ]
        try:
            yield senders
        finally:
            for sender in senders:
                processes.end(sender)

    def send(self, name: str, count: int) -> None:
        """At once, and to the end."""
        with self.storm(name, count, 0.1) as senders:
            for sender in senders:
                sender.wait(_DRAIN_SECONDS)

    def drained(self) -> None:
        """Wait until no cast waits with the broker: all are stored, or gone."""
        until = time.monotonic() + _DRAIN_SECONDS
        while any(self._cluster.queued().values()):
            if time.monotonic() > until:
                raise TimeoutError(f"casts are left: {self._cluster.queued()}")
            time.sleep(1)

    def log(self) -> str:
        """Of all agents and senders."""
        return "".join(Path(client.directory, "log").read_text() for client in self.clients)


def _run(module: str, client: Client, *words: str) -> Process:
    env = {**os.environ, "PYTHONPATH": str(_ROOT), "PYTHONWARNINGS": "ignore"}
    return processes.start(
        (sys.executable, "-m", module, *words), env, Path(client.directory, "log")
    )


def stored(client: Client) -> set[str]:
    """The ports that are on disk."""
    with contextlib.closing(sqlite3.connect(client.store)) as store:
        return {port_id for (port_id,) in store.execute("SELECT port_id FROM ports")}
