"""The few words of OVSDB's protocol (RFC 7047) that the bench speaks itself."""

from __future__ import annotations

import json
import socket
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
        request = {"method": "transact", "params": ["Open_vSwitch", operation], "id": 0}
        self._socket.sendall(json.dumps(request).encode())
        (result,) = self._answer()["result"]
        if "error" in result:
            raise RuntimeError(f"ovsdb: {result}")
        return result

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
