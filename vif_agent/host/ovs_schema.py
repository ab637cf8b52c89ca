"""The part of the Open_vSwitch schema we use (ovs-vswitchd.conf.db(5), OVS 2.6 and later).

Kept here, so that the IDL needs neither a schema file nor a round trip, and a server of any later
version fits: the IDL asks for these columns only.
"""

from typing import Any


def _set_of(table: str) -> dict[str, Any]:
    return {"key": {"type": "uuid", "refTable": table}, "min": 0, "max": "unlimited"}


_OPTIONAL = {"min": 0, "max": 1}
_MAP = {"key": "string", "value": "string", "min": 0, "max": "unlimited"}

_COLUMNS: dict[str, dict[str, Any]] = {
    "Open_vSwitch": {
        "bridges": _set_of("Bridge"),
        "next_cfg": "integer",
        "cur_cfg": "integer",
    },
    "Bridge": {
        "name": "string",
        "ports": _set_of("Port"),
        "datapath_type": "string",
        "fail_mode": {"key": "string", **_OPTIONAL},
        "controller": {"key": "uuid", "min": 0, "max": "unlimited"},  # the rows are not asked for
        "external_ids": _MAP,
    },
    "Port": {
        "name": "string",
        "interfaces": {**_set_of("Interface"), "min": 1},
        "qos": {**_set_of("QoS"), "max": 1},
        "tag": {"key": "integer", **_OPTIONAL},
        "vlan_mode": {"key": "string", **_OPTIONAL},
        "trunks": {"key": "integer", "min": 0, "max": 4096},
    },
    "Interface": {
        "name": "string",
        "type": "string",
        "external_ids": _MAP,
        "options": _MAP,
        "mtu_request": {"key": "integer", **_OPTIONAL},
        "ofport": {"key": "integer", **_OPTIONAL},
        "ofport_request": {"key": "integer", **_OPTIONAL},
        "error": {"key": "string", **_OPTIONAL},
    },
    "QoS": {"type": "string", "external_ids": _MAP},
}

NAMED_TABLES = ("Bridge", "Port", "Interface")


def schema() -> dict[str, Any]:
    """A fresh JSON value each time: the IDL changes what it is given."""
    return {
        "name": "Open_vSwitch",
        "version": "7.14.0",
        "tables": {
            table: {
                "columns": {name: {"type": kind} for name, kind in columns.items()},
                "isRoot": table in ("Open_vSwitch", "QoS"),
            }
            for table, columns in _COLUMNS.items()
        },
    }


def columns() -> dict[str, list[str]]:
    return {table: list(names) for table, names in _COLUMNS.items()}
