"""python-ovs's IDL on our part of the schema."""

from typing import Any

import ovs.db.idl

from vif_agent.host import ovs_rows, ovs_schema
from vif_agent.ownership import Found
from vif_agent.resources import OVS_BRIDGE, OVS_PORT, Key

#: python-ovs doubles it up to 8 s: long for a plug, and a try of a local socket costs nothing
_RECONNECT_MILLISECONDS = 1000


class Replica(ovs.db.idl.Idl):  # type: ignore[misc]
    """With what has changed since last asked."""

    def __init__(self, connection: str) -> None:
        self.changed: set[Key] = set()
        self.wired = 0
        self._bridges: dict[Any, Found] = {}
        helper = ovs.db.idl.SchemaHelper(schema_json=ovs_schema.schema())
        for table, columns in ovs_schema.columns().items():
            helper.register_columns(table, columns)
        super().__init__(connection, helper, leader_only=False)
        self._session.reconnect.set_backoff(_RECONNECT_MILLISECONDS, _RECONNECT_MILLISECONDS)
        for table in ovs_schema.NAMED_TABLES:
            self.index_create(table, "by_name").add_column("name")

    @property
    def connected(self) -> bool:
        """Is what we have of this connection? (python-ovs keeps the old rows.)"""
        return bool(self._session.is_connected() and self.state == self.IDL_S_MONITORING)

    @property
    def whole(self) -> bool:
        """Connected, with the one row that all others hang on: a new database has none."""
        return self.connected and bool(self.tables["Open_vSwitch"].rows)

    def notify(self, event: str, row: Any, updates: Any = None) -> None:
        """Take note of ports and bridges that have changed."""
        table = row._table.name
        self.wired += table in ("Bridge", "QoS")
        if table in ("Interface", "Port"):
            self.changed.add(Key(OVS_PORT, row.name))
        elif table == "Bridge":
            self._note_bridge(row, gone=event == ovs.db.idl.ROW_DELETE)

    def _note_bridge(self, row: Any, gone: bool) -> None:
        """Its row changes with every port of it, and OVN writes there for each: what matters of
        that shows in the ports."""
        before = self._bridges.pop(row.uuid, None)
        if not gone:
            self._bridges[row.uuid] = ovs_rows.bridge_found(row)
        if gone or before != self._bridges[row.uuid]:
            self.changed.add(Key(OVS_BRIDGE, row.name))
