"""ML2 with our driver: its API, its database in memory, agents that report, a bus that records.

The bus is oslo.messaging's own in memory, the agents' reports go in where the RPC server hands
them in. Nothing of ours is replaced.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any, ClassVar

import oslo_messaging
from neutron.conf.plugins.ml2.drivers import driver_type
from neutron.db import agents_db
from neutron.db.models.segment import NetworkSegment
from neutron.db.models_v2 import Port
from neutron.plugins.ml2 import db as ml2_db
from neutron.plugins.ml2 import rpc as ml2_rpc
from neutron.plugins.ml2.models import PortBinding
from neutron.tests.unit.plugins.ml2 import test_plugin
from neutron_lib import context as neutron_context
from neutron_lib import rpc
from neutron_lib.db import api as db_api
from neutron_lib.db.standard_attr import StandardAttribute
from oslo_config import cfg
from oslo_utils import timeutils

from vif_agent import bus, wishes

Json = dict[str, Any]

A, B, C = "host-a", "host-b", "host-c"  # C has no agent
GUEST = "9f6a6f1e-7a5e-4d8a-9a39-7d0c2f4f6f10"
REACH: Json = {
    "network_types": ["local", "flat", "vlan", "vxlan"],
    "tunnel_types": ["vxlan"],
    "tunneling_ip": "192.0.2.1",
    "interface_mappings": {"physnet1": "eth1"},
    "bridge_mappings": {"physnet2": "br-flat"},
    "firewall": "nftables",
}
_ONLY_ADMINS = (
    "binding:host_id", "binding:profile", "binding:vnic_type", "port_security_enabled",
    "allowed_address_pairs",
)  # fmt: skip


class DriverTestCase(test_plugin.Ml2PluginV2TestCase):  # type: ignore[misc]
    """The hosts A and B have an agent. No port has security groups unless a test says so."""

    _mechanism_drivers: ClassVar[list[str]] = ["vif_agent"]

    def setUp(self) -> None:
        driver_type.register_ml2_drivers_vxlan_opts()
        cfg.CONF.set_override("extension_drivers", ["port_security"], group="ml2")
        cfg.CONF.set_override("vni_ranges", ["1000:2000"], group="ml2_type_vxlan")
        super().setUp()
        self.queues = {host: self._queue(host) for host in (A, B, C)}
        self.report(A)
        self.report(B)
        self.casts(A)
        self.casts(B)

    @property
    def admin(self) -> Any:
        return neutron_context.get_admin_context()

    # -- agents --------------------------------------------------------------------------------

    def report(
        self,
        host: str,
        start: bool = False,
        failed: Json | None = None,
        up: list[str] | None = None,
        **configurations: Any,
    ) -> str:
        """As the agent's ``report_state`` comes out of the RPC server."""
        state: Json = {
            "agent_type": "vif-agent",
            "binary": "vif-agent",
            "host": host,
            "topic": "N/A",
            "configurations": {**REACH, "wishes": wishes.digest([]), **configurations},
        }
        state |= {"start_flag": True} if start else {}
        state |= {"failed": failed} if failed else {}
        state |= {} if up is None else {"up": up}
        now = timeutils.utcnow().isoformat()
        reports = agents_db.AgentExtRpcCallback(self.plugin)
        status: str = reports.report_state(self.admin, agent_state={"agent_state": state}, time=now)
        return status

    def silence(self, host: str) -> None:
        """The agent has not reported for an hour."""
        hour_ago = timeutils.utcnow() - datetime.timedelta(hours=1)
        changed = {"started_at": hour_ago, "heartbeat_timestamp": hour_ago}
        self.plugin.update_agent(self.admin, self.agent(host)["id"], {"agent": changed})

    def agent(self, host: str) -> Json:
        filters = {"host": [host], "agent_type": ["vif-agent"]}
        (agent,) = self.plugin.get_agents(self.admin, filters=filters)
        found: Json = agent
        return found

    def ready(self, port_id: str, host: str = A) -> None:
        """As the agent says it."""
        self._rpc.update_device_up(self.admin, **_device(port_id, host))

    def gone(self, port_id: str, host: str = A) -> None:
        """As the agent says of a port without a tap."""
        self._rpc.update_device_down(self.admin, **_device(port_id, host))

    @property
    def _rpc(self) -> Any:
        return ml2_rpc.RpcCallbacks(self.plugin.notifier, self.plugin.type_manager)

    # -- the bus -------------------------------------------------------------------------------

    def _queue(self, host: str) -> Any:
        target = oslo_messaging.Target(exchange=bus.EXCHANGE, topic=bus.CAST_TOPIC, server=host)
        return rpc.TRANSPORT._listen(target, 1, None)._poll_style_listener

    def casts(self, host: str) -> list[tuple[str, Json]]:
        """What has been cast to the host since it was last asked: (method, arguments)."""
        found: list[tuple[str, Json]] = []
        while messages := self.queues[host].poll(timeout=0):
            found += [(m.message["method"], m.message["args"]) for m in messages]
        return found

    def plugged(self, host: str) -> Json:
        """The VIF, if one plug and nothing else was cast."""
        ((method, arguments),) = self.casts(host)
        assert method == "plug_vif", method
        vif: Json = arguments["vif"]
        return vif

    def unplugged(self, host: str) -> str:
        """The port, if one unplug and nothing else was cast."""
        ((method, arguments),) = self.casts(host)
        assert method == "unplug_vif", method
        assert wishes.sender_of(arguments["vif"]) == "neutron"
        port_id: str = arguments["vif"]["id"]
        return port_id

    def full_set(self, host: str) -> list[Json]:
        """The VIFs, if a full set of Neutron's ports and nothing else was cast."""
        ((method, arguments),) = self.casts(host)
        assert method == "sync_vifs", method
        assert (arguments["complete"], arguments["sender"]) == (True, "neutron")
        return [item["vif"] for item in arguments["vifs"]]

    # -- the API -------------------------------------------------------------------------------

    def network_of(self, kind: str, physnet: str = "", vid: int = 0, **more: Any) -> Json:
        given: Json = {"provider:network_type": kind, **more}
        if physnet:
            given["provider:physical_network"] = physnet
        if vid:
            given["provider:segmentation_id"] = vid
        made = self._make_network(
            self.fmt, "net", True, as_admin=True, arg_list=tuple(given), **given
        )
        network: Json = made["network"]
        return network

    def port_of(self, network: Json, host: str = A, **more: Any) -> Json:
        """A guest's, with port security, in no security group unless given."""
        given: Json = {"device_owner": "compute:nova", "device_id": GUEST, "security_groups": []}
        given |= {"binding:host_id": host, **more}
        made = self._make_port(
            self.fmt, network["id"], as_admin=True, is_service=True, arg_list=_ONLY_ADMINS, **given
        )
        return self.shown(made["port"]["id"])

    def bound(self, network: Json, host: str = A, **more: Any) -> Json:
        """A port whose plug is cast, and forgotten here."""
        port = self.port_of(network, host, **more)
        assert port["binding:vif_type"] == "tap", port
        assert self.plugged(host)["id"] == port["id"]
        return port

    def shown(self, port_id: str) -> Json:
        port: Json = self._show("ports", port_id, as_admin=True)["port"]
        return port

    def change(self, port_id: str, **values: Any) -> Json:
        given = {name.replace("binding_", "binding:"): value for name, value in values.items()}
        nova = "binding:profile" in given  # only a service may change that, an admin may not
        self._update("ports", port_id, {"port": given}, as_admin=not nova, as_service=nova)
        return self.shown(port_id)

    def unbind(self, port_id: str, levels: bool = True) -> None:
        """As ML2 does it before it binds anew; ``levels`` False: not all of that is seen yet."""
        with db_api.CONTEXT_WRITER.using(context := self.admin):
            of_port = {"port_id": port_id, "host": A}
            unbound = {"vif_type": "unbound", "vif_details": ""}
            context.session.query(PortBinding).filter_by(**of_port).update(unbound)
            if levels:
                ml2_db.clear_binding_levels(context, port_id, A)

    def age(self, port_id: str) -> None:
        """Nobody has changed it for an hour."""
        hour_ago = timeutils.utcnow() - datetime.timedelta(hours=1)
        with db_api.CONTEXT_WRITER.using(context := self.admin):
            port = context.session.query(Port).filter_by(id=port_id).one()
            attributes = context.session.query(StandardAttribute)
            attributes.filter_by(id=port.standard_attr_id).update({"updated_at": hour_ago})

    def take_segments(self, network: Json) -> None:
        with db_api.CONTEXT_WRITER.using(context := self.admin):
            segments = context.session.query(NetworkSegment)
            context.session.delete(segments.filter_by(network_id=network["id"]).one())

    def remove(self, port_id: str) -> None:
        self._delete("ports", port_id, as_admin=True)

    def binding(self, method: str, port_id: str, host: str, action: str = "") -> int:
        """By the API with which nova migrates; the answer's status."""
        new = method == "POST"
        body = {"POST": {"binding": {"host": host}}, "PUT": {"port_id": port_id}}.get(method)
        request = self._service_req(
            method, "ports", body, id=port_id, subresource="bindings",
            sub_id="" if new else host, action=action,
        )  # fmt: skip
        status: int = request.get_response(self.api).status_int
        return status


def _device(port_id: str, host: str) -> Json:
    return {"device": port_id, "agent_id": f"vif-agent-{host}", "host": host}


def wished(*vifs: Json) -> Json:
    """What an agent with just these VIFs reports."""
    return {"wishes": wishes.digest(vifs)}


def ids(vifs: Iterable[Json]) -> set[str]:
    return {vif["id"] for vif in vifs}
