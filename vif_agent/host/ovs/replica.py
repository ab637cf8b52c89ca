"""The rows in memory, as ovsdb-server tells of their changes. No I/O.

Every way back (from a name to its row, from a row to those that refer to it) is an index that each
change keeps up to date, so that a port costs the same beside two others and beside two thousand.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from sys import intern
from typing import Any

from vif_agent.host.ovs import schema
from vif_agent.host.ovs.bridges import bridge_found
from vif_agent.host.ovs.qos import PORT
from vif_agent.host.ovs.schema import Bridge, Interface, OpenVSwitch, Port, Qos, Row
from vif_agent.ownership import Found
from vif_agent.resources import OVS_BRIDGE, OVS_PORT, Key

Changes = Mapping[str, Mapping[str, Mapping[str, Any]]]


class Tables:
    """Rows by table and UUID. ``kinds``: the class of a table's rows."""

    def __init__(self, kinds: Mapping[str, type[Row]]) -> None:
        self._kinds = kinds
        self.rows: dict[str, dict[str, Row]] = {table: {} for table in kinds}

    def update(self, changes: Changes) -> None:
        """As ``update2`` and ``update3`` tell of them, or ``update`` (with "old" and "new")."""
        for table, rows in changes.items():
            for uuid, change in rows.items():
                self._change(table, intern(uuid), change)

    def _change(self, table: str, uuid: str, change: Mapping[str, Any]) -> None:
        new = next((change[key] for key in ("initial", "insert", "new") if key in change), None)
        if new is not None:
            self._remove(table, uuid)
            self._insert(table, self._kinds[table](uuid), new)
        elif "modify" in change:
            self._modify(table, self.rows[table][uuid], change["modify"])
        else:
            self._remove(table, uuid)

    def _insert(self, table: str, row: Row, columns: Mapping[str, Any]) -> None:
        kinds = schema.COLUMNS[type(row)]
        for name, value in columns.items():
            setattr(row, name, kinds[name].read(value))
        self.rows[table][row.uuid] = row

    def _modify(self, table: str, row: Row, columns: Mapping[str, Any]) -> None:
        kinds = schema.COLUMNS[type(row)]
        for name, value in columns.items():
            read, change = kinds[name]
            setattr(row, name, change(getattr(row, name), read(value)))

    def _remove(self, table: str, uuid: str) -> None:
        self.rows[table].pop(uuid, None)


class Replica(Tables):
    """Ours. ``changed``: ports and bridges of which something has changed since last asked."""

    def __init__(self) -> None:
        super().__init__(schema.TABLES)
        self.changed: set[Key] = set()
        self._start_over()

    def _start_over(self) -> None:
        self._named: dict[tuple[str, str], Row] = {}
        self._users: dict[str, tuple[Row, ...]] = {}  # mostly one, in a quarter of a set's memory
        self._qos: dict[str, Qos] = {}
        self._bridges: dict[str, Found] = {}
        self._members: dict[str, frozenset[str]] = {}

    def clear(self) -> None:
        """Of what has gone meanwhile nobody tells."""
        for rows in self.rows.values():
            rows.clear()
        self._start_over()

    @property
    def root(self) -> OpenVSwitch | None:
        """The one row that all others hang on. A new database has none."""
        return next(iter(self.rows["Open_vSwitch"].values()), None)  # type: ignore[return-value]

    def bridge(self, name: str) -> Bridge | None:
        """None for no such bridge."""
        return self._named.get(("Bridge", name))  # type: ignore[return-value]

    def port(self, name: str) -> Port | None:
        """None for no such port."""
        return self._named.get(("Port", name))  # type: ignore[return-value]

    def interface(self, name: str) -> Interface | None:
        """None for no such interface."""
        return self._named.get(("Interface", name))  # type: ignore[return-value]

    def named(self, table: str) -> Iterator[Any]:
        """All rows of the table."""
        return iter(self.rows[table].values())

    def qos(self, uuid: str | None) -> Qos | None:
        """None for no such row."""
        return self.rows["QoS"].get(uuid or "")  # type: ignore[return-value]

    def qos_of(self, port: str) -> Qos | None:
        """Our QoS row of this port, also when somebody has taken the port away from it."""
        return self._qos.get(port)

    def ports_with_qos(self) -> Iterable[str]:
        """Names of ports for which there is a QoS row of ours."""
        return self._qos.keys()

    def users(self, row: Row) -> list[Any]:
        """The rows that refer to this one: a port's bridges, an interface's or QoS row's ports."""
        return [*self._users.get(row.uuid, ())]

    def referred(self, table: str, uuids: Iterable[str]) -> Iterator[Any]:
        """Those of the rows that are there."""
        rows = self.rows[table]
        return (rows[uuid] for uuid in uuids if uuid in rows)

    def members(self, bridge: Bridge) -> frozenset[str]:
        """The names of the ports in it, without its own."""
        if bridge.uuid not in self._members:
            names = {port.name for port in self.referred("Port", bridge.ports)}
            self._members[bridge.uuid] = frozenset(names - {bridge.name})
        return self._members[bridge.uuid]

    def _insert(self, table: str, row: Row, columns: Mapping[str, Any]) -> None:
        super()._insert(table, row, columns)
        if name := getattr(row, "name", ""):
            self._named[table, name] = row
        self._refer(row, _referred(row))
        self._note(table, row)

    def _modify(self, table: str, row: Row, columns: Mapping[str, Any]) -> None:
        self._note_qos(row, gone=True)
        touched = _touched(row, columns)
        super()._modify(table, row, columns)
        self._refer(row, touched)
        self._note(table, row)

    def _remove(self, table: str, uuid: str) -> None:
        row = self.rows[table].get(uuid)
        super()._remove(table, uuid)
        if row is not None:
            name = getattr(row, "name", "")
            if self._named.get((table, name)) is row:
                del self._named[table, name]
            self._refer(row, _referred(row), gone=True)
            self._note(table, row, gone=True)

    def _refer(self, row: Row, uuids: Iterable[str], gone: bool = False) -> None:
        """It may have begun or ceased to refer to these."""
        for uuid in uuids:
            users = tuple(user for user in self._users.pop(uuid, ()) if user is not row)
            if not gone and any(uuid in _uuids(getattr(row, name)) for name in row.references):
                users += (row,)
            if users:
                self._users[uuid] = users

    def _note(self, table: str, row: Row, gone: bool = False) -> None:
        if isinstance(row, Port | Interface):
            self.changed.add(Key(OVS_PORT, row.name))
        elif isinstance(row, Bridge):
            self._note_bridge(row, gone)
        self._note_qos(row, gone)

    def _note_bridge(self, row: Bridge, gone: bool) -> None:
        """Its row changes with every port of it, and OVN writes there for each: what matters of
        that shows in the ports."""
        self._members.pop(row.uuid, None)
        before = self._bridges.pop(row.uuid, None)
        if not gone:
            self._bridges[row.uuid] = bridge_found(row)
        if gone or before != self._bridges[row.uuid]:
            self.changed.add(Key(OVS_BRIDGE, row.name))

    def _note_qos(self, row: Row, gone: bool) -> None:
        if isinstance(row, Qos) and (port := row.external_ids.get(PORT)):
            if not gone:
                self._qos[port] = row
            elif self._qos.get(port) is row:
                del self._qos[port]


def _uuids(value: Any) -> Collection[str]:
    return value if isinstance(value, set) else {value} - {None}


def _referred(row: Row) -> set[str]:
    return {uuid for name in row.references for uuid in _uuids(getattr(row, name))}


def _touched(row: Row, columns: Mapping[str, Any]) -> set[str]:
    """The rows that it may begin or cease to refer to by these changes: of a set, what has come or
    gone."""
    uuids: set[str] = set()
    for name in row.references:
        if name in columns:
            before = getattr(row, name)
            uuids.update(_uuids(schema.COLUMNS[type(row)][name].read(columns[name])))
            uuids.update(() if isinstance(before, set) else _uuids(before))
    return uuids
