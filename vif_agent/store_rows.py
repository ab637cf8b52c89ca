"""A port's row in the store's table, as values: read strictly, for it may be spoilt."""

import dataclasses
import json
import sqlite3
from collections.abc import Mapping

from vif_agent.errors import Problem
from vif_agent.ports import (
    ERROR,
    PENDING,
    PLUG,
    READY,
    RETRYING,
    UNPLUG,
    UNPLUGGED,
    FullSet,
    Port,
    Wish,
)
from vif_agent.resources import Key
from vif_agent.vif import canonical

#: what reading a row may raise: its JSON is none, or says something else
UNREADABLE = (ValueError, TypeError, AttributeError, RecursionError)

#: of a port that is never ready between ever new wishes, the last ones count
_MOST_FORMERS = 16
_MOST_TAKEN = 16

_TYPES: Mapping[str, type] = {
    "seq": int, "since": int, "generation": int, "instance": str, "vif": str, "vif_type": str,
    "request_id": str, "received_at": float, "devices": str, "made": str, "formers": str,
    "source": str, "boot": str, "taken": str,
}  # fmt: skip
_PERHAPS: Mapping[str, type] = {
    "code": str, "message": str, "done_at": float, "ready_at": float, "elapsed_ms": float,
}  # fmt: skip
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
        instance=json.loads(row["instance"]),
        vif=json.loads(row["vif"]),
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
        formers=tuple((instance, vif) for instance, vif in json.loads(row["formers"])),
        source=row["source"],
        rebooted=row["boot"] not in ("", boot),
        taken=tuple(map(int, json.loads(row["taken"]))),
    )


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


def formers(row: sqlite3.Row | None, wish: Wish) -> str:
    """What is undone only from the wish it was done for: a new wish must not make it forgotten."""
    if row is None:
        return "[]"
    known = json.loads(row["formers"])
    former = [json.loads(row["instance"]), json.loads(row["vif"])]
    stands = wish.verb == PLUG and former == [wish.instance, wish.vif]
    if row["verb"] != PLUG or stands or former in known:
        return str(row["formers"])
    return json.dumps([*known, former][-_MOST_FORMERS:])


def taken(row: sqlite3.Row | None, wish: Wish) -> str:
    """With its own generation, for those who wait for one of the last wishes."""
    known = json.loads(row["taken"]) if row else []
    mine = [] if wish.generation is None else [wish.generation]
    return json.dumps([*known, *mine][-_MOST_TAKEN:])


def with_instance(wish: Wish, row: sqlite3.Row | None) -> Wish:
    if wish.instance or row is None:
        return wish
    return dataclasses.replace(wish, instance=_json(row["instance"]))


def says(row: sqlite3.Row, wish: Wish) -> bool:
    """Is this very plug stored already?"""
    return (_json(row["instance"]), _json(row["vif"])) == (wish.instance, wish.vif)


def left_out(row: sqlite3.Row, full: FullSet) -> bool:
    mine = row["verb"] == PLUG and row["source"] == full.source
    return mine and row["port_id"] not in full.named


def unplug(row: sqlite3.Row, full: FullSet) -> Wish:
    return Wish(
        port_id=row["port_id"],
        verb=UNPLUG,
        instance=_json(row["instance"]),
        vif=_json(row["vif"]) or {"id": row["port_id"]},
        generation=full.generation,
        request_id=full.request_id,
        received_at=full.received_at,
        source=full.source,
    )


def _json(text: str) -> object:
    """None for what cannot be read: then it is not what anybody says."""
    try:
        return json.loads(text)
    except UNREADABLE:
        return None
