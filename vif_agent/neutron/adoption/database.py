"""Neutron's database: what is read of a host in one transaction, and changed in it."""

import datetime
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from vif_agent.neutron.adoption import statements
from vif_agent.neutron.adoption.agents import Agent
from vif_agent.neutron.adoption.ports import (
    LINUX_BRIDGE_AGENT,
    VIF_AGENT,
    Bound,
    Level,
    Segment,
    Way,
)

Row = Mapping[str, Any]

#: Neutron's own default for VXLAN; nobody reads it
_UDP_PORT = 4789


class Failed(Exception):
    """What the database says of it."""


class Changed(Exception):
    """Somebody has changed what was just read: nothing is written."""


class Transaction(Protocol):
    """Of a database. What is done in it is done when it ends well, and else undone."""

    def rows(self, statement: str, **values: Any) -> Sequence[Row]:
        """Of a SELECT."""

    def change(self, statement: str, **values: Any) -> int:
        """How many rows it was."""


class Transactions(Protocol):
    """A database."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Raises Failed."""


def agents(transaction: Transaction) -> list[Agent]:
    """Those that wire taps on linux bridges, of all hosts."""
    rows = transaction.rows(statements.AGENTS, one=LINUX_BRIDGE_AGENT, other=VIF_AGENT)
    return [
        Agent(
            host=row["host"],
            type=row["agent_type"],
            heartbeat=_time(row["heartbeat_timestamp"]),
            started=_time(row["started_at"]),
            enabled=bool(row["admin_state_up"]),
            configurations=json.loads(row["configurations"] or "{}"),
        )
        for row in rows
    ]


def bound(transaction: Transaction, host: str, way: Way) -> list[Bound]:
    """All ports with a binding to this host."""

    def ids(statement: str, **values: Any) -> set[str]:
        return {row["port_id"] for row in transaction.rows(statement, host=host, **values)}

    levels = _by_port(transaction.rows(statements.LEVELS, host=host), _level)
    elsewhere = _by_port(transaction.rows(statements.ELSEWHERE, host=host), lambda r: r["host"])
    trunks, qos = ids(statements.TRUNKS), ids(statements.QOS)
    groups = ids(statements.WITH_GROUPS, yes=True)
    normal = transaction.rows(statements.BINDINGS, host=host)
    everywhere = transaction.rows(statements.DISTRIBUTED, host=host, vif_type=way.from_type)
    return [
        Bound(
            port_id=(port := row["port_id"]),
            vif_type=row["vif_type"],
            levels=tuple(sorted(levels[port])),
            vnic_type=row["vnic_type"],
            owner=row["device_owner"] or "",
            device_id=row["device_id"] or "",
            network_id=row["network_id"],
            status=row["status"],
            active=row["binding_status"] == "ACTIVE",
            elsewhere=tuple(sorted(elsewhere[port])),
            distributed=is_distributed,
            trunk=port in trunks,
            qos=port in qos,
            groups=port in groups,
        )
        for rows, is_distributed in ((normal, False), (everywhere, True))
        for row in rows
    ]


def change(
    transaction: Transaction,
    host: str,
    ports: Iterable[Bound],
    way: Way,
    details: Mapping[str, Any],
) -> None:
    """Raises Changed when a port is not as it was read."""
    values = {
        "host": host,
        "from_type": way.from_type,
        "to_type": way.to_type,
        "from_driver": way.from_driver,
        "to_driver": way.to_driver,
        "details": json.dumps(details),
    }
    for port in ports:
        for statement in (statements.CHANGE_BINDING, statements.CHANGE_LEVEL, statements.REVISE):
            given = {name: value for name, value in values.items() if f":{name}" in statement}
            if transaction.change(statement, port_id=port.port_id, **given) != 1:
                raise Changed(f"port {port.port_id} has been changed meanwhile")


def missing_ends(transaction: Transaction, ends: Mapping[str, str]) -> dict[str, str]:
    """Of these hosts and addresses those that nobody would be told of."""
    known = {(row["host"], row["ip_address"]) for row in transaction.rows(statements.TUNNEL_ENDS)}
    taken = {part for pair in known for part in pair}
    return {host: ip for host, ip in sorted(ends.items()) if not {host, ip} & taken}


def add_ends(transaction: Transaction, ends: Mapping[str, str]) -> None:
    """As the hosts' agents would have told them."""
    for host, address in ends.items():
        values = {"address": address, "udp_port": _UDP_PORT, "host": host}
        transaction.change(statements.ADD_TUNNEL_END, **values)


def _level(row: Row) -> Level:
    segment = Segment(row["network_type"] or "", row["physical_network"], row["segmentation_id"])
    return Level(row["level"], row["driver"] or "", segment)


def _by_port(rows: Iterable[Row], value: Callable[[Row], Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[row["port_id"]].append(value(row))
    return found


def _time(given: Any) -> datetime.datetime:
    """SQLite has none: it answers with text."""
    if isinstance(given, datetime.datetime):
        return given
    return datetime.datetime.fromisoformat(given)
