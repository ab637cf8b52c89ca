"""python-ovs's IDL on our part of the schema."""

from typing import Any

import ovs.db.idl

from vif_agent.host import ovs_rows, ovs_schema
from vif_agent.host.ovs_session import Session
from vif_agent.ownership import Found
from vif_agent.resources import OVS_BRIDGE, OVS_PORT, Key


class Replica(ovs.db.idl.Idl):  # type: ignore[misc]
    """With what has changed since last asked."""

    _session: Any

    def __init__(self, connection: str) -> None:
        self.changed: set[Key] = set()
        self.wired = 0
        self._bridges: dict[Any, Found] = {}
        self._names: dict[Any, str] = {}
        self._named: dict[tuple[str, str], Any] = {}
        helper = ovs.db.idl.SchemaHelper(schema_json=ovs_schema.schema())
        for table, columns in ovs_schema.columns().items():
            helper.register_columns(table, columns)
        super().__init__(connection, helper, leader_only=False)
        self._session = Session(self._session.remotes)

    @property
    def refusal(self) -> str:
        """Why it is not connected, or was not once; empty if there was no such attempt."""
        return str(self._session.trouble)

    @property
    def connected(self) -> bool:
        """Is what we have of this connection? (python-ovs keeps the old rows.)"""
        return bool(self._session.is_connected() and self.state == self.IDL_S_MONITORING)

    @property
    def whole(self) -> bool:
        """Connected, with the one row that all others hang on: a new database has none."""
        return self.connected and bool(self.tables["Open_vSwitch"].rows)

    def named(self, table: str, name: str) -> Any | None:
        """python-ovs's own index is made anew at each change of a row, and no name ever changes."""
        row = self._named.get((table, name))
        return row if row is not None and self.tables[table].rows.get(row.uuid) is row else None

    def name_of(self, uuid: Any) -> str:
        return self._names.get(uuid, "")

    def notify(self, event: str, row: Any, updates: Any = None) -> None:
        """Take note of ports and bridges that have changed.

        One change of ours may come with thousands: ovs-vswitchd tries all ports anew that it could
        not open, and writes so of each.
        """
        table = row._table.name
        gone = event == ovs.db.idl.ROW_DELETE
        if table in ovs_schema.NAMED_TABLES:
            name = self._note_name(table, row, new=event == ovs.db.idl.ROW_CREATE, gone=gone)
            if table == "Bridge":
                self._note_bridge(row, gone)
            else:
                self.changed.add(Key(OVS_PORT, name))
        if table == "QoS" or (table == "Bridge" and (gone or _concerns_ports(updates))):
            self.wired += 1

    def _note_name(self, table: str, row: Any, new: bool, gone: bool) -> str:
        name = self._names.get(row.uuid)
        if new or name is None:
            name = self._names[row.uuid] = row.name
            self._named[table, name] = row
        if gone:
            del self._names[row.uuid]
            if self._named.get((table, name)) is row:
                del self._named[table, name]
        return name

    def _note_bridge(self, row: Any, gone: bool) -> None:
        """Its row changes with every port of it, and OVN writes there for each: what matters of
        that shows in the ports."""
        before = self._bridges.pop(row.uuid, None)
        if not gone:
            self._bridges[row.uuid] = ovs_rows.bridge_found(row)
        if gone or before != self._bridges[row.uuid]:
            self.changed.add(Key(OVS_BRIDGE, row.name))


def _concerns_ports(updates: Any) -> bool:
    return updates is None or "ports" in updates._data
