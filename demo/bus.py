"""The agent on its bus, in-process or RabbitMQ, behind one small sender."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Client
from typing import Any

import oslo_messaging

from demo import tool
from demo.host import NIC
from demo.ports import INSTANCE, Port
from vif_agent.bus.api import VifAgentAPI
from vif_agent.testing import daemon
from vif_agent.testing.daemon import Daemon
from vif_agent.testing.frames import EXPERIMENTAL
from vif_agent.testing.host import ScratchHost
from vif_agent.topology.graph import Graph

Call = Callable[..., Any]
View = dict[str, Any]

METRICS = "127.0.0.1:9479"  # of the scratch host's own network namespace
_OPTIONS = {
    "bridge": {"create_tap": "true"},  # else the tap of a bridge's port is libvirt's
    "network": {"interfaces": NIC},  # the payloads name it themselves
    "metrics": {"listen": METRICS},
    "firewall": {"permitted_ethertypes": hex(EXPERIMENTAL)},  # what the demo's guests send
}


class Sender:
    """What nova-compute does, and what an operator asks. ``call``: see the two ways below."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def plug(self, ports: Sequence[Port]) -> int:
        return self._cast("plug_vif", ports)

    def unplug(self, ports: Sequence[Port]) -> int:
        return self._cast("unplug_vif", ports)

    def _cast(self, method: str, ports: Sequence[Port]) -> int:
        """Answers the generation of these requests."""
        generation = time.time_ns()
        for port in ports:
            self._call(method, instance=INSTANCE, vif=port.vif, generation=generation)
        return generation

    def settled(self, port: Port, generation: int, timeout: float) -> View:
        """The port once it is ready, unplugged or refused; when time is over as it is."""
        view: View = self._call("wait_vif", port_id=port.id, generation=generation, timeout=timeout)
        return view

    def ports(self) -> list[View]:
        views: list[View] = self._call("list_vifs")
        return views

    def topology(self) -> Graph:
        return Graph.from_dict(self._call("get_topology"))

    def why(self, port: Port) -> View:
        answer: View = self._call("explain_vif", port_id=port.id)
        return answer

    def plugins(self) -> set[str]:
        return {p["vif_type"] for p in self._call("list_plugins") if not p["error"]}


@contextlib.contextmanager
def _running(agent: Daemon) -> Iterator[Daemon]:
    """Somebody must read what the agent tells systemd: when the socket is full, the agent waits."""
    with agent:
        threading.Thread(target=_read_notices, args=(agent,), daemon=True).start()
        yield agent


def _read_notices(agent: Daemon) -> None:
    with contextlib.suppress(TimeoutError):
        agent.wait_for_notice("STOPPING=1", timeout=600)


@contextlib.contextmanager
def memory(host: ScratchHost) -> Iterator[tuple[Sender, Daemon]]:
    """kombu+memory:// lives within one process: the sender goes into the agent's."""
    path = str(host.directory / "demo.sock")
    argv = (sys.executable, "-m", "demo.inprocess", path)
    with _running(Daemon(host, "kombu+memory://", _OPTIONS, argv)) as agent, Client(path) as orders:

        def call(method: str, **arguments: object) -> Any:
            try:
                orders.send((method, arguments))
                answer, error = orders.recv()
            except (EOFError, OSError):
                raise RuntimeError("the agent has ended") from None
            if error:
                raise RuntimeError(error)
            return answer

        yield Sender(call), agent


@contextlib.contextmanager
def rabbit(host: ScratchHost) -> Iterator[tuple[Sender, Daemon]]:
    assert host.rabbit
    tool.quiet_libraries()
    with _running(Daemon(host, host.rabbit.url, _OPTIONS)) as agent:
        transport = daemon.transport(host.rabbit.url)
        api = VifAgentAPI(transport=transport)

        def call(method: str, **arguments: object) -> Any:
            try:
                return getattr(api, method)({}, daemon.HOST, **arguments)
            except oslo_messaging.MessagingTimeout:
                raise RuntimeError(f"the agent has not answered {method}") from None

        try:
            yield Sender(call), agent
        finally:
            transport.cleanup()


WAYS = {"memory": memory, "rabbit": rabbit}
