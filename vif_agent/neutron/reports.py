"""What follows when an agent reports: what was lost is told again, what failed is said.

Neutron hands each report to one worker of all its servers, so nobody else does it at once.
"""

import time
from collections.abc import Mapping, Set
from typing import Any

from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins import directory
from oslo_log import log

from vif_agent import wishes
from vif_agent.neutron import binding, database
from vif_agent.neutron.casts import Casts, generation

LOG = log.getLogger(__name__)

#: so long a difference that a full set has not mended is left alone: the agent refuses a port
_PATIENCE_SECONDS = 300
_REACH = ("network_types", "tunnel_types", "tunneling_ip", "interface_mappings", "bridge_mappings")
_NOTHING = wishes.digest(())
_BEGINS = ("new", "revived")
_TUNNELS = "vxlan"


class Reports:
    """Of all hosts; it remembers only what it has tried in vain."""

    def __init__(self, casts: Casts) -> None:
        self._casts = casts
        self._tried: dict[str, tuple[str, str, float]] = {}
        self._told_again: dict[str, dict[str, float]] = {}

    def subscribe(self) -> None:
        """In each process that loads drivers; the worker that gets a report goes on with it."""
        registry.subscribe(self.reported, resources.AGENT, events.AFTER_CREATE)
        registry.subscribe(self.reported, resources.AGENT, events.AFTER_UPDATE)
        registry.subscribe(self.deleted, resources.AGENT, events.AFTER_DELETE)

    def reported(self, resource: Any, event: Any, trigger: Any, payload: Any) -> None:
        """By an agent, of any kind."""
        state = payload.desired_state
        if state["agent_type"] != binding.AGENT_TYPE:
            return
        context, host = payload.context.elevated(), state["host"]
        configurations = state.get("configurations") or {}
        begins = bool(state.get("agent_status") in _BEGINS or state.get("start_flag"))
        if begins or _reaches_otherwise(payload.states[1], configurations):
            _bind(context, host, [database.UNBOUND, database.FAILED])
        else:
            _bind(context, host, [database.UNBOUND])  # whose server ended while it was at it
        self._compare(context, host, configurations.get("wishes"), begins)
        # beside what the database keeps, which has room for 4095 characters alone
        now, down = generation(), database.not_yet_up(context, host)
        failed = state.get("failed") or configurations.get("failed") or {}
        _fail(context, host, down, failed)
        self._plug_again(context, host, (down & {*state.get("up", ())}) - failed.keys(), now)

    def _compare(self, context: Any, host: str, theirs: str | None, begins: bool) -> None:
        now = generation()
        items, whole = database.all_wanted(context, host)
        ours = wishes.digest(item["vif"] for item in items)
        if begins or (theirs and ours != theirs and not self._in_vain(host, theirs, ours)):
            LOG.info("vif-agent on %s is told all its %d ports", host, len(items))
            self._casts.all(context, host, items, now, whole)

    def _in_vain(self, host: str, theirs: str, ours: str) -> bool:
        """Was just this said before, not long ago? Of a host without ports an agent believes it
        when it is said again, after a while."""
        if ours == _NOTHING:
            return False
        now = time.monotonic()
        *tried, at = self._tried.get(host, ("", "", 0.0))
        if tried == [theirs, ours] and now - at < _PATIENCE_SECONDS:
            return True
        self._tried[host] = theirs, ours, now
        return False

    def _plug_again(self, context: Any, host: str, ports: Set[str], now: int) -> None:
        """Neutron has put these DOWN after it was told that they are up: when the agent of the host
        they migrated from was heard late, say. The agent tells each plug that is done; it alone
        knows how they are now. What is DOWN still, waits for others: for DHCP, say."""
        clock = time.monotonic()
        before = self._told_again.pop(host, {}).items()
        lately = {i: at for i, at in before if i in ports and clock - at < _PATIENCE_SECONDS}
        new = [port_id for port_id in ports if port_id not in lately]
        if told := lately | dict.fromkeys(new, clock):
            self._told_again[host] = told
        for item in database.wanted(context, host, *database.only(*new)) if new else ():
            LOG.info("Port %s on %s is up, and DOWN here: told again", item["vif"]["id"], host)
            self._casts.plug(context, host, item, now)

    def deleted(self, resource: Any, event: Any, trigger: Any, payload: Any) -> None:
        """By an operator: no host sends to its tunnels' end any longer."""
        agent = payload.states[0]
        if agent.agent_type != binding.AGENT_TYPE:
            return
        address = agent.configurations.get("tunneling_ip")
        if address and not _is_used(payload.context, address):
            plugin = directory.get_plugin()
            plugin.notifier.tunnel_delete(payload.context, address, _TUNNELS)
            if _TUNNELS in plugin.type_manager.drivers:
                plugin.type_manager.drivers[_TUNNELS].obj.delete_endpoint(address)


def _reaches_otherwise(before: Any, now: Mapping[str, Any]) -> bool:
    """Has the operator given the host other networks?"""
    then = before.configurations if before else {}
    return any(then.get(key) != now.get(key) for key in _REACH)


def _bind(context: Any, host: str, vif_types: list[str]) -> None:
    plugin = directory.get_plugin()
    for port_id in database.to_be_bound(context, host, vif_types):
        try:
            plugin.get_bound_port_context(context, port_id, host)
        except Exception:
            LOG.exception("Port %s cannot be bound to %s", port_id, host)


def _fail(context: Any, host: str, down: Set[str], failed: Mapping[str, Any]) -> None:
    """Neutron tells nova then that it cannot have the port; until now it waited."""
    for port_id in down & failed.keys():
        why = failed[port_id]
        LOG.error(
            "Port %s failed on %s: %s (%s)", port_id, host, why.get("message"), why.get("code")
        )
        try:
            directory.get_plugin().update_port_status(context, port_id, "ERROR", host)
        except Exception:
            LOG.exception("Port %s cannot be said to have failed", port_id)


def _is_used(context: Any, address: str) -> bool:
    """By another agent of the host, or by the host under another name."""
    agents = directory.get_plugin().get_agents(context)
    return any(agent["configurations"].get("tunneling_ip") == address for agent in agents)
