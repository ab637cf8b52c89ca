"""A stand-in of Neutron's RPC server: what it answers to an L2 agent, and no database.

As neutron/db/agents_db.py, neutron/plugins/ml2/rpc.py and type_tunnel.py of 26 to 29. The real one
is in ``scripts/test-neutron``.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

import oslo_messaging

from vif_agent.testing.daemon import transport

ACTIVE, DOWN = "ACTIVE", "DOWN"
_TUNNELS = "q-agent-notifier-tunnel"
_NAIVE = "%Y-%m-%dT%H:%M:%S.%f"


@dataclasses.dataclass
class Database:
    """What outlives a server: ``agents`` by host, as last reported; ``ports``: by id, how they are;
    ``ends``: of tunnels, by address."""

    agents: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    ports: dict[str, str] = dataclasses.field(default_factory=dict)
    ends: dict[str, str] = dataclasses.field(default_factory=dict)


class _Reports:
    target = oslo_messaging.Target(version="1.4")

    def __init__(self, server: NeutronServer) -> None:
        self._server = server

    def report_state(self, context: Any, **kwargs: Any) -> str | None:
        server = self._server
        state = kwargs["agent_state"]["agent_state"]
        time.strptime(kwargs["time"], _NAIVE)
        assert context["is_admin"] is True
        assert state.keys() >= {"agent_type", "binary", "host", "topic", "configurations"}
        server.reports.append(state)
        known = server.database.agents.get(state["host"])
        server.database.agents[state["host"]] = state
        status: str | None = server.answer("report_state", "alive" if known else "new")
        return status


class _Plugin:
    target = oslo_messaging.Target(version="1.9")

    def __init__(self, server: NeutronServer) -> None:
        self._server = server

    def update_device_list(self, context: Any, **kwargs: Any) -> Any:
        assert context["is_admin"] is True
        assert kwargs["agent_id"] == f"vif-agent-{kwargs['host']}"
        up, down = kwargs["devices_up"], kwargs["devices_down"]
        self._server.calls.append((up, down))
        bad = self._server.failing
        ports = {**dict.fromkeys(up, ACTIVE), **dict.fromkeys(down, DOWN)}
        self._server.database.ports |= {i: s for i, s in ports.items() if i not in bad}
        return self._server.answer("update_device_list", {
            "devices_up": [i for i in up if i not in bad],
            "failed_devices_up": [i for i in up if i in bad],
            "devices_down": [{"device": i, "exists": True} for i in down if i not in bad],
            "failed_devices_down": [i for i in down if i in bad],
        })  # fmt: skip

    def tunnel_sync(self, context: Any, **kwargs: Any) -> Any:
        server, ip, host = self._server, kwargs["tunnel_ip"], kwargs["host"]
        assert kwargs["tunnel_type"] == "vxlan"
        ends = server.database.ends
        for old in [each for each, whose in ends.items() if whose == host and each != ip]:
            server.tunnel_delete(old)
            del ends[old]
        ends[ip] = host
        server.syncs.append(ip)
        server.tunnel_update(ip)
        tunnels = [{"ip_address": i, "udp_port": 4789, "host": h} for i, h in ends.items()]
        return server.answer("tunnel_sync", {"tunnels": tunnels})


class NeutronServer:
    """``reports``, ``calls`` and ``syncs``: as they came. ``failing``: devices with which it fails.
    ``answers``: in place of its own, by method; an exception is raised, a function called."""

    def __init__(self, url: str, database: Database | None = None) -> None:
        self.database = database or Database()
        self.reports: list[dict[str, Any]] = []
        self.calls: list[tuple[list[str], list[str]]] = []
        self.syncs: list[str] = []
        self.failing: set[str] = set()
        self.answers: dict[str, Any] = {}
        self._transport = transport(url)
        self._lock = threading.Lock()
        self._servers = [
            oslo_messaging.get_rpc_server(
                self._transport,
                oslo_messaging.Target(exchange="neutron", topic=topic, server="controller"),
                [endpoint],
            )
            for topic, endpoint in (
                ("q-reports-plugin", _Reports(self)), ("q-plugin", _Plugin(self)),
            )
        ]  # fmt: skip

    def __enter__(self) -> Self:
        for server in self._servers:
            server.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.stop()
            server.wait()
        self._transport.cleanup()

    def answer(self, method: str, own: Any) -> Any:
        other = self.answers.get(method, own)
        if isinstance(other, Exception):
            raise other
        return other(own) if callable(other) else other

    def tunnel_update(self, ip: str) -> None:
        self.tell_all(f"{_TUNNELS}-update", "tunnel_update", tunnel_ip=ip, tunnel_type="vxlan")

    def tunnel_delete(self, ip: str) -> None:
        self.tell_all(f"{_TUNNELS}-delete", "tunnel_delete", tunnel_ip=ip, tunnel_type="vxlan")

    def binding_activate(self, port_id: str, host: str) -> None:
        topic = "q-agent-notifier-port_binding-activate"
        self.tell_all(topic, "binding_activate", port_id=port_id, host=host)

    def tell_all(self, topic: str, method: str, **arguments: Any) -> None:
        target = oslo_messaging.Target(topic=topic, version="1.0", fanout=True)
        client = oslo_messaging.get_rpc_client(self._transport, target)
        client.cast({"is_admin": True}, method, **arguments)

    def configurations(self, host: str) -> Mapping[str, Any]:
        agent = self.database.agents.get(host)
        return agent["configurations"] if agent else {}


Answer = Callable[[Any], Any]
