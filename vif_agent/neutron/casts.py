"""Casts to agents over Neutron's own bus. Nothing escapes from here.

ML2 deletes a new port when a driver fails after the commit, and a report of an agent is not to
fail either. A cast that is lost is made up for when the agent reports next: it then wishes
something else for its ports than Neutron does (``vif_agent.wishes``).
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from neutron_lib import rpc
from oslo_log import log

from vif_agent import wishes
from vif_agent.bus.api import NoAnswer, VifAgentAPI

LOG = log.getLogger(__name__)


def generation() -> int:
    """To be taken before the database is read: what is read afterwards is newer."""
    return time.time_ns()


class Casts:
    """One for the process; may be used from any thread.

    The bus is joined at the first cast, so in the process that casts: Neutron's servers fork
    their workers after drivers are loaded. ``timeout``: seconds for a broker that takes nothing.
    ``bus``: answers the transport, once it is wanted.
    """

    def __init__(self, timeout: float, bus: Callable[[], Any] = lambda: rpc.TRANSPORT) -> None:
        self._timeout = timeout
        self._bus = bus
        self._lock = threading.Lock()
        self._api: VifAgentAPI | None = None

    def plug(self, context: Any, host: str, item: Any, generation: int) -> None:
        """``item``: {"instance", "vif"}."""
        self._cast("plug_vif", context, host, item["instance"], item["vif"], generation=generation)

    def unplug(self, context: Any, host: str, port_id: str, generation: int) -> None:
        """Of a port that Neutron's driver has plugged there."""
        vif = wishes.signed({"id": port_id}, wishes.NEUTRON)
        self._cast("unplug_vif", context, host, {}, vif, generation=generation)

    def some(self, context: Any, host: str, items: Sequence[Any], generation: int) -> None:
        """Each of these is to be plugged so."""
        self._cast("sync_vifs", context, host, items, generation=generation)

    def all(
        self, context: Any, host: str, items: Sequence[Any], generation: int, whole: bool
    ) -> None:
        """These, and if that is the ``whole`` no other of Neutron's, are to be plugged."""
        limits = {"complete": whole, "sender": wishes.NEUTRON}
        self._cast("sync_vifs", context, host, items, generation=generation, **limits)

    def _cast(self, name: str, context: Any, host: str, /, *args: Any, **more: Any) -> None:
        try:
            getattr(self._client(), name)(_ids(context), host, *args, **more)
        except NoAnswer as error:
            LOG.warning("%s is not cast; it will be when the agent reports: %s", name, error)
        except Exception:
            LOG.exception("%s to vif-agent on %s", name, host)

    def _client(self) -> VifAgentAPI:
        with self._lock:
            if self._api is None:
                self._api = VifAgentAPI(transport=self._bus(), timeout=self._timeout)
            return self._api


def _ids(context: Any) -> dict[str, Any]:
    """Those that tie Neutron's log to the agent's; never the user's token."""
    return {n: getattr(context, n, None) for n in ("request_id", "global_request_id")}
