"""The operators' calls (topic ``vif_agent_admin``): see, wait, dry run, repair."""

from typing import Any, Protocol

import oslo_messaging

from vif_agent import bus
from vif_agent.bus import casts, transport
from vif_agent.bus.casts import Refusal
from vif_agent.bus.report import Report
from vif_agent.bus.views import port as port_view
from vif_agent.store import UNPLUGGED, Store

_LONGEST_WAIT = 600


class Agent(Protocol):
    """What the calls need of the agent."""

    def dry_run(self, message: dict[str, Any]) -> dict[str, Any]: ...
    def repair(self, port_id: str | None) -> None: ...
    def status(self) -> dict[str, Any]: ...
    def plugins(self) -> list[dict[str, Any]]: ...


class Calls:
    """Every public method is a call of the bus's version 1.0."""

    target = oslo_messaging.Target(version=bus.VERSION)

    def __init__(self, agent: Agent, store: Store, report: Report) -> None:
        self._agent = agent
        self._store = store
        self._report = report

    def get_vif(self, ctxt: Any, port_id: str) -> dict[str, Any] | None:
        return self._report.get(port_id)

    def list_vifs(self, ctxt: Any, unplugged: bool = False) -> list[dict[str, Any]]:
        ports = self._store.ports().values()
        return [port_view(p) for p in ports if unplugged or p.state != UNPLUGGED]

    def wait_vif(
        self, ctxt: Any, port_id: str, generation: int | None = None, timeout: float = 30
    ) -> dict[str, Any]:
        return self._report.wait(port_id, generation, min(timeout, _LONGEST_WAIT))

    def plan(self, ctxt: Any, cast: str, vif: Any, instance: Any = None) -> dict[str, Any]:
        """What this cast would do now: the steps as text and as values."""
        message = {"method": cast, "args": {"instance": instance, "vif": vif}}
        read = casts.read(ctxt, message)
        if isinstance(read, Refusal):
            return {"text": f"refused: {read.error}", "steps": None}
        return self._agent.dry_run(message)

    def repair(self, ctxt: Any, port_id: str | None = None) -> None:
        self._agent.repair(port_id)

    def get_status(self, ctxt: Any) -> dict[str, Any]:
        return self._agent.status()

    def list_plugins(self, ctxt: Any) -> list[dict[str, Any]]:
        return self._agent.plugins()


def server(messaging: Any, host: str, calls: Calls) -> Any:
    target = transport.target(bus.ADMIN_TOPIC, host)
    return oslo_messaging.get_rpc_server(messaging, target, [calls])
