"""What is read and written, by the statements themselves, with as much of Neutron's schema as they
speak of. tests/neutron_server has the whole of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from vif_agent.neutron.adoption import database
from vif_agent.neutron.adoption.ports import ADOPT, RETURN, Bound, Level, Segment

_SCHEMA = """
CREATE TABLE standardattributes (id INTEGER PRIMARY KEY, revision_number INTEGER);
CREATE TABLE ports (id, network_id, device_owner, device_id, status, standard_attr_id);
CREATE TABLE ml2_port_bindings (port_id, host, vif_type, vnic_type, vif_details, status);
CREATE TABLE ml2_distributed_port_bindings (port_id, host, vif_type, vnic_type, status);
CREATE TABLE ml2_port_binding_levels (port_id, host, level, driver, segment_id);
CREATE TABLE networksegments (id, network_type, physical_network, segmentation_id);
CREATE TABLE trunks (port_id);
CREATE TABLE subports (port_id);
CREATE TABLE qos_port_policy_bindings (port_id);
CREATE TABLE qos_network_policy_bindings (network_id);
CREATE TABLE securitygroupportbindings (port_id, security_group_id);
CREATE TABLE portsecuritybindings (port_id, port_security_enabled);
CREATE TABLE agents (host, agent_type, heartbeat_timestamp, started_at, admin_state_up,
                     configurations);
CREATE TABLE ml2_vxlan_endpoints (ip_address PRIMARY KEY, udp_port NOT NULL, host UNIQUE);
INSERT INTO networksegments VALUES ('s1', 'vxlan', NULL, 70007), ('s2', 'flat', 'physnet1', NULL);
"""
TWO = {"host": "two", "vif_type": "bridge", "driver": "linuxbridge"}


class Sqlite:
    """A Transaction."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:")
        self.connection.row_factory = sqlite3.Row
        self.connection.executescript(_SCHEMA)

    def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in self.connection.execute(statement, values)]

    def change(self, statement: str, **values: Any) -> int:
        return self.connection.execute(statement, values).rowcount

    def add(self, table: str, *values: Any) -> None:
        marks = ", ".join("?" * len(values))
        self.connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)

    def add_port(
        self, name: str, host: str = "one", vif_type: str = "bridge", driver: str = "linuxbridge"
    ) -> None:
        number = len(self.rows("SELECT id FROM standardattributes"))
        self.add("standardattributes", number, 7)
        self.add("ports", name, "net", "compute:nova", "guest", "ACTIVE", number)
        self.bind(name, host, vif_type, driver)

    def bind(
        self, name: str, host: str, vif_type: str, driver: str, status: str = "ACTIVE"
    ) -> None:
        self.add("ml2_port_bindings", name, host, vif_type, "normal", "{}", status)
        self.add("ml2_port_binding_levels", name, host, 0, driver, "s1")


@pytest.fixture
def db() -> Iterator[Sqlite]:
    sqlite = Sqlite()
    yield sqlite
    sqlite.connection.close()


def bound(db: Sqlite, host: str = "one") -> dict[str, Bound]:
    return {port.port_id: port for port in database.bound(db, host, ADOPT)}


def test_a_port_is_read_with_its_segment(db: Sqlite) -> None:
    db.add_port("p")
    db.add_port("q", **TWO)
    assert bound(db) == {
        "p": Bound(
            port_id="p",
            vif_type="bridge",
            levels=(Level(0, "linuxbridge", Segment("vxlan", None, 70007)),),
            owner="compute:nova",
            device_id="guest",
            network_id="net",
            status="ACTIVE",
        )
    }


def test_what_stands_in_its_way_is_read_too(db: Sqlite) -> None:
    for name in ("plain", "parent", "sub", "qos", "grouped", "ungrouped", "unsecured", "migrating"):
        db.add_port(name)
    db.add("trunks", "parent")
    db.add("subports", "sub")
    db.add("qos_port_policy_bindings", "qos")
    for name in ("grouped", "unsecured"):
        db.add("securitygroupportbindings", name, "default")
    for name, enabled in (("grouped", True), ("ungrouped", True), ("unsecured", False)):
        db.add("portsecuritybindings", name, enabled)
    db.bind("migrating", "two", "tap", "vif_agent", "INACTIVE")
    ports = bound(db)
    assert {name for name, port in ports.items() if port.trunk} == {"parent", "sub"}
    assert {name for name, port in ports.items() if port.qos} == {"qos"}
    assert {name for name, port in ports.items() if port.groups} == {"grouped"}
    assert {name: p.elsewhere for name, p in ports.items() if p.elsewhere} == {
        "migrating": ("two",)
    }
    assert bound(db, "two")["migrating"].active is False


def test_a_networks_qos_policy_is_its_guests(db: Sqlite) -> None:
    db.add_port("p")
    db.add("qos_network_policy_bindings", "net")
    assert bound(db)["p"].qos


def test_a_distributed_routers_port_is_told_apart(db: Sqlite) -> None:
    db.add("ports", "r", "net", "network:router_interface_distributed", "router", "ACTIVE", 0)
    db.add("ml2_distributed_port_bindings", "r", "one", "bridge", "normal", "ACTIVE")
    assert bound(db)["r"].distributed


def test_a_change_is_written_and_undone_by_the_way_back(db: Sqlite) -> None:
    db.add_port("p")
    db.add_port("q", **TWO)
    database.change(db, "one", bound(db).values(), ADOPT, {"port_filter": False})
    (port,) = bound(db).values()
    assert port.is_of("tap", "vif_agent")
    details = db.rows("SELECT vif_details FROM ml2_port_bindings WHERE port_id = 'p'")
    assert json.loads(details[0]["vif_details"]) == {"port_filter": False}
    assert db.rows("SELECT revision_number FROM standardattributes") == [
        {"revision_number": 8},
        {"revision_number": 7},
    ]
    assert bound(db, "two")["q"].is_of("bridge", "linuxbridge")
    database.change(db, "one", bound(db).values(), RETURN, {"port_filter": True})
    assert bound(db)["p"].is_of("bridge", "linuxbridge")


def test_a_port_that_others_have_changed_meanwhile_ends_it(db: Sqlite) -> None:
    db.add_port("p")
    ports = bound(db).values()
    db.connection.execute("UPDATE ml2_port_bindings SET vif_type = 'unbound'")
    with pytest.raises(database.Changed, match="port p has been changed"):
        database.change(db, "one", ports, ADOPT, {})


def test_agents_are_read_with_what_they_report(db: Sqlite) -> None:
    at = "2026-11-29 12:00:00.000000"
    db.add("agents", "one", "Linux bridge agent", at, at, 1, '{"l2_population": true}')
    db.add("agents", "one", "L3 agent", at, at, 1, "{}")
    (agent,) = database.agents(db)
    assert (agent.host, agent.enabled, agent.heartbeat.hour) == ("one", True, 12)
    assert agent.configurations == {"l2_population": True}


def test_only_tunnel_ends_that_nobody_knows_are_added(db: Sqlite) -> None:
    db.add("ml2_vxlan_endpoints", "192.0.2.1", 4789, "one")
    db.add("ml2_vxlan_endpoints", "192.0.2.9", 4789, "nine")
    ends = {"one": "192.0.2.1", "two": "192.0.2.2", "three": "192.0.2.9", "nine": "192.0.2.3"}
    missing = database.missing_ends(db, ends)
    assert missing == {"two": "192.0.2.2"}
    database.add_ends(db, missing)
    assert database.missing_ends(db, ends) == {}
