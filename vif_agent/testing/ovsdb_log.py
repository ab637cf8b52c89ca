"""The transactions of an OVSDB, read from the database file itself.

ovsdb-server appends one record per transaction that changed something, before it answers the
client, with the exact difference. Columns that are only status (statistics, link_state, mac_in_use
and such) are "ephemeral" in the schema and never get into the file: an idle Open vSwitch writes
nothing. The few status columns that do are STATUS below.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

STATUS = {
    "Open_vSwitch": {
        "cur_cfg",
        "datapath_types",
        "datapaths",
        "dpdk_initialized",
        "dpdk_version",
        "iface_types",
        "ovs_version",
    },
    "Bridge": {"datapath_version"},
    "Port": {"bond_active_slave"},
    "Interface": {"cfm_flap_count", "error", "ofport"},
}
MAGIC = b"OVSDB JSON "

Row = Mapping[str, Any]


class OvsdbLog:
    """Reads from where the file ends when this is made; what was before only gives rows a name."""

    def __init__(self, database: Path) -> None:
        self._path = database
        self._file = database.open("rb")
        self._names: dict[str, str] = {}
        self.read()

    def read(self) -> list[str]:
        """Configuration written since the last read, one text for each row that changed."""
        if os.stat(self._path).st_ino != os.fstat(self._file.fileno()).st_ino:
            raise RuntimeError(f"{self._path} was compacted: the log of writes is lost")
        return [event for record in self._records() for event in self._events(record)]

    def close(self) -> None:
        """The file stays."""
        self._file.close()

    def _records(self) -> Iterator[dict[str, Any]]:
        """Whole records only; one still being written is left for the next read."""
        while True:
            start = self._file.tell()
            header = self._file.readline()
            if not header.endswith(b"\n"):
                break
            if not header.startswith(MAGIC):
                raise RuntimeError(f"{self._path}: not a standalone OVSDB log: {header!r}")
            body = self._file.read(length := int(header.split()[2]))
            if len(body) < length:
                break
            yield json.loads(body)
        self._file.seek(start)

    def _events(self, record: dict[str, Any]) -> Iterator[str]:
        who = record.get("_comment", "").partition("(")[0].strip()
        for table, rows in record.items():
            if isinstance(rows, dict) and table != "tables":  # the first record is the schema
                for uuid, row in rows.items():
                    if text := self._event(table, uuid, row):
                        yield f"{text} [{who}]" if who else text

    def _event(self, table: str, uuid: str, row: Row | None) -> str | None:
        if row is None:
            return f"OVSDB delete {table} {self._names.pop(uuid, uuid[:8])}"
        verb = "update" if uuid in self._names else "insert"
        name = self._names[uuid] = row.get("name") or self._names.get(uuid, uuid[:8])
        written = {key: row[key] for key in row if key not in STATUS.get(table, ())}
        if verb == "update" and not written:
            return None
        return f"OVSDB {verb} {table} {name}: {json.dumps(written)}"
