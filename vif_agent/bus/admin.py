"""The operators' calls (topic ``vif_agent_admin``): see, wait, dry run, repair, clean up."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import oslo_messaging

from vif_agent import bus
from vif_agent.bus import transport
from vif_agent.bus.report import Report
from vif_agent.bus.views import port as port_view
from vif_agent.errors import VifAgentError
from vif_agent.store import UNPLUGGED, Store

_LONGEST_WAIT = 600

_Call = TypeVar("_Call", bound=Callable[..., Any])


def _told(call: _Call) -> _Call:
    """What is wrong with the host is the caller's to know, and no traceback in our log."""
    told: _Call = oslo_messaging.expected_exceptions(VifAgentError)(call)
    return told


class Asked(Protocol):
    """Who answers what is not in the store: ``vif_agent.operations``."""

    def plan(self, message: dict[str, Any]) -> dict[str, Any]: ...
    def check(self, port_id: str) -> dict[str, Any]: ...
    def orphans(self) -> list[dict[str, Any]]: ...
    def cleanup(self, dry_run: bool) -> dict[str, Any]: ...
    def status(self) -> dict[str, Any]: ...
    def plugins(self) -> list[dict[str, Any]]: ...


class Calls:
    """Every public method is a call of the bus's version 1.0."""

    target = oslo_messaging.Target(version=bus.VERSION)

    def __init__(
        self,
        asked: Asked,
        repair: Callable[[str | None], None],
        store: Store,
        report: Report,
    ) -> None:
        self._asked = asked
        self._repair = repair
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

    @_told
    def plan(
        self,
        ctxt: Any,
        cast: str,
        vif: Any = None,
        instance: Any = None,
        vifs: Any = None,
        complete: bool = False,
    ) -> dict[str, Any]:
        """What this cast (or "cleanup") would do now: the steps as text and as values."""
        args = {"instance": instance, "vif": vif}
        if cast == "sync_vifs":
            args = {"vifs": vifs, "complete": complete}
        return self._asked.plan({"method": cast, "args": args})

    def repair(self, ctxt: Any, port_id: str | None = None) -> None:
        self._repair(port_id)

    @_told
    def check_vif(self, ctxt: Any, port_id: str) -> dict[str, Any]:
        return self._asked.check(port_id)

    def list_orphans(self, ctxt: Any) -> list[dict[str, Any]]:
        return self._asked.orphans()

    @_told
    def cleanup(self, ctxt: Any, dry_run: bool = False) -> dict[str, Any]:
        return self._asked.cleanup(dry_run)

    def get_status(self, ctxt: Any) -> dict[str, Any]:
        return {**self._asked.status(), "told": dict(self._report.counts)}

    def list_plugins(self, ctxt: Any) -> list[dict[str, Any]]:
        return self._asked.plugins()


def server(messaging: Any, host: str, calls: Calls) -> Any:
    """oslo.messaging's own pool makes a thread for each call, up to its bound, and keeps them."""
    target = transport.target(bus.ADMIN_TOPIC, host)
    made = oslo_messaging.get_rpc_server(messaging, target, [calls])
    if made.executor_type == "threading":
        made._executor_cls = ThreadPoolExecutor  # takes an idle thread first
    return made
