"""The replica of OVSDB's rows: whatever it is told, and however, it is what the database has."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from vif_agent.host.ovs.replica import Replica
from vif_agent.host.ovs.schema import COLUMNS, TABLES
from vif_agent.resources import OVS_BRIDGE, OVS_PORT, Key

NAMES = ("one", "two", "three")
Rows = dict[str, dict[str, dict[str, Any]]]


class Database:
    """Bridges, ports, interfaces and QoS rows that change at random; what is told of each change
    in the two forms of RFC 7047 and ovsdb-server(7). Columns are JSON, sets and maps are sorted."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.rows: Rows = {"Bridge": {}, "Port": {}, "Interface": {}, "QoS": {}}
        self.number = 0

    def step(self) -> tuple[Rows, Rows]:
        """``update`` and ``update2`` of one transaction with several changes."""
        first: Rows = {}
        second: Rows = {}
        for _ in range(self.random.randint(1, 4)):
            table = self.random.choice([*self.rows])
            uuid = self.random.choice([*self.rows[table], ""])
            if any(uuid in reported.get(table, {}) for reported in (first, second)):
                continue
            one, two, uuid = self._change(table, uuid)
            first.setdefault(table, {})[uuid] = one
            second.setdefault(table, {})[uuid] = two
        return first, second

    def _change(self, table: str, uuid: str) -> tuple[Any, Any, str]:
        if not uuid:
            self.number += 1
            uuid, new = f"uuid-{self.number}", self._row(table, f"{table}{self.number}")
            self.rows[table][uuid] = new
            return {"new": _json(new)}, {"insert": _json(_not_default(new))}, uuid
        old = self.rows[table][uuid]
        if self.random.random() < 0.5 and not self._is_used(uuid):
            del self.rows[table][uuid]
            return {"old": _json(old)}, {"delete": None}, uuid
        new = self._row(table, old.get("name", ""))
        self.rows[table][uuid] = new
        changed = {column: old[column] for column in new if new[column] != old[column]}
        differs = {column: _difference(old[column], new[column]) for column in changed}
        return {"old": _json(changed), "new": _json(new)}, {"modify": _json(differs)}, uuid

    def _row(self, table: str, name: str) -> dict[str, Any]:
        ids = {key: self.random.choice("ab") for key in NAMES if self.random.random() < 0.5}
        if table == "Bridge":
            return {"name": name, "ports": self._some("Port"), "external_ids": ids}
        if table == "Port":
            qos = sorted(self._some("QoS"))[:1]
            return {"name": name, "interfaces": self._some("Interface"), "qos": tuple(qos)}
        if table == "Interface":
            ofport = tuple(self.random.choices([1, 2], k=self.random.randint(0, 1)))
            return {"name": name, "external_ids": ids, "ofport": ofport}
        port = {"vif-agent-port": self.random.choice(NAMES)} if self.random.random() < 0.5 else {}
        return {"type": self.random.choice(["", "x"]), "external_ids": ids | port}

    def _is_used(self, uuid: str) -> bool:
        """ovsdb-server keeps what others refer to."""
        rows = (row for rows in self.rows.values() for row in rows.values())
        return any(uuid in value for row in rows for value in row.values() if value is not None)

    def _some(self, table: str) -> frozenset[str]:
        return frozenset(uuid for uuid in self.rows[table] if self.random.random() < 0.5)


def _not_default(row: dict[str, Any]) -> dict[str, Any]:
    return {column: value for column, value in row.items() if value}


def _difference(old: Any, new: Any) -> Any:
    if isinstance(new, frozenset):
        return old ^ new
    if isinstance(new, dict):
        gone = {key: value for key, value in old.items() if key not in new}
        return gone | {key: value for key, value in new.items() if old.get(key) != value}
    return new


def _json(row: dict[str, Any]) -> dict[str, Any]:
    return {column: _value(value) for column, value in row.items()}


def _value(value: Any) -> Any:
    """A set of one without its brackets, as ovsdb-server writes it."""
    if isinstance(value, dict):
        return ["map", [list(pair) for pair in value.items()]]
    if isinstance(value, frozenset | tuple):
        atoms = [["uuid", v] if isinstance(v, str) else v for v in value]
        return atoms[0] if len(atoms) == 1 else ["set", atoms]
    return value


@pytest.fixture(params=range(20))
def database(request: pytest.FixtureRequest) -> Database:
    return Database(request.param)


@pytest.mark.parametrize("form", [0, 1])
def test_rows_and_indexes_are_those_of_the_database(database: Database, form: int) -> None:
    replica = Replica()
    for _ in range(60):
        replica.update(database.step()[form])
        _same_rows(replica, database)
        _same_indexes(replica, database)


def _same_rows(replica: Replica, database: Database) -> None:
    for table, rows in database.rows.items():
        assert replica.rows[table].keys() == rows.keys()
        for uuid, columns in rows.items():
            row = replica.rows[table][uuid]
            for column, value in columns.items():
                has = getattr(row, column)
                assert has == (next(iter(value), None) if isinstance(value, tuple) else value)


def _same_indexes(replica: Replica, database: Database) -> None:
    for uuid, row in replica.rows["Port"].items():
        holders = database.rows["Bridge"].items()
        assert {b.uuid for b in replica.users(row)} == {u for u, b in holders if uuid in b["ports"]}
    for uuid, row in replica.rows["QoS"].items():
        ports = database.rows["Port"].items()
        assert {p.uuid for p in replica.users(row)} == {u for u, p in ports if uuid in p["qos"]}
    for bridge in replica.named("Bridge"):
        assert {replica.bridge(bridge.name)} == {bridge}
        names = {database.rows["Port"][u]["name"] for u in bridge.ports if u in _ports(database)}
        assert replica.members(bridge) == names
    owned = (row["external_ids"].get("vif-agent-port") for row in database.rows["QoS"].values())
    assert {*replica.ports_with_qos()} <= {*filter(None, owned)}


def _ports(database: Database) -> dict[str, Any]:
    return database.rows["Port"]


def test_row_that_comes_again_takes_the_pci_name_of_what_was() -> None:
    """As after a connection on which the server has told what we have."""
    replica = Replica()
    for interface in ("i1", "i2"):
        new = {"name": "p", "interfaces": ["uuid", interface]}
        replica.update({"Port": {"p1": {"initial": new}}})
        replica.update({"Interface": {interface: {"initial": {"name": "p"}}}})
    one, two = (replica.rows["Interface"][uuid] for uuid in ("i1", "i2"))
    assert (replica.users(one), replica.users(two)) == ([], [replica.port("p")])


def test_change_of_a_row_that_is_not_there_is_no_change() -> None:
    with pytest.raises(KeyError):
        Replica().update({"Port": {"p1": {"modify": {"name": "p"}}}})


def test_cleared_replica_knows_nothing() -> None:
    replica, database = Replica(), Database(1)
    for _ in range(60):
        replica.update(database.step()[1])
    replica.clear()
    assert not any(replica.rows.values())
    assert [*replica.ports_with_qos()] == []
    assert replica.bridge("Bridge1") is None


def _reported(*changes: dict[str, Any]) -> Iterator[set[Key]]:
    replica = Replica()
    for change in changes:
        replica.changed.clear()
        replica.update(change)
        yield {*replica.changed}


def test_only_what_a_port_shows_is_told() -> None:
    """A bridge's row changes with each port in it."""
    made, joined, marked = _reported(
        {"Bridge": {"b": {"insert": {"name": "br"}}}, "Port": {"p": {"insert": {"name": "in"}}}},
        {"Bridge": {"b": {"modify": {"ports": ["uuid", "p"]}}}},
        {"Bridge": {"b": {"modify": {"external_ids": ["map", [["vif-agent", "shared"]]]}}}},
    )
    assert made == {Key(OVS_BRIDGE, "br"), Key(OVS_PORT, "in")}
    assert joined == set()
    assert marked == {Key(OVS_BRIDGE, "br")}


def test_what_neutron_writes_of_a_port_is_not_asked_for() -> None:
    assert not {"tag", "vlan_mode", "trunks"} & COLUMNS[TABLES["Port"]].keys()
