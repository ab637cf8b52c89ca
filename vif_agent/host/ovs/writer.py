"""Steps become a transaction. Pure: works on the replica."""

import random
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from vif_agent.host.ovs.operations import Json, Operations, as_map, as_set, reference
from vif_agent.host.ovs.qos import PORT, is_ours
from vif_agent.host.ovs.refusals import Overtaken
from vif_agent.host.ovs.replica import Replica
from vif_agent.host.ovs.schema import ROOT, Bridge, Interface, OpenVSwitch, Qos
from vif_agent.host.ovs.schema import Port as PortRow
from vif_agent.ownership import MARK, SHARED
from vif_agent.plan.steps import CHANGE, MAKE, REMOVE, Step
from vif_agent.resources import Key, OvsBridge, OvsPort

_T = TypeVar("_T")

DEAD_VLAN = 4095
#: of those that may be asked for, the half that Open vSwitch gives to nobody by itself
_OFPORTS = (32768, 65280)


class Writer:
    """Writes steps into one transaction.

    ``written``: the columns that each row is to have then, None where there is to be none.
    """

    def __init__(self, replica: Replica, root: OpenVSwitch) -> None:
        self._operations = Operations()
        self.written: dict[Key, Mapping[str, Any] | None] = {}
        self._replica = replica
        self._root = root
        self._qos_users: dict[str, set[str]] = {}
        self._new_bridges: dict[str, Json] = {}

    def write(self, steps: Sequence[Step]) -> None:
        """Raises Overtaken when the replica has changed under the plan."""
        for step in steps:
            if isinstance(step.resource, OvsBridge):
                self._write_bridge(step, step.resource)
            elif isinstance(step.resource, OvsPort):
                self._write_port(step, step.resource)

    def request(self) -> list[Json] | None:
        """None if there is nothing to do."""
        return self._operations.request(self._root)

    def _write_bridge(self, step: Step, bridge: OvsBridge) -> None:
        if step.verb == MAKE:
            self._new_bridges[bridge.name] = self._make_bridge(step, bridge)
            return
        row = _living(self._replica.bridge(bridge.name), "Bridge", bridge.name)
        if step.verb == REMOVE:
            self._remove_bridge(step, row)
        else:
            self._operations.set_keys("Bridge", row, "external_ids", {MARK: step.owner})
            if bridge.datapath_type:
                self._operations.update("Bridge", row, datapath_type=bridge.datapath_type)

    def _remove_bridge(self, step: Step, row: Bridge) -> None:
        """A shared one stays if somebody has put a port into it since it was looked at."""
        if step.owner == SHARED:
            self._operations.check_ports(row)
            seen = step.found.members if step.found else frozenset()
            if self._replica.members(row) - seen:
                return
        self._operations.remove_member(ROOT, self._root, "bridges", row)
        self.written[step.key] = None

    def _make_bridge(self, step: Step, bridge: OvsBridge) -> Json:
        """With its local port, as ``ovs-vsctl add-br`` does."""
        insert, ids = self._operations.insert, {MARK: step.owner}
        interface = insert("Interface", name=bridge.name, type="internal")
        port = insert("Port", name=bridge.name, interfaces=interface)
        new = insert(
            "Bridge",
            name=bridge.name,
            ports=port,
            external_ids=as_map(ids),
            datapath_type=bridge.datapath_type or "",
            fail_mode="secure" if bridge.secure else None,
        )
        self._operations.add_member(ROOT, reference(self._root.uuid), "bridges", new)
        self.written[step.key] = {"external_ids": ids}
        return new

    def _write_port(self, step: Step, port: OvsPort) -> None:
        if step.verb != MAKE and step.verb != CHANGE:
            self._remove_port(port.name)
            self.written[step.key] = None
        if step.verb == CHANGE:
            self._change_port(step, port)
        elif step.verb != REMOVE:
            self._make_port(step, port)

    def _make_port(self, step: Step, port: OvsPort) -> None:
        ids = {**dict(port.external_ids), MARK: step.owner}
        interface = self._operations.insert(
            "Interface",
            name=port.name,
            type=port.interface_type or "",
            external_ids=as_map(ids),
            options=as_map(dict(port.options or ())),
            mtu_request=port.mtu_request,
        )
        # a tag alone lets trunk traffic out (launchpad bug 1959564)
        dead = {"tag": DEAD_VLAN, "vlan_mode": "trunk", "trunks": DEAD_VLAN}
        row = self._operations.insert(
            "Port",
            name=port.name,
            interfaces=interface,
            qos=self._make_qos(step, port) if port.qos_type else None,
            **(dead if port.isolate else {}),
        )
        self._operations.add_member("Bridge", self._bridge(port), "ports", row)
        self.written[step.key] = {"external_ids": ids, "ofport": None, "error": None}

    def _bridge(self, port: OvsPort) -> Json:
        if port.bridge in self._new_bridges:
            return self._new_bridges[port.bridge]
        return reference(_living(self._replica.bridge(port.bridge), "Bridge", port.bridge).uuid)

    def _make_qos(self, step: Step, port: OvsPort) -> Json:
        ids = {MARK: step.owner, PORT: port.name}
        return self._operations.insert("QoS", type=port.qos_type, external_ids=as_map(ids))

    def _change_port(self, step: Step, port: OvsPort) -> None:
        row = _living(self._replica.interface(port.name), "Interface", port.name)
        update, keys = self._operations.update, {MARK: step.owner}
        for difference in step.differences:
            if difference.field == "external_ids":
                keys |= dict(port.external_ids)
            elif difference.field in port.maps:
                pairs = dict(getattr(port, difference.field))
                self._operations.set_keys("Interface", row, difference.field, pairs)
            elif difference.field == "mtu_request":
                update("Interface", row, mtu_request=_optional(port.mtu_request))
            elif difference.field == "interface_type":
                update("Interface", row, type=port.interface_type)
            elif difference.field == "qos_type":
                self._change_qos(step, port)
            elif difference.field == "device":
                self._take_in_anew(row)
        self._operations.set_keys("Interface", row, "external_ids", keys)
        ids = {**row.external_ids, **keys}
        self.written[step.key] = {"external_ids": ids, "ofport": row.ofport, "error": row.error}

    def _take_in_anew(self, interface: Interface) -> None:
        """The userspace datapath goes on listening to the device that is gone (Open vSwitch 3.1).

        It opens a port anew when the port is to have another number. The kernel's needs no help.
        """
        ports = self._replica.users(interface)
        bridges = [bridge for port in ports for bridge in self._replica.users(port)]
        if any(bridge.datapath_type == "netdev" for bridge in bridges):
            taken = {row.ofport for row in self._replica.named("Interface")}
            free = (n for n in iter(lambda: random.randrange(*_OFPORTS), None) if n not in taken)
            self._operations.update("Interface", interface, ofport_request=next(free))

    def _change_qos(self, step: Step, port: OvsPort) -> None:
        """A row of ours that was taken off the port is still there, and is taken again."""
        row = _living(self._replica.port(port.name), "Port", port.name)
        qos = self._replica.qos(row.qos) or self._replica.qos_of(port.name)
        if qos is None or not self._take_qos(qos, step, port):
            self._operations.update("Port", row, qos=self._make_qos(step, port))
        else:
            self._operations.update("Port", row, qos=reference(qos.uuid))

    def _remove_port(self, name: str) -> None:
        port, remains = self._replica.port(name), self._replica.qos_of(name)
        doomed = {} if remains is None else {remains.uuid: remains}
        if port is not None:
            qos = self._replica.qos(port.qos)
            doomed |= {qos.uuid: qos} if qos is not None and is_ours(qos) else {}
            self._take_off(port)
        for qos in doomed.values():
            self._let_qos_go(qos, name)

    def _take_off(self, port: PortRow) -> None:
        bridges = self._replica.users(port)
        if not bridges:
            raise Overtaken(f"ovsdb: port {port.name} is on no bridge")
        if port.qos:
            self._operations.update("Port", port, qos=as_set([]))
        for bridge in bridges:
            self._operations.remove_member("Bridge", bridge, "ports", port)

    def _take_qos(self, qos: Qos, step: Step, port: OvsPort) -> bool:
        """For this port; False if others use it: what changes for them is not ours to say."""
        if self._users(qos) - {port.name}:
            self._let_qos_go(qos, port.name)
            return False
        ids = {MARK: step.owner, PORT: port.name}
        self._operations.update("QoS", qos, type=port.qos_type)
        self._operations.set_keys("QoS", qos, "external_ids", ids)
        return True

    def _let_qos_go(self, qos: Qos, port: str) -> None:
        """When no port uses it any longer it goes; else it is those ports' from now on."""
        users = self._users(qos)
        users.discard(port)
        if not users:
            self._operations.delete("QoS", qos)
        elif keys := {MARK, PORT} & qos.external_ids.keys():
            self._operations.delete_keys("QoS", qos, "external_ids", keys)

    def _users(self, qos: Qos) -> set[str]:
        """The ports that use it, as far as this transaction leaves them it."""
        names = {port.name for port in self._replica.users(qos)}
        return self._qos_users.setdefault(qos.uuid, names)


def _optional(value: int | None) -> Json:
    return as_set([]) if value is None else value


def _living(row: _T | None, table: str, name: str) -> _T:
    if row is None:
        raise Overtaken(f"ovsdb: {table} {name} is not there")
    return row
