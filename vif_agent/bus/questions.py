"""What operators ask of an agent: the calls of the bus contract, for ``VifAgentAPI``."""

from collections.abc import Sequence
from typing import Any


class PortQuestions:
    """Those of ports."""

    def _call(
        self, context: Any, host: str, name: str, timeout: float | None = None, /, **args: Any
    ) -> Any:
        """The agent's answer to the call ``name``."""
        raise NotImplementedError

    def get_vif(self, context: Any, host: str, port_id: str) -> dict[str, Any] | None:
        """The port as the agent saved it last; None for one that it does not know."""
        return self._call(context, host, "get_vif", port_id=port_id)  # type: ignore[no-any-return]

    def list_vifs(self, context: Any, host: str, unplugged: bool = False) -> list[dict[str, Any]]:
        """All ports of the host; with ``unplugged`` those of the last days too."""
        return self._call(context, host, "list_vifs", unplugged=unplugged)  # type: ignore[no-any-return]

    def repair(self, context: Any, host: str, port_id: str | None = None) -> None:
        """Let the agent look at the port, or at all, at once; returns before that is done."""
        self._call(context, host, "repair", port_id=port_id)

    def forget_vif(self, context: Any, host: str, port_id: str) -> str:
        """Let the next cast for the port count, whatever its generation; what was done, in words.

        Of a port that is unplugged, or unreadable in the store, nothing is remembered any more.
        """
        return self._call(context, host, "forget_vif", port_id=port_id)  # type: ignore[no-any-return]

    def check_vif(self, context: Any, host: str, port_id: str) -> dict[str, Any]:
        """``{"ok": ..., "state": ..., "text": ..., "steps": ...}``: how the host differs."""
        return self._call(context, host, "check_vif", port_id=port_id)  # type: ignore[no-any-return]

    def explain_vif(self, context: Any, host: str, port_id: str) -> dict[str, Any]:
        """What happened to the port, how it is now, whose turn it is: docs/why.md."""
        return self._call(context, host, "explain_vif", port_id=port_id)  # type: ignore[no-any-return]

    def get_events(
        self, context: Any, host: str, since: int | None = None, port_id: str | None = None
    ) -> dict[str, Any]:
        """``{"events", "so_far", "lost"}``: what has happened to ports, or to this, after there
        were ``since`` events; None: only how many there are so far."""
        return self._call(context, host, "get_events", since=since, port_id=port_id)  # type: ignore[no-any-return]


class Questions(PortQuestions):
    """``context`` and ``host`` as in ``VifAgentAPI``; each call waits for its answer."""

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

    def list_orphans(self, context: Any, host: str) -> list[dict[str, Any]]:
        """``{"port_id", "devices", "sightings", "in_use"}`` and more of each."""
        return self._call(context, host, "list_orphans")  # type: ignore[no-any-return]

    def cleanup(self, context: Any, host: str, dry_run: bool = False) -> dict[str, Any]:
        """Remove the orphans that are due now; ``{"text": ..., "steps": ..., "failed": ...}``."""
        return self._call(context, host, "cleanup", dry_run=dry_run)  # type: ignore[no-any-return]

    def get_topology(
        self,
        context: Any,
        host: str,
        *,
        port_id: str | None = None,
        network: str | None = None,
        bridge: str | None = None,
        everything: bool = False,
    ) -> dict[str, Any]:
        """``{"things", "edges", "ports", ...}``: what leads where on the host, whose it is.

        Of one port, of a network (its id, or how it begins), or of what is in a bridge. Many ports
        that are well come as one line of their network, others' things as names, but for
        ``everything``.
        """
        chosen = {"port_id": port_id, "network": network, "bridge": bridge}
        arguments = {**chosen, "everything": everything}
        return self._call(context, host, "get_topology", **arguments)  # type: ignore[no-any-return]

    def get_firewall(self, context: Any, host: str) -> dict[str, Any]:
        """``{"guards", "drops"}``, as ``vif-agentctl firewall`` shows them."""
        return self._call(context, host, "get_firewall")  # type: ignore[no-any-return]

    def get_identity(self, context: Any, host: str) -> dict[str, Any]:
        """``{"host", "version"}``: is the agent there at all?"""
        return self._call(context, host, "get_identity")  # type: ignore[no-any-return]

    def get_status(self, context: Any, host: str) -> dict[str, Any]:
        """The agent's own state, as ``vif-agentctl status`` shows it."""
        return self._call(context, host, "get_status")  # type: ignore[no-any-return]

    def get_health(self, context: Any, host: str) -> dict[str, Any]:
        """How the agent is: ``{"state", "why", "parts"}``; also one that hangs answers."""
        return self._call(context, host, "get_health")  # type: ignore[no-any-return]

    def list_plugins(self, context: Any, host: str) -> list[dict[str, Any]]:
        """Which plugin plugs which vif_type on that host."""
        return self._call(context, host, "list_plugins")  # type: ignore[no-any-return]

    def list_firewall_drivers(self, context: Any, host: str) -> list[dict[str, Any]]:
        """``{"driver", "package", "contract", "used", "deprecated", "error"}`` of each that is
        installed there."""
        return self._call(context, host, "list_firewall_drivers")  # type: ignore[no-any-return]
