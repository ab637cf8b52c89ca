"""A port's row in the store's table, as values: read strictly, for it may be spoilt."""

import json
import sqlite3
from collections.abc import Mapping, Sequence

from vif_agent.errors import Problem
from vif_agent.ports.port import (
    ERROR,
    PENDING,
    PLUG,
    READY,
    RETRYING,
    UNPLUG,
    UNPLUGGED,
    Port,
    Spec,
)
from vif_agent.resources import Key
from vif_agent.vif import canonical

#: what reading a row may raise: its JSON is none, or says something else
UNREADABLE = (ValueError, TypeError, AttributeError, RecursionError)

_TYPES: Mapping[str, type] = {
    "seq": int, "since": int, "generation": int, "instance": str, "vif": str, "vif_type": str,
    "request_id": str, "received_at": float, "devices": str, "made": str, "formers": str,
    "source": str, "boot": str, "taken": str,
}  # fmt: skip
_PERHAPS: Mapping[str, type] = {
    "code": str, "message": str, "done_at": float, "ready_at": float, "elapsed_ms": float,
}  # fmt: skip
#: a new request; nothing stays of a row that is spoilt
PUT = """
INSERT OR REPLACE INTO ports (port_id, seq, since, verb, generation, instance, vif, vif_type,
    request_id, received_at, state, devices, made, boot, formers, source, taken)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
#: what became of it
RESULT = """
UPDATE ports SET state=?, code=?, message=?, transient=?, devices=?, made=?, boot=?, done_at=?,
    ready_at=?, elapsed_ms=?, formers=?, left_at=? WHERE port_id=? AND seq=?
"""
RENEWED = "UPDATE ports SET generation = ? WHERE port_id = ?"
MADE = "UPDATE ports SET made = ?, boot = ? WHERE port_id = ?"

_EARLIER = "an earlier one"  # than this boot of the host

_STATES = (PENDING, READY, RETRYING, ERROR, UNPLUGGED)


def port(row: sqlite3.Row, boot: str) -> Port:
    """One of UNREADABLE for a row that is none of ours any more."""
    _check(row)
    problem = None
    if row["code"]:
        problem = Problem(row["code"], row["message"] or "", bool(row["transient"]))
    return Port(
        port_id=row["port_id"],
        seq=row["seq"],
        since=row["since"],
        verb=row["verb"],
        generation=row["generation"],
        spec=_spec(row["instance"], row["vif"]),
        vif_type=row["vif_type"],
        request_id=row["request_id"],
        received_at=row["received_at"],
        state=row["state"],
        problem=problem,
        devices=tuple(str(name) for name in json.loads(row["devices"])),
        made=frozenset(Key(*map(str, key)) for key in json.loads(row["made"])),
        done_at=row["done_at"],
        ready_at=row["ready_at"],
        elapsed_ms=row["elapsed_ms"],
        previous_specs=tuple((instance, vif) for instance, vif in json.loads(row["formers"])),
        source=row["source"],
        rebooted=row["boot"] not in ("", boot),
        recent_generations=tuple(map(int, json.loads(row["taken"]))),
    )


def _spec(instance: str, vif: str) -> Spec:
    """Both are JSON, or it raises."""
    json.loads(instance)
    json.loads(vif)
    return Spec(instance, vif)


def _check(row: sqlite3.Row) -> None:
    """SQLite keeps any type in any column, and its bits may have turned."""
    for name, kind in (*_TYPES.items(), *_PERHAPS.items()):
        value = row[name]
        if value is None and name in _PERHAPS:
            continue
        if type(value) is not kind:
            raise TypeError(f"{name} is no {kind.__name__}")
        if isinstance(value, str):
            value.encode()  # fails for what was no UTF-8
    if row["verb"] not in (PLUG, UNPLUG) or row["state"] not in _STATES:
        raise ValueError("verb or state is none of ours")
    if canonical("port_id", row["port_id"]) != row["port_id"]:
        raise ValueError("port_id is no UUID as we write it")


def order(row: sqlite3.Row) -> int:
    """Of the ports, the oldest first."""
    return row["since"] if isinstance(row["since"], int) else 0


def of_request(port: Port, boot: str) -> tuple[object, ...]:
    """For PUT."""
    return (
        port.port_id, port.seq, port.since, port.verb, port.generation, port.spec.instance,
        port.spec.vif, port.vif_type, port.request_id, port.received_at, port.state,
        _list(port.devices), made(port), _EARLIER if port.rebooted else boot,
        _list(port.previous_specs), port.source, str([*port.recent_generations]),
    )  # fmt: skip


def of_result(port: Port, boot: str, age: float) -> tuple[object, ...]:
    """For RESULT."""
    problem = port.problem
    return (
        port.state, problem and problem.code, problem and problem.message,
        problem and problem.transient, _list(port.devices), made(port), boot, port.done_at,
        port.ready_at, port.elapsed_ms, _list(port.previous_specs),
        age if port.state == UNPLUGGED else None, port.port_id, port.seq,
    )  # fmt: skip


def made(port: Port) -> str:
    """For the column of this name."""
    return _list(sorted(port.made))


def _list(values: Sequence[object]) -> str:
    return json.dumps(values) if values else "[]"
