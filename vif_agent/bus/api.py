"""The sender's client: what nova-compute, or anything else, uses to reach an agent.

A conventional ``rpcapi``. It changes no option of the caller's configuration.
"""

import time
from collections.abc import Sequence
from typing import Any

import oslo_messaging

from vif_agent import bus
from vif_agent.bus import transport as ours
from vif_agent.errors import StaleGeneration
from vif_agent.store import PENDING, READY, RETRYING, UNPLUGGED

_REPLY_SECONDS = 10


class PlugFailed(Exception):
    """The agent's own error: ``code`` and ``message`` as in its notification."""

    def __init__(self, port_id: str, code: str, message: str) -> None:
        super().__init__(f"port {port_id}: {message} ({code})")
        self.port_id = port_id
        self.code = code


class NoAnswer(Exception):
    """The agent has not answered in time; the cast may still be carried out."""


class VifAgentAPI:
    """``context`` is a RequestContext or a dict, ``host`` the agent's ``[DEFAULT] host``.

    ``conf`` must be oslo.config's global CONF: oslo.messaging 18 reads some options nowhere else.
    ``timeout``: seconds for the answer to a call. ``must_reach``: a call to a host whose agent has
    never joined the bus is told at once, by oslo_messaging.MessageUndeliverable.
    """

    def __init__(
        self,
        conf: Any = None,
        transport: Any = None,
        *,
        timeout: float = _REPLY_SECONDS,
        must_reach: bool = False,
    ) -> None:
        messaging = transport or oslo_messaging.get_rpc_transport(conf)
        self._casts = oslo_messaging.get_rpc_client(messaging, ours.target(bus.CAST_TOPIC))
        self._calls = oslo_messaging.get_rpc_client(messaging, ours.target(bus.ADMIN_TOPIC))
        options = oslo_messaging.TransportOptions(at_least_once=must_reach)
        self._how = {"timeout": timeout, "transport_options": options}

    def plug_vif(
        self,
        context: Any,
        host: str,
        instance: Any,
        vif: Any,
        *,
        wait: float | None = None,
        generation: int | None = None,
    ) -> dict[str, Any] | None:
        """Cast; with ``wait`` (seconds) also wait for the port to be ready, and return it.

        Raises PlugFailed when the agent refuses or cannot, NoAnswer when time runs out.
        ``generation`` defaults to the clock, in nanoseconds: a later wish has a greater one.
        """
        return self._send("plug_vif", context, host, instance, vif, wait, generation)

    def unplug_vif(
        self,
        context: Any,
        host: str,
        instance: Any,
        vif: Any,
        *,
        wait: float | None = None,
        generation: int | None = None,
    ) -> dict[str, Any] | None:
        """As ``plug_vif``; settled when nothing of the port is left on the host."""
        return self._send("unplug_vif", context, host, instance, vif, wait, generation)

    def sync_vifs(
        self,
        context: Any,
        host: str,
        vifs: Sequence[Any],
        *,
        complete: bool = False,
        generation: int | None = None,
    ) -> None:
        """Cast the ports of this host: each is plugged, if it is not.

        An item is a VIF or ``{"instance": ..., "vif": ...}``. With ``complete`` these are all the
        ports of the host: others that the agent has plugged are unplugged. Take ``generation``
        (``time.time_ns()``) before the list is read: what is plugged after that is newer than the
        list and stays. An empty list unplugs nothing until it is said again, an interval later.
        """
        generation = time.time_ns() if generation is None else generation
        arguments = {"vifs": list(vifs), "complete": complete, "generation": generation}
        self._casts.prepare(server=host).cast(context, "sync_vifs", **arguments)

    def get_vif(self, context: Any, host: str, port_id: str) -> dict[str, Any] | None:
        return self._call(context, host, "get_vif", port_id=port_id)  # type: ignore[no-any-return]

    def list_vifs(self, context: Any, host: str, unplugged: bool = False) -> list[dict[str, Any]]:
        return self._call(context, host, "list_vifs", unplugged=unplugged)  # type: ignore[no-any-return]

    def wait_vif(
        self, context: Any, host: str, port_id: str, generation: int | None, timeout: float
    ) -> dict[str, Any]:
        call = self._calls.prepare(server=host, timeout=timeout + _REPLY_SECONDS)
        return call.call(  # type: ignore[no-any-return]
            context, "wait_vif", port_id=port_id, generation=generation, timeout=timeout
        )

    def plan(
        self,
        context: Any,
        host: str,
        cast: str,
        instance: Any = None,
        vif: Any = None,
        *,
        vifs: Sequence[Any] | None = None,
        complete: bool = False,
    ) -> dict[str, Any]:
        """What the agent would do now for ``cast``; nothing is done.

        ``plug_vif`` and ``unplug_vif`` go with ``instance`` and ``vif``, ``sync_vifs`` with
        ``vifs`` and ``complete``, ``cleanup`` with nothing.
        """
        if cast == "sync_vifs":
            arguments = {"vifs": vifs, "complete": complete}
        else:
            arguments = {"instance": instance, "vif": vif}
        return self._call(context, host, "plan", cast=cast, **arguments)  # type: ignore[no-any-return]

    def repair(self, context: Any, host: str, port_id: str | None = None) -> None:
        self._call(context, host, "repair", port_id=port_id)

    def check_vif(self, context: Any, host: str, port_id: str) -> dict[str, Any]:
        """``{"ok": ..., "state": ..., "text": ..., "steps": ...}``: how the host differs."""
        return self._call(context, host, "check_vif", port_id=port_id)  # type: ignore[no-any-return]

    def list_orphans(self, context: Any, host: str) -> list[dict[str, Any]]:
        return self._call(context, host, "list_orphans")  # type: ignore[no-any-return]

    def cleanup(self, context: Any, host: str, dry_run: bool = False) -> dict[str, Any]:
        """Remove the orphans that are due now; ``{"text": ..., "steps": ..., "failed": ...}``."""
        return self._call(context, host, "cleanup", dry_run=dry_run)  # type: ignore[no-any-return]

    def get_status(self, context: Any, host: str) -> dict[str, Any]:
        return self._call(context, host, "get_status")  # type: ignore[no-any-return]

    def list_plugins(self, context: Any, host: str) -> list[dict[str, Any]]:
        return self._call(context, host, "list_plugins")  # type: ignore[no-any-return]

    def _send(
        self,
        method: str,
        context: Any,
        host: str,
        instance: Any,
        vif: Any,
        wait: float | None,
        generation: int | None,
    ) -> dict[str, Any] | None:
        generation = time.time_ns() if generation is None else generation
        cast = self._casts.prepare(server=host)
        cast.cast(context, method, instance=instance, vif=vif, generation=generation)
        if wait is None:
            return None
        aim = READY if method == "plug_vif" else UNPLUGGED
        return self._settled(context, host, vif["id"], generation, wait, aim)

    def _settled(
        self, context: Any, host: str, port_id: str, generation: int, wait: float, aim: str
    ) -> dict[str, Any]:
        try:
            view = self.wait_vif(context, host, port_id, generation, wait)
        except oslo_messaging.MessagingTimeout:
            raise NoAnswer(f"vif-agent on {host} has not answered for {wait} s") from None
        if view["state"] == aim:
            return view
        if view["state"] in (READY, UNPLUGGED):
            newer = f"generation {view['generation']} has overtaken this one, {generation}"
            raise PlugFailed(port_id, StaleGeneration.code, newer)
        error = view.get("error")
        if error and view["state"] != PENDING and not error["transient"]:
            raise PlugFailed(port_id, error["code"], error["message"])
        why = f": {error['message']}" if error and view["state"] == RETRYING else ""
        raise NoAnswer(f"vif-agent on {host} has not done port {port_id} in {wait} s{why}")

    def _call(self, context: Any, host: str, name: str, /, **arguments: Any) -> Any:
        return self._calls.prepare(server=host, **self._how).call(context, name, **arguments)
