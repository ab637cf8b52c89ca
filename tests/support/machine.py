"""Everything of a machine that a cast might change: its links, addresses, routes and OVSDB."""

from __future__ import annotations

import json
from typing import Any

from tests.support.real_host import ip, tables
from vif_agent.testing.ovs import PrivateOvs

#: what changes by itself
_LINK = ("stats", "stats64", "carrier_changes")
_ROW = ("_version", "cur_cfg", "next_cfg", "statistics", "status", "mac_in_use", "ofport_request")
_TABLES = ("open_vswitch", "bridge", "port", "interface", "qos")


def state(ovs: PrivateOvs) -> dict[str, Any]:
    """When ovs-vswitchd has followed."""
    ovs.sync()
    addresses = json.loads(ip("-d", "-j", "addr", "show"))
    return {
        "links": {link["ifname"]: _without(link, *_LINK) for link in addresses},
        "routes": [
            json.loads(ip("-d", "-j", family, "route", "show", "table", "all") or "[]")
            for family in ("-4", "-6")
        ],
        "neighbours": json.loads(ip("-d", "-j", "neigh", "show") or "[]"),
        "rows": {
            name: {row["_uuid"]: _without(row, *_ROW) for row in rows}
            for name, rows in zip(_TABLES, tables(ovs, *_TABLES), strict=True)
        },
    }


def _without(thing: Any, *names: str) -> Any:
    if not isinstance(thing, dict):
        return thing
    kept = {key: value for key, value in thing.items() if key not in names}
    return {key: _without(value, *names) for key, value in kept.items() if "timer" not in key}
