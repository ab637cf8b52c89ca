"""The replica against a real ovsdb-server, whatever others do to its rows."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.host.test_ovsdb import Client
from tests.support.casting import wait_for
from vif_agent.host.ovs.schema import COLUMNS, DATABASE, TABLES
from vif_agent.testing import processes
from vif_agent.testing.ovs import PrivateOvs

BRIDGES, PORTS, KEYS = ("br-a", "br-b"), [f"p{n}" for n in range(8)], ("iface-id", "x", "ovn-é")


@pytest.fixture
def ovs(namespace: None, tmp_path: Path) -> Iterator[PrivateOvs]:
    """Nobody carries its ports out: none is needed."""
    ovs = PrivateOvs(tmp_path)
    ovs.start_ovsdb()
    yield ovs
    ovs.stop_ovsdb()


def commands(chosen: random.Random) -> list[str]:
    """One transaction of some ovs-vsctl commands that harm nothing if their row is not there."""
    bridge, port, key = chosen.choice(BRIDGES), chosen.choice(PORTS), chosen.choice(KEYS)
    qos = ["--id=@q", "create", "qos", f"type={chosen.choice(['linux-noop', 'linux-htb'])}"]
    of_port = ["--if-exists", "set", "port", port]
    of_interface = ["--if-exists", "set", "interface", port]
    one: list[list[str]] = chosen.choice(
        [
            [["--may-exist", "add-br", bridge]],
            [["--if-exists", "del-br", bridge]] if chosen.random() < 0.3 else [["show"]],
            [["--may-exist", "add-br", bridge], ["--if-exists", "del-port", port],
             ["add-port", bridge, port]],
            [["--if-exists", "del-port", port]],
            [["--may-exist", "add-br", bridge], ["--if-exists", "del-port", port],
             ["add-bond", bridge, port, f"{port}-1", f"{port}-2"]],
            [[*of_interface, f"external_ids:{key}={chosen.choice('äb')}"]],
            [["--if-exists", "remove", "interface", port, "external_ids", key]],
            [[*of_interface, f"mtu_request={chosen.randint(68, 70)}", "type=internal"]],
            [["--if-exists", "clear", "interface", port, "mtu_request"]],
            [qos, [*of_port, "qos=@q"]],
            [["--if-exists", "clear", "port", port, "qos"]],
            [["--if-exists", "set", "bridge", bridge, f"external_ids:{key}=1", "fail_mode=secure"]],
            [["--if-exists", "clear", "bridge", bridge, "fail_mode"]],
        ]
    )  # fmt: skip
    return [word for command in one for word in ("--", *command)]


@pytest.mark.parametrize("seed", range(3))
def test_rows_are_those_of_the_server(ovs: PrivateOvs, seed: int) -> None:
    chosen, client = random.Random(seed), Client(ovs.connection)
    seen: set[str] = set()
    try:
        assert client.connects()
        for _ in range(60):
            ovs.vsctl("--no-wait", *commands(chosen))
            served = _served(ovs)
            wait_for(lambda served=served: _held(client) == served, "the same rows")  # type: ignore[misc]
            seen |= {table for table, rows in served.items() if rows}
        assert seen == TABLES.keys()
    finally:
        client.ovsdb.stop()


def _held(client: Client) -> dict[str, Any]:
    client.ovsdb.read([])
    rows = client.ovsdb._client.replica.rows
    return {
        table: {
            uuid: {c: getattr(row, c) for c in COLUMNS[kind]} for uuid, row in rows[table].items()
        }
        for table, kind in TABLES.items()
    }


def _served(ovs: PrivateOvs) -> dict[str, Any]:
    asked = [
        {"op": "select", "table": table, "where": [], "columns": ["_uuid", *COLUMNS[kind]]}
        for table, kind in TABLES.items()
    ]
    argv = ("ovsdb-client", "transact", ovs.connection, json.dumps([DATABASE, *asked]))
    answers = json.loads(processes.run(argv, os.environ))
    return {
        table: {
            row["_uuid"][1]: {name: kind.read(row[name]) for name, kind in COLUMNS[rows].items()}
            for row in answer["rows"]
        }
        for (table, rows), answer in zip(TABLES.items(), answers, strict=True)
    }
