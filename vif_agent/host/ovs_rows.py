"""OVSDB rows become resources. No I/O: works on the IDL's replica.

Bridge, Port, Interface and QoS as in ovs-vswitchd.conf.db(5).
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

from vif_agent.errors import OvsdbUnavailable, plain
from vif_agent.host.ovs_qos import PORT, is_ours
from vif_agent.ownership import MARK, Found, is_one_ports, is_trunk_bridge
from vif_agent.resources import OVS_BRIDGE, Key, OvsBridge, OvsPort

Row = Any  # ovs.db.idl.Row has no types

NOT_INITIALISED = "nobody has initialised the database (ovs-vsctl init)"

UNATTENDED = (
    "no frame passes: it is secure, and neither Neutron's agent nor OVN has come to give it flows"
)
_OVN_MARKS = ("ovn-", "ct-zone-")


def references(row: Row, column: str) -> list[Any]:
    """The UUIDs in it. python-ovs makes rows of them, in order: 20 ms for 3,000 ports."""
    return [atom.value for atom in row._data[column].values]


class Rows:
    """The replica by name. Its ``wired`` must grow when a bridge has other ports, and with each
    change of a QoS row."""

    def __init__(self, idl: Any) -> None:
        self._idl = idl
        self._holders: dict[Any, list[Row]] = {}
        self._qos: dict[str, Row] = {}
        self._as_of: int | None = None

    @property
    def root(self) -> Row:
        """The one row that all others hang on. A new database has none."""
        for row in self._idl.tables["Open_vSwitch"].rows.values():
            return row
        raise OvsdbUnavailable(f"ovsdb: {NOT_INITIALISED}")

    def table(self, name: str) -> Any:
        return self._idl.tables[name]

    def named(self, table: str, name: str) -> Row | None:
        return self._idl.named(table, name)

    def found(self, key: Key, cfg: int | None) -> Found | None:
        """``cfg``: the configuration number ovs-vswitchd must have reached to call it ready."""
        table = "Bridge" if key.space == OVS_BRIDGE else "Interface"
        row = self.named(table, key.name)
        if row is None:
            return self._remains(key.name) if table == "Interface" else None
        if table == "Bridge":
            return self._with_members(bridge_found(row), row)
        return self._port(row, cfg)

    def claimed(self) -> Iterator[Key]:
        """All that carries our stamp, and ports with an iface-id that cannot be opened."""
        for table, kind in (("Bridge", OvsBridge), ("Interface", OvsPort)):
            for row in self._idl.tables[table].rows.values():
                if MARK in row.external_ids or _is_broken(table, row):
                    yield Key(kind.space, row.name)
        self._index()
        yield from (Key(OvsPort.space, name) for name in self._qos)

    def bridges_of(self, port: Row | None) -> list[Row]:
        """One; or none of a port that has just gone, or several by somebody's mistake."""
        self._index()
        return [] if port is None else self._holders.get(port.uuid, [])

    def qos_of(self, name: str) -> Row | None:
        """Our QoS row of this port, also when somebody has taken the port away from it."""
        self._index()
        return self._qos.get(name)

    def _index(self) -> None:
        """OVSDB has no way back from a port to its bridge: one pass over all, after a change of
        what it reads."""
        if self._as_of == self._idl.wired:
            return
        bridges = self._idl.tables["Bridge"].rows.values()
        self._holders = {}
        for bridge in bridges:
            for uuid in references(bridge, "ports"):
                self._holders.setdefault(uuid, []).append(bridge)
        all_qos = self._idl.tables["QoS"].rows.values()
        self._qos = {q.external_ids[PORT]: q for q in all_qos if PORT in q.external_ids}
        self._as_of = self._idl.wired

    def _remains(self, name: str) -> Found | None:
        """A QoS row without its port: roots are not collected, so it is all that is left. Or a bond
        of this name, whose interfaces have others."""
        qos, bond = self.qos_of(name), self.named("Port", name)
        if bond is not None:
            return Found(OvsPort(name=name, bridge=self._where(bond)), part_of=f"the bond {name}")
        if qos is None:
            return None
        port = OvsPort(name=name, bridge="", qos_type=qos.type)
        return Found(port, stamp=qos.external_ids.get(MARK), ready=False)

    def _port(self, row: Row, cfg: int | None) -> Found:
        port = self._port_of(row)
        qos = port.qos[0] if port is not None and port.qos else None
        error = plain(row.error[0]) if row.error else ""
        ofport = row.ofport[0] if row.ofport else 0
        reached = cfg is None or self.root.cur_cfg >= cfg
        bond = _bond(port, row.name)
        resource = OvsPort(
            name=row.name,
            bridge=self._where(port),
            interface_type=row.type,
            external_ids=tuple(row.external_ids.items()),
            options=tuple(row.options.items()),
            mtu_request=row.mtu_request[0] if row.mtu_request else None,
            qos_type=qos.type if qos is not None else None,
        )
        return Found(
            resource,
            stamp=None if bond else row.external_ids.get(MARK),
            ready=ofport > 0 and not error and reached,
            error=error,
            others=frozenset() if qos is None or is_ours(qos) else frozenset({"qos_type"}),
            part_of=bond,
        )

    def _port_of(self, interface: Row) -> Row | None:
        """Of its name, if it is in no bond."""
        port = self.named("Port", interface.name)
        if port is not None and interface.uuid in references(port, "interfaces"):
            return port
        ports = self.table("Port").rows.values()
        return next((p for p in ports if interface.uuid in references(p, "interfaces")), None)

    def _where(self, port: Row | None) -> str:
        """All of them: a port that is in several is in the wrong place."""
        return ", ".join(sorted(bridge.name for bridge in self.bridges_of(port)))

    def _with_members(self, bridge: Found, row: Row) -> Found:
        if is_trunk_bridge(bridge.resource):
            bridge = dataclasses.replace(bridge, serves=_served(row))
        if bridge.stamp is None and not is_one_ports(bridge.resource.name):
            return bridge  # never removed by us, so what is in it need not be counted
        return dataclasses.replace(bridge, members=self.members(row))

    def members(self, bridge: Row) -> frozenset[str]:
        """The names of the ports in it, without its own."""
        names = map(self._idl.name_of, references(bridge, "ports"))
        return frozenset(names) - {bridge.name, ""}


def _is_broken(table: str, row: Row) -> bool:
    return table == "Interface" and bool(row.error) and "iface-id" in row.external_ids


def bridge_found(row: Row) -> Found:
    """Without what is in it."""
    resource = OvsBridge(name=row.name, datapath_type=row.datapath_type or "system")
    stamp = row.external_ids.get(MARK)
    return Found(resource, stamp=stamp, error=_unattended(row) if stamp else "")


def _bond(port: Row | None, interface: str) -> str:
    """That the interface is part of: somebody has put it there, so it is his."""
    if port is None or (port.name == interface and len(references(port, "interfaces")) == 1):
        return ""
    return f"the bond {port.name}"


def _served(bridge: Row) -> frozenset[str]:
    ids = (i.external_ids.get("iface-id") for port in bridge.ports for i in port.interfaces)
    return frozenset(filter(None, ids))


def _unattended(bridge: Row) -> str:
    """Why a bridge that we have made lets no frame through; "" if its owner has come.

    Neutron's agent gives it a controller, OVN keeps marks of its own there (ovn-controller 23.03).
    """
    marks = (key for key in bridge.external_ids if key.startswith(_OVN_MARKS))
    if bridge.fail_mode != ["secure"] or bridge.controller or next(marks, None):
        return ""
    return UNATTENDED
