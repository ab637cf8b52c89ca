"""Casts to this host's agent, over nova's own bus."""

import threading
from typing import Any

from oslo_context import context

from vif_agent.bus import connections, urls
from vif_agent.bus.api import VifAgentAPI
from vif_agent.nova.options import GROUP


class Sender:
    """One for the process; may be used from any thread.

    The connection is made at the first plug, so that nova-compute can start without a broker, and
    so that under eventlet all is patched by then.
    """

    def __init__(self, conf: Any) -> None:
        self._conf = conf
        self._lock = threading.Lock()
        self._api: VifAgentAPI | None = None

    def plug(self, instance: dict[str, Any], vif: dict[str, Any]) -> None:
        """Raises PlugFailed or NoAnswer."""
        self._client().plug_vif(_context(), self._conf.host, instance, vif, wait=self._wait())

    def unplug(self, instance: dict[str, Any], vif: dict[str, Any]) -> None:
        """As ``plug``."""
        self._client().unplug_vif(_context(), self._conf.host, instance, vif, wait=self._wait())

    def _wait(self) -> float | None:
        return self._conf[GROUP].wait or None

    def _client(self) -> VifAgentAPI:
        with self._lock:
            if self._api is None:
                url = self._conf[GROUP].transport_url
                if url:
                    urls.check(f"[{GROUP}] transport_url", url)
                self._api = VifAgentAPI(transport=connections.rpc(self._conf, url))
            return self._api


def _context() -> dict[str, Any]:
    """The ids that tie nova's log to the agent's; never the user's token."""
    current = context.get_current()
    names = ("request_id", "global_request_id")
    return {name: getattr(current, name, None) for name in names} if current else {}
