"""OVSDB rows become resources, steps become writes. No I/O: works on the IDL's replica.

Bridge, Port, Interface and QoS as in ovs-vswitchd.conf.db(5).
"""

import random
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from vif_agent.host.ovs_refusals import Overtaken
from vif_agent.ownership import MARK, Found
from vif_agent.plan import CHANGE, MAKE, REMOVE, Step
from vif_agent.resources import OVS_BRIDGE, Key, OvsBridge, OvsPort

Row = Any  # ovs.db.idl.Row has no types

DEAD_VLAN = 4095
#: of those that may be asked for, the half that Open vSwitch gives to nobody by itself
_OFPORTS = (32768, 65280)
#: on a QoS row of ours, beside the stamp: the name of the port it is part of
_QOS_OF = f"{MARK}-port"


class Rows:
    """The replica by name. ``idl`` must have an index ``by_name`` on each table used here.

    Its ``wired`` must grow whenever a row of Bridge or QoS has changed.
    """

    def __init__(self, idl: Any) -> None:
        self._idl = idl
        self._holders: dict[Any, Row] = {}
        self._qos: dict[str, Row] = {}
        self._as_of: int | None = None

    @property
    def root(self) -> Row:
        return next(iter(self._idl.tables["Open_vSwitch"].rows.values()))

    def table(self, name: str) -> Any:
        return self._idl.tables[name]

    def named(self, table: str, name: str) -> Row | None:
        index = self._idl.tables[table].rows.indexes["by_name"]
        key = SimpleNamespace(name=name)
        return next(iter(index.irange(key, key)), None)

    def found(self, key: Key, cfg: int | None) -> Found | None:
        """``cfg``: the configuration number ovs-vswitchd must have reached to call it ready."""
        table = "Bridge" if key.space == OVS_BRIDGE else "Interface"
        row = self.named(table, key.name)
        if row is None:
            return self._remains(key.name) if table == "Interface" else None
        return _bridge(row) if table == "Bridge" else self._port(row, cfg)

    def claimed(self) -> Iterator[Key]:
        """All that carries our stamp, and ports with an iface-id that cannot be opened."""
        for table, kind in (("Bridge", OvsBridge), ("Interface", OvsPort)):
            for row in self._idl.tables[table].rows.values():
                if MARK in row.external_ids or _is_broken(table, row):
                    yield Key(kind.space, row.name)
        self._index()
        yield from (Key(OvsPort.space, name) for name in self._qos)

    def bridge_of(self, port: Row | None) -> Row | None:
        self._index()
        return None if port is None else self._holders.get(port.uuid)

    def qos_of(self, name: str) -> Row | None:
        """Our QoS row of this port, also when somebody has taken the port away from it."""
        self._index()
        return self._qos.get(name)

    def _index(self) -> None:
        """OVSDB has no way back from a port to its bridge: one pass over all, after a change.

        A pass takes 15 ms for 1,000 ports, so only a change of what it reads makes it anew.
        """
        if self._as_of == self._idl.wired:
            return
        bridges = self._idl.tables["Bridge"].rows.values()
        self._holders = {port.uuid: bridge for bridge in bridges for port in bridge.ports}
        all_qos = self._idl.tables["QoS"].rows.values()
        self._qos = {q.external_ids[_QOS_OF]: q for q in all_qos if _QOS_OF in q.external_ids}
        self._as_of = self._idl.wired

    def _remains(self, name: str) -> Found | None:
        """A QoS row without its port: roots are not collected, so it is all that is left."""
        qos = self.qos_of(name)
        if qos is None:
            return None
        port = OvsPort(name=name, bridge="", qos_type=qos.type)
        return Found(port, stamp=qos.external_ids.get(MARK), ready=False)

    def _port(self, row: Row, cfg: int | None) -> Found:
        port = self.named("Port", row.name)
        bridge = self.bridge_of(port)
        qos = port.qos[0] if port is not None and port.qos else None
        error = row.error[0] if row.error else ""
        ofport = row.ofport[0] if row.ofport else 0
        reached = cfg is None or self.root.cur_cfg >= cfg
        resource = OvsPort(
            name=row.name,
            bridge=bridge.name if bridge is not None else "",
            interface_type=row.type,
            external_ids=tuple(row.external_ids.items()),
            options=tuple(row.options.items()),
            mtu_request=row.mtu_request[0] if row.mtu_request else None,
            qos_type=qos.type if qos is not None else None,
        )
        return Found(
            resource,
            stamp=row.external_ids.get(MARK),
            ready=ofport > 0 and not error and reached,
            error=error,
            others=frozenset() if qos is None or _ours(qos) else frozenset({"qos_type"}),
        )


def _is_broken(table: str, row: Row) -> bool:
    return table == "Interface" and bool(row.error) and "iface-id" in row.external_ids


def _bridge(row: Row) -> Found:
    resource = OvsBridge(name=row.name, datapath_type=row.datapath_type or "system")
    stamp = row.external_ids.get(MARK)
    if stamp is None:  # never removed by us, so what is in it need not be counted
        return Found(resource)
    members = frozenset(port.name for port in row.ports) - {row.name}
    return Found(resource, stamp=stamp, members=members)


def _ours(qos: Row) -> bool:
    """Made by us, or by os-vif (its rows carry ``_type``); Neutron's QoS rows are Neutron's."""
    return MARK in qos.external_ids or "_type" in qos.external_ids


class Writer:
    """Writes steps into one transaction."""

    def __init__(self, rows: Rows, txn: Any) -> None:
        self._rows = rows
        self._txn = txn
        self._new_bridges: dict[str, Row] = {}

    def write(self, steps: Sequence[Step]) -> None:
        """Raises Overtaken when the replica has changed under the plan."""
        for step in steps:
            if isinstance(step.resource, OvsBridge):
                self._write_bridge(step, step.resource)
            elif isinstance(step.resource, OvsPort):
                self._write_port(step, step.resource)
        self._rows.root.increment("next_cfg")

    def _write_bridge(self, step: Step, bridge: OvsBridge) -> None:
        if step.verb == MAKE:
            self._new_bridges[bridge.name] = self._make_bridge(step, bridge)
        elif step.verb == REMOVE:
            self._rows.root.delvalue("bridges", self._living("Bridge", bridge.name))
        else:
            row = self._living("Bridge", bridge.name)
            row.setkey("external_ids", MARK, step.owner)
            if bridge.datapath_type:
                row.datapath_type = bridge.datapath_type

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
        ids = {MARK: step.owner, _QOS_OF: port.name}
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
        bridge = self._rows.bridge_of(self._living("Port", interface.name))
        if bridge is not None and bridge.datapath_type == "netdev":
            rows = self._rows.table("Interface").rows.values()
            taken = {n for row in rows for n in getattr(row, "ofport", ())}  # a new row has none
            free = (n for n in iter(lambda: random.randrange(*_OFPORTS), None) if n not in taken)
            interface.ofport_request = next(free)

    def _change_qos(self, step: Step, port: OvsPort) -> None:
        """A row of ours that was taken off the port is still there, and is taken again."""
        row, remains = self._living("Port", port.name), self._rows.qos_of(port.name)
        if row.qos:
            row.qos[0].type = port.qos_type
        elif remains is not None:
            remains.type, row.qos = port.qos_type, remains
        else:
            row.qos = self._make_qos(step, port)

    def _remove_port(self, name: str) -> None:
        """QoS rows are roots: OVSDB does not collect them with their port."""
        port, remains = self._rows.named("Port", name), self._rows.qos_of(name)
        doomed = {} if remains is None else {remains.uuid: remains}
        if port is not None:
            doomed |= {qos.uuid: qos for qos in port.qos if _ours(qos)}
            self._take_off(port)
        for qos in doomed.values():
            qos.delete()

    def _take_off(self, port: Row) -> None:
        bridge = self._rows.bridge_of(port)
        if bridge is None:
            raise Overtaken(f"ovsdb: port {port.name} is on no bridge")
        port.qos = []
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
