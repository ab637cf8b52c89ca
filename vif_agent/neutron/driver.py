"""Neutron's ML2 mechanism driver ``vif_agent``.

It binds ports to hosts whose agent reports, and tells that agent what to plug. What is told is
never what an event brings but what the database says when it is looked at: two servers that work
at one port then tell the same in the end, whichever is heard last.
"""

import functools
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import pecan
from neutron.db import provisioning_blocks
from neutron.plugins.ml2.common import constants as ml2
from neutron.plugins.ml2.drivers import mech_agent
from neutron_lib import exceptions
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api
from oslo_config import cfg
from oslo_log import log

from vif_agent.neutron import binding, database, options
from vif_agent.neutron.casts import Casts, generation
from vif_agent.neutron.reports import Reports

LOG = log.getLogger(__name__)

#: what of a port, and of a network, matters on its host
_OF_A_PORT = (
    "admin_state_up", "allowed_address_pairs", "binding:host_id", "binding:profile",
    "binding:vif_type", "binding:vnic_type", "device_id", "device_owner",
    "fixed_ips", "mac_address", "network_id", "port_security_enabled",
)  # fmt: skip
_OF_A_NETWORK = (
    "mtu", "provider:network_type", "provider:physical_network", "provider:segmentation_id",
)  # fmt: skip
_ONCE_SECONDS = 60.0
_MOST_EXPLAINED = 1000
_BINDING = "binding"  # the resource of Neutron's bindings API


def _contained(act: Callable[..., None]) -> Callable[..., None]:
    """Nothing may escape after a commit: ML2 would delete the new port."""

    @functools.wraps(act)
    def contained(*args: Any, **kwargs: Any) -> None:
        try:
            act(*args, **kwargs)
        except Exception:
            LOG.exception("%s: made up for when the agent reports", act.__name__)

    return contained


class VifAgentDriver(mech_agent.SimpleAgentMechanismDriverBase):  # type: ignore[misc]
    """Safe in any number of servers and workers: it keeps nothing that another must know."""

    def __init__(self) -> None:
        options.register(cfg.CONF)
        super().__init__(binding.AGENT_TYPE, binding.VIF_TYPE, {}, [binding.VNIC_TYPE])
        self.casts = Casts(cfg.CONF[options.GROUP].cast_timeout)
        self._reports = Reports(self.casts)
        self._explained: dict[tuple[str, str], float] = {}

    def initialize(self) -> None:
        """In the process that loads drivers, which forks later: nothing is begun here."""
        self._reports.subscribe()
        registry.subscribe(self._binding_changed, _BINDING, events.BEFORE_RESPONSE)

    @property
    def connectivity(self) -> str:
        """See MechanismDriver."""
        return "l2"

    # -- binding -------------------------------------------------------------------------------

    def bind_port(self, context: Any) -> None:
        """Leaves it to other drivers, or nobody, where it must not be bound."""
        why = self._refusal(context.current)
        if not why:
            super().bind_port(context)
        elif context.host_agents(self.agent_type):
            self._explain(context.current["id"], context.host, why)

    @staticmethod
    def _refusal(port: Any) -> str:
        return binding.refusal(port, cfg.CONF[options.GROUP].security_groups)

    def _explain(self, port_id: str, host: str, why: str) -> None:
        """Once: ML2 tries ten times in a row."""
        now = time.monotonic()
        if now - self._explained.get((port_id, host), -math.inf) > _ONCE_SECONDS:
            LOG.warning("Port %s is not bound to %s: %s", port_id, host, why)
        if len(self._explained) >= _MOST_EXPLAINED:
            self._explained.clear()
        self._explained[port_id, host] = now

    def check_segment_for_agent(self, segment: Any, agent: Any) -> bool:
        """See SimpleAgentMechanismDriverBase."""
        if agent["agent_type"] != self.agent_type:
            return False
        return binding.carries(segment, agent["configurations"])

    def get_allowed_network_types(self, agent: Any = None) -> Any:
        """See SimpleAgentMechanismDriverBase."""
        return (agent or {}).get("configurations", {}).get("network_types", [])

    def get_mappings(self, agent: Any) -> Any:
        """See SimpleAgentMechanismDriverBase."""
        return binding.physical_networks(agent["configurations"])

    def get_vif_details(self, context: Any, agent: Any, segment: Any) -> dict[str, Any]:
        """See SimpleAgentMechanismDriverBase."""
        return binding.vif_details(agent["configurations"])

    # -- what becomes of ports -----------------------------------------------------------------

    def update_port_precommit(self, context: Any) -> None:
        """A port that is bound anew on the same host waits for its agent, too. Security groups
        that would not be enforced are refused as at the binding: the API's caller is told."""
        why = self._refusal(context.current)
        if why and _is_ours(context) and not self._refusal(context.original):
            raise exceptions.InvalidInput(error_message=f"it is bound by vif-agent, and {why}")
        super().update_port_precommit(context)
        if context.host == context.original_host and _is_bound_now(context):
            _block(context)

    @_contained
    def update_port_postcommit(self, context: Any) -> None:
        """Also after each binding."""
        if not _differ(context.current, context.original, _OF_A_PORT):
            return
        asker, port_id, now = context.plugin_context, context.current["id"], generation()
        bound = database.hosts_of_port(asker, port_id)
        for host in filter(None, {context.host, context.original_host, *bound}):
            items = database.wanted(asker, host, *database.only(port_id)) if host in bound else []
            if items:
                self.casts.plug(asker, host, items[0], now)
            elif database.is_being_bound(asker, host, port_id):
                continue  # every change of a binding begins with none
            elif self._cannot_be_asked(context, host):
                continue  # its return binds the port again, or a full set takes it away
            elif host in bound or self._may_have_it(context, host):
                self.casts.unplug(asker, host, port_id, now)

    def _cannot_be_asked(self, context: Any, host: str) -> bool:
        """Has the binding failed because the host's agent is silent? The guest runs on there."""
        failed = context.host == host and context.vif_type == database.FAILED
        return failed and not any(agent["alive"] for agent in self._agents(context, host))

    def _may_have_it(self, context: Any, host: str) -> bool:
        """The port is not bound there by us: was it? If another driver has bound it there since,
        a full set tells."""
        anothers = context.host == host and context.binding_levels
        return _is_ours(context) or (not anothers and bool(self._agents(context, host)))

    def _agents(self, context: Any, host: str) -> Any:
        filters = {"agent_type": [self.agent_type], "host": [host]}
        return directory.get_plugin().get_agents(context.plugin_context, filters=filters)

    def delete_port_precommit(self, context: Any) -> None:
        """Where it migrates, it is on two hosts; afterwards nobody knows."""
        context.vif_agent_hosts = database.hosts_of_port(
            context.plugin_context, context.current["id"]
        )

    @_contained
    def delete_port_postcommit(self, context: Any) -> None:
        """See MechanismDriver."""
        for host in context.vif_agent_hosts:
            port_id = context.current["id"]
            self.casts.unplug(context.plugin_context, host, port_id, generation())

    @_contained
    def update_network_postcommit(self, context: Any) -> None:
        """Its ports are told one by one to each host, which leaves those that stand just so."""
        if not _differ(context.current, context.original, _OF_A_NETWORK):
            return
        network_id, asker = context.current["id"], context.plugin_context
        for host in database.hosts_of_network(asker, network_id):
            now = generation()
            items = database.wanted(asker, host, *database.only(network_id=network_id))
            self.casts.some(asker, host, items, now)

    @_contained
    def _binding_changed(self, resource: Any, event: Any, trigger: Any, payload: Any) -> None:
        """A second binding, of a port that is to migrate, was made, changed or deleted: ML2 tells
        no driver. The answer names the host, the request the port."""
        host = (payload.latest_state or {}).get(_BINDING, {}).get("host")
        port_id = pecan.request.context.get("parent_id")
        if not (host and port_id):
            return
        asker, now = payload.context.elevated(), generation()
        if items := database.wanted(asker, host, *database.only(port_id)):
            self.casts.plug(asker, host, items[0], now)
        elif "delete" in payload.method_name:
            self.casts.unplug(asker, host, port_id, now)


def _differ(now: Mapping[str, Any], before: Mapping[str, Any], fields: tuple[str, ...]) -> bool:
    return any(now.get(field) != before.get(field) for field in fields)


def _block(context: Any) -> None:
    """The port is not ACTIVE before the agent says so; but for those whose status Neutron leaves
    to others."""
    port = context.current
    if port["status"] != database.ACTIVE and port["device_owner"] not in ml2.NO_PBLOCKS_TYPES:
        provisioning_blocks.add_provisioning_component(
            context.plugin_context, port["id"], resources.PORT, provisioning_blocks.L2_AGENT_ENTITY
        )


def _is_bound_now(context: Any) -> bool:
    unbound = (database.UNBOUND, database.FAILED)
    before = context.original.get("binding:vif_type")
    return _is_ours(context) and before in unbound and context.vif_type not in unbound


def _is_ours(context: Any) -> bool:
    levels = [*(context.binding_levels or ()), *(context.original_binding_levels or ())]
    return any(level[api.BOUND_DRIVER] == binding.DRIVER for level in levels)
