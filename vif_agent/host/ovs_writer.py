"""Steps become writes. No I/O: works on the IDL's replica, within one transaction."""

import random
from collections.abc import Sequence
from typing import Any

from vif_agent.host.ovs_qos import PORT, QosRows, is_ours
from vif_agent.host.ovs_refusals import Overtaken
from vif_agent.host.ovs_rows import Row, Rows
from vif_agent.ownership import MARK, SHARED
from vif_agent.plan import CHANGE, MAKE, REMOVE, Step
from vif_agent.resources import OvsBridge, OvsPort

DEAD_VLAN = 4095
#: of those that may be asked for, the half that Open vSwitch gives to nobody by itself
_OFPORTS = (32768, 65280)


class Writer:
    """Writes steps into one transaction."""

    def __init__(self, rows: Rows, txn: Any) -> None:
        self._rows = rows
        self._txn = txn
        self._qos = QosRows(rows.table("Port").rows.values())
        self._new_bridges: dict[str, Row] = {}

    def write(self, steps: Sequence[Step]) -> None:
        """Raises Overtaken when the replica has changed under the plan."""
        root = self._rows.root
        for step in steps:
            if isinstance(step.resource, OvsBridge):
                self._write_bridge(step, step.resource)
            elif isinstance(step.resource, OvsPort):
                self._write_port(step, step.resource)
        root.increment("next_cfg")

    def _write_bridge(self, step: Step, bridge: OvsBridge) -> None:
        if step.verb == MAKE:
            self._new_bridges[bridge.name] = self._make_bridge(step, bridge)
        elif step.verb == REMOVE:
            self._remove_bridge(step, self._living("Bridge", bridge.name))
        else:
            row = self._living("Bridge", bridge.name)
            row.setkey("external_ids", MARK, step.owner)
            if bridge.datapath_type:
                row.datapath_type = bridge.datapath_type

    def _remove_bridge(self, step: Step, row: Row) -> None:
        """A shared one stays if somebody has put a port into it since it was looked at."""
        if step.owner == SHARED:
            row.verify("ports")
            seen = step.found.members if step.found else frozenset()
            if self._rows.members(row) - seen:
                return
        self._rows.root.delvalue("bridges", row)

    def _make_bridge(self, step: Step, bridge: OvsBridge) -> Row:
        """With its local port, as ``ovs-vsctl add-br`` does."""
        interface = self._insert("Interface", name=bridge.name, type="internal")
        port = self._insert("Port", name=bridge.name, interfaces=[interface])
        row = self._insert(
            "Bridge",
            name=bridge.name,
            ports=[port],
            external_ids={MARK: step.owner},
            datapath_type=bridge.datapath_type or "",
            fail_mode="secure" if bridge.secure else [],
        )
        self._rows.root.addvalue("bridges", row)
        return row

    def _write_port(self, step: Step, port: OvsPort) -> None:
        if step.verb != MAKE and step.verb != CHANGE:
            self._remove_port(port.name)
        if step.verb == CHANGE:
            self._change_port(step, port)
        elif step.verb != REMOVE:
            self._make_port(step, port)

    def _make_port(self, step: Step, port: OvsPort) -> None:
        interface = self._insert(
            "Interface",
            name=port.name,
            type=port.interface_type or "",
            external_ids={**dict(port.external_ids), MARK: step.owner},
            options=dict(port.options or ()),
            mtu_request=port.mtu_request or [],
        )
        row = self._insert("Port", name=port.name, interfaces=[interface])
        if port.isolate:
            # a tag alone lets trunk traffic out (launchpad bug 1959564)
            row.tag, row.vlan_mode, row.trunks = DEAD_VLAN, "trunk", [DEAD_VLAN]
        if port.qos_type:
            row.qos = self._make_qos(step, port)
        self._bridge_row(port.bridge).addvalue("ports", row)

    def _make_qos(self, step: Step, port: OvsPort) -> Row:
        ids = {MARK: step.owner, PORT: port.name}
        return self._insert("QoS", type=port.qos_type, external_ids=ids)

    def _change_port(self, step: Step, port: OvsPort) -> None:
        row = self._living("Interface", port.name)
        row.setkey("external_ids", MARK, step.owner)
        for difference in step.differences:
            if difference.field in port.maps:
                for key, value in getattr(port, difference.field):
                    row.setkey(difference.field, key, value)
            elif difference.field == "mtu_request":
                row.mtu_request = port.mtu_request
            elif difference.field == "interface_type":
                row.type = port.interface_type
            elif difference.field == "qos_type":
                self._change_qos(step, port)
            elif difference.field == "device":
                self._take_in_anew(row)

    def _take_in_anew(self, interface: Row) -> None:
        """The userspace datapath goes on listening to the device that is gone (Open vSwitch 3.1).

        It opens a port anew when the port is to have another number. The kernel's needs no help.
        """
        bridges = self._rows.bridges_of(self._living("Port", interface.name))
        if any(bridge.datapath_type == "netdev" for bridge in bridges):
            rows = self._rows.table("Interface").rows.values()
            taken = {n for row in rows for n in getattr(row, "ofport", ())}  # a new row has none
            free = (n for n in iter(lambda: random.randrange(*_OFPORTS), None) if n not in taken)
            interface.ofport_request = next(free)

    def _change_qos(self, step: Step, port: OvsPort) -> None:
        """A row of ours that was taken off the port is still there, and is taken again."""
        row = self._living("Port", port.name)
        qos = row.qos[0] if row.qos else self._rows.qos_of(port.name)
        if qos is None or not self._qos.take(qos, port.name, port.qos_type, step.owner):
            qos = self._make_qos(step, port)
        row.qos = qos

    def _remove_port(self, name: str) -> None:
        port, remains = self._rows.named("Port", name), self._rows.qos_of(name)
        doomed = {} if remains is None else {remains.uuid: remains}
        if port is not None:
            doomed |= {qos.uuid: qos for qos in port.qos if is_ours(qos)}
            self._take_off(port)
        for qos in doomed.values():
            self._qos.let_go(qos, name)

    def _take_off(self, port: Row) -> None:
        bridges = self._rows.bridges_of(port)
        if not bridges:
            raise Overtaken(f"ovsdb: port {port.name} is on no bridge")
        port.qos = []
        for bridge in bridges:
            bridge.delvalue("ports", port)

    def _bridge_row(self, name: str) -> Row:
        return self._new_bridges.get(name) or self._living("Bridge", name)

    def _living(self, table: str, name: str) -> Row:
        row = self._rows.named(table, name)
        if row is None:
            raise Overtaken(f"ovsdb: {table} {name} is not there")
        return row

    def _insert(self, table: str, **columns: Any) -> Row:
        row = self._txn.insert(self._rows.table(table))
        for column, value in columns.items():
            setattr(row, column, value)
        return row
