"""The cluster itself: nodes with TLS, joined, and a user for each host as docs/security.md says."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cluster.network import Host, hosts
from tests.support.broker_users import PASSWORD, VHOST, commands
from tests.support.certificates import Authority
from vif_agent.testing import processes
from vif_agent.testing.rabbit import PrivateRabbit

TLS_PORT = 5671
_PLAIN_PORT, _EPMD_PORT, _NODES_PORT = 5672, 4369, 25672
#: seconds until silence between nodes counts as a partition; RabbitMQ's own: 60
TICK = 20
_ERLANG = f"+S 1:1 -kernel net_ticktime {TICK}"
_LIMIT, _PATIENCE = 900.0, 90.0  # a machine may be busy
_SETTINGS: Mapping[str, object] = {"cluster_partition_handling": "pause_minority"}


class Node(PrivateRabbit):
    """On a host of its own: ports are the usual ones, and epmd is its alone."""

    def __init__(self, directory: Path, host: Host, settings: Mapping[str, object]) -> None:
        super().__init__(directory, _PLAIN_PORT, settings, address=host.address)
        self.host = host
        self.node = f"rabbit@{host.name}"
        self._epmd_port, self._node_port = _EPMD_PORT, _NODES_PORT
        self._env = self._environment()

    def _environment(self) -> dict[str, str]:
        made = super()._environment()
        del made["ERL_EPMD_ADDRESS"]
        arguments = ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "RABBITMQ_CTL_ERL_ARGS")
        return {**made, **dict.fromkeys(arguments, _ERLANG)}

    def launch(self) -> None:
        """See PrivateRabbit."""
        with self.host.space.entered():
            super().launch()

    def run(self, *words: str, program: str = "rabbitmqctl") -> str:
        """See PrivateRabbit."""
        with self.host.space.entered():
            return super().run(*words, program=program)

    def enter(self, first: Node) -> None:
        """The cluster of another one; once."""
        self.ctl("stop_app")
        self.ctl("join_cluster", first.node)
        self.ctl("start_app")

    def sees(self) -> int:
        """With how many nodes it is one cluster, itself among them. Nodes that have not forgotten
        a partition count as running, and yet do not know each other's queues."""
        status = json.loads(self.ctl("cluster_status", "--formatter", "json"))
        return len({*status["running_nodes"]} - {*status["partitions"].get(self.node, ())})


class Cluster:
    """``authority`` has signed all nodes' certificates, each of its own name alone."""

    def __init__(self, directory: Path, count: int = 3) -> None:
        self.authority = Authority(directory, "broker")
        cookie = os.urandom(16).hex()
        self.nodes = [self._node(directory, host, cookie) for host in hosts(count, directory)]
        self._clients: list[str] = []
        self.started_by_hand = 0

    def _node(self, directory: Path, host: Host, cookie: str) -> Node:
        home = directory / host.name
        home.mkdir()
        key, certificate = self.authority.issue(host.name)
        file = home / ".erlang.cookie"
        file.touch(mode=0o600)
        file.write_text(cookie)
        settings = {
            **_SETTINGS,
            "listeners.ssl.default": f"{host.address}:{TLS_PORT}",
            "ssl_options.cacertfile": self.authority.certificate,
            "ssl_options.certfile": certificate,
            "ssl_options.keyfile": key,
        }
        return Node(home, host, settings)

    def __enter__(self) -> Cluster:
        try:
            self.start()
            for node in self.nodes[1:]:
                node.enter(self.nodes[0])
            self.whole()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """All that do not run, side by side: each may wait for the others."""
        down = [node for node in self.nodes if not processes.alive(node.broker)]
        for node in down:
            node.launch()
        for node in down:
            node.wait_ready(_LIMIT)

    def stop(self) -> None:
        """All of it."""
        for node in self.nodes:
            processes.kill(node.broker)
            node.stop()

    def whole(self) -> None:
        """Wait until each node knows of all others, and all queues are there."""
        until = time.monotonic() + _LIMIT
        for node in self.nodes:
            patience = time.monotonic() + _PATIENCE
            while not self._sees_all(node):
                if time.monotonic() > until:
                    raise TimeoutError(f"{node.node}: the cluster is not whole in {_LIMIT:g} s")
                if time.monotonic() > patience:
                    self._again(node)
                    patience = time.monotonic() + _PATIENCE
                time.sleep(0.5)

    def _again(self, node: Node) -> None:
        """What an operator does about a partition that is over and that the nodes do not forget."""
        self.started_by_hand += 1
        processes.end(node.broker, timeout=60)
        self.start()

    def _sees_all(self, node: Node) -> bool:
        with contextlib.suppress(RuntimeError, OSError, subprocess.TimeoutExpired):
            return node.sees() == len(self.nodes)
        return False

    def others(self, node: Node) -> Sequence[Node]:
        """All but this one."""
        return [each for each in self.nodes if each is not node]

    def add_client(self, host: str) -> None:
        """A user for this host, with the permissions of the document."""
        known = bool(self._clients)
        for command in commands(host, host)[known:]:  # the virtual host is there
            self.nodes[0].ctl(*command)
        self._clients.append(host)

    def url(self, host: str) -> str:
        """Of this host's agent and senders."""
        brokers = ",".join(f"{host}:{PASSWORD}@{node.host.name}:{TLS_PORT}" for node in self.nodes)
        return f"rabbit://{brokers}/{VHOST}"

    def queued(self) -> dict[str, int]:
        """How many casts are in each host's queue."""
        table = self.nodes[0].ctl(
            "-q", "--no-table-headers", "list_queues", "-p", VHOST, "name", "messages"
        )
        rows = (line.split("\t") for line in table.splitlines())
        return {name: int(count or 0) for name, count in rows if name.startswith("vif_agent.")}

    @contextlib.contextmanager
    def policy(self, definition: str) -> Iterator[None]:
        """For all queues of the agents."""
        words = ("-p", VHOST, "--apply-to", "queues", "test", "^vif_agent", definition)
        self.nodes[0].ctl("set_policy", *words)
        try:
            yield
        finally:
            self.nodes[0].ctl("clear_policy", "-p", VHOST, "test")

    def forget_queues(self) -> None:
        """And the exchange, so that they can be declared otherwise."""
        self.nodes[0].ctl("delete_vhost", VHOST)
        clients, self._clients = self._clients, []
        for client in clients:
            self.nodes[0].ctl("delete_user", client)
        for client in clients:
            self.add_client(client)
