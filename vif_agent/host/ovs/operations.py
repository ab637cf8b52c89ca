"""A transaction: the operations of one ``transact`` (RFC 7047), and what its answer says. Pure."""

import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from vif_agent.host.ovs.refusals import refusal
from vif_agent.host.ovs.schema import DATABASE, ROOT, Bridge, OpenVSwitch, Row

Json = Any


def reference(uuid: str) -> Json:
    """To a row, as RFC 7047 writes it."""
    return ["uuid", uuid]


def as_set(items: Collection[Json]) -> Json:
    """As RFC 7047 writes it."""
    return ["set", [*items]]


def as_map(pairs: Mapping[str, str]) -> Json:
    """As RFC 7047 writes it."""
    return ["map", [[key, value] for key, value in pairs.items()]]


class Operations:
    """In the order in which they are asked for; but first what must still be as we have seen it.

    What comes to and goes from one bridge is one operation: ovsdb-server copies the set of all its
    ports for each.
    """

    def __init__(self) -> None:
        self._checks: list[Json] = []
        self._changes: list[Json] = []
        self._ports: dict[tuple[str, str, str], list[Json]] = {}
        self._numbers = itertools.count()

    def insert(self, table: str, **columns: Json) -> Json:
        """The new row's name in this transaction, to be referred to. None: as by default."""
        name = f"row{next(self._numbers)}"
        given = {column: value for column, value in columns.items() if value is not None}
        self._add("insert", table, {"uuid-name": name, "row": given})
        return ["named-uuid", name]

    def update(self, table: str, row: Row, **columns: Json) -> None:
        """Set these columns of the row."""
        self._add("update", table, {"where": _is(reference(row.uuid)), "row": columns})

    def set_keys(self, table: str, row: Row, column: str, pairs: Mapping[str, str]) -> None:
        """``insert`` alone would keep the value of a key that is there."""
        mutations = [[column, "delete", as_set(pairs)], [column, "insert", as_map(pairs)]]
        self._mutate(table, row, mutations)

    def delete_keys(self, table: str, row: Row, column: str, keys: Collection[str]) -> None:
        """Of a map; others' keys in it stay."""
        self._mutate(table, row, [[column, "delete", as_set(keys)]])

    def delete(self, table: str, row: Row) -> None:
        """The row; ovsdb-server refuses that while a strong reference is there."""
        self._add("delete", table, {"where": _is(reference(row.uuid))})

    def add_member(self, table: str, where: Json, column: str, new: Json) -> None:
        """``where``: the row that gets it, which may be new too."""
        self._members(table, where, column, "insert").append(new)

    def remove_member(self, table: str, row: Row, column: str, member: Row) -> None:
        """From a set of references; others' members stay."""
        members = self._members(table, reference(row.uuid), column, "delete")
        members.append(reference(member.uuid))

    def _members(self, table: str, where: Json, column: str, mutator: str) -> list[Json]:
        key = (json.dumps(where), column, mutator)
        if key not in self._ports:
            self._ports[key] = []
            mutations = [[column, mutator, ["set", self._ports[key]]]]
            self._add("mutate", table, {"where": _is(where), "mutations": mutations})
        return self._ports[key]

    def check_ports(self, bridge: Bridge) -> None:
        """Else the transaction does nothing, and is to be written anew."""
        ports = as_set([reference(uuid) for uuid in bridge.ports])
        self._checks.append(
            {"op": "wait", "table": "Bridge", "timeout": 0, "where": _is(reference(bridge.uuid)),
             "until": "==", "columns": ["ports"], "rows": [{"ports": ports}]}
        )  # fmt: skip

    def _mutate(self, table: str, row: Row, mutations: Json) -> None:
        where = _is(reference(row.uuid))
        self._add("mutate", table, {"where": where, "mutations": mutations})

    def _add(self, kind: str, table: str, more: Mapping[str, Json]) -> None:
        self._changes.append({"op": kind, "table": table, **more})

    def request(self, root: OpenVSwitch) -> list[Json] | None:
        """With a new configuration number, for ovs-vswitchd to say how far it has come; None if
        there is nothing to do."""
        if not self._changes:
            return None
        number = {"table": ROOT, "where": _is(reference(root.uuid))}
        one_more = {"op": "mutate", "mutations": [["next_cfg", "+=", 1]], **number}
        new_number = {"op": "select", "columns": ["next_cfg"], **number}
        return [DATABASE, *self._checks, *self._changes, one_more, new_number]


def outcome(request: Sequence[Json], answer: Json) -> int | None:
    """The new configuration number; None if something was not as we had seen it. Else raises what
    the database refuses."""
    results: list[Any] = answer if isinstance(answer, list) else [answer]
    errors = [r for r in results if not isinstance(r, dict | None) or (r and "error" in r)]
    for error in errors:
        if not isinstance(error, dict) or error["error"] not in ("timed out", "aborted"):
            raise refusal(json.dumps(error))
    if errors or None in results:
        return None
    number: int = results[len(request) - 2]["rows"][0]["next_cfg"]  # request[0] is the database
    return number


def _is(uuid: Json) -> Json:
    return [["_uuid", "==", uuid]]
