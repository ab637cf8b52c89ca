"""The few words of OVSDB's protocol (RFC 7047) that the bench speaks itself."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any


class Ovsdb:
    """One connection. ``db`` is ``unix:PATH``."""

    def __init__(self, db: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(db.removeprefix("unix:"))

    def close(self) -> None:
        self._socket.close()

    def carries(self, name: str) -> int | None:
        """The index of the device behind the interface of this name, as ovs-vswitchd knows it.

        0: it carries none yet; None: there is no such interface.
        """
        rows = self._rows("Interface", name, "ofport", "ifindex")
        if not rows:
            return None
        ofport, index = rows[0]["ofport"], rows[0]["ifindex"]
        return index if isinstance(ofport, int) and ofport > 0 and isinstance(index, int) else 0

    def add_port(self, bridge: str, name: str, external_ids: Mapping[str, str]) -> None:
        """As ``ovs-vsctl --no-wait add-port``, with these of the interface."""
        ids = ["map", list(external_ids.items())]
        interface = {"name": name, "external_ids": ids}
        port = {"name": name, "interfaces": ["named-uuid", "interface"]}
        mutation = ["ports", "insert", ["set", [["named-uuid", "port"]]]]
        self._do_all(
            {"op": "insert", "table": "Interface", "row": interface, "uuid-name": "interface"},
            {"op": "insert", "table": "Port", "row": port, "uuid-name": "port"},
            {"op": "mutate", "table": "Bridge", "where": [["name", "==", bridge]],
             "mutations": [mutation]},
            {"op": "mutate", "table": "Open_vSwitch", "where": [],
             "mutations": [["next_cfg", "+=", 1]]},
        )  # fmt: skip

    def delete_port(self, bridge: str, name: str) -> None:
        """As ``ovs-vsctl del-port``: its other rows are collected, but for the QoS row."""
        (row,) = self._rows("Port", name, "_uuid")
        self._do(
            op="mutate",
            table="Bridge",
            where=[["name", "==", bridge]],
            mutations=[["ports", "delete", row["_uuid"]]],
        )

    def _rows(self, table: str, name: str, *columns: str) -> list[dict[str, Any]]:
        where = [["name", "==", name]]
        rows: list[dict[str, Any]] = self._do(
            op="select", table=table, where=where, columns=columns
        )["rows"]
        return rows

    def _do(self, **operation: object) -> Any:
        return self._do_all(operation)[0]

    def _do_all(self, *operations: Mapping[str, object]) -> list[Any]:
        request = {"method": "transact", "params": ["Open_vSwitch", *operations], "id": 0}
        self._socket.sendall(json.dumps(request).encode())
        results: list[Any] = self._answer()["result"]
        if wrong := [result for result in results if result and "error" in result]:
            raise RuntimeError(f"ovsdb: {wrong}")
        return results

    def _answer(self) -> dict[str, Any]:
        """Messages have no frame: one is whole when it can be parsed. Probes are passed over."""
        data = b""
        while True:
            data += self._socket.recv(1 << 16)
            try:
                answer: dict[str, Any] = json.loads(data)
            except ValueError:
                continue
            if "result" in answer:
                return answer
            self._socket.sendall(json.dumps({"result": [], "error": None, "id": "echo"}).encode())
            data = b""
