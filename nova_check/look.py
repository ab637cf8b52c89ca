"""The host, told by `ip`, /proc/sys and `ovs-vsctl`: {thing: {field: value}}.

Left out is what differs from run to run: indices, counters, timers, MAC addresses by chance.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vif_agent.testing.host import ScratchHost

State = dict[str, dict[str, str]]

SYSCTLS = Path("/proc/sys/net")
TABLES = ("Bridge", "Port", "Interface", "QoS", "Queue")

_CHANCE = re.compile(
    r"ifname|ifindex|link_index|link_netnsid|stats.*|.*_timer|.*bridge_id|.*root_id|"
    r".*designated_bridge|.*designated_root"
)
_ROW_CHANCE = re.compile(r"_uuid|name|ifindex|statistics.*|status.*|link_resets|datapath_id")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_NOVAS_MAC = re.compile(r"f[ae]:16:3e:.*|00:00:00:00:00:00|ff:ff:ff:ff:ff:ff|01:80:c2:.*")


def look(host: ScratchHost) -> State:
    return {**_links(host), **_rows(host)}


def _links(host: ScratchHost) -> State:
    answer = {link["ifname"]: link for link in json.loads(host.ip("-j", "-d", "addr", "show"))}
    return {f"link {name}": dict(_link(name, link)) for name, link in answer.items()}


def _link(name: str, link: dict[str, Any]) -> Iterator[tuple[str, str]]:
    addresses = sorted(f"{a['family']} {a['scope']}" for a in link.pop("addr_info"))
    yield "addresses", ", ".join(addresses)
    for path, value in _flat("", link):
        if not _CHANCE.fullmatch(path):
            yield path, _said(value)
    for family in ("ipv4", "ipv6"):
        for file in sorted((SYSCTLS / family / "conf" / name).iterdir()):
            if file.name != "stable_secret":  # unreadable until it is set
                yield f"sysctl {family} {file.name}", file.read_text().strip()


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield path, value
        return
    for name, inner in value.items():
        yield from _flat(f"{path}.{name}" if path else name, inner)


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(sorted(map(str, value)))
    text = str(value)
    return "by chance" if _MAC.fullmatch(text) and not _NOVAS_MAC.fullmatch(text) else text


def _rows(host: ScratchHost) -> State:
    tables = {table: _table(host, table) for table in TABLES}
    names = {_uuid(row): row["name"] for t in TABLES[:3] for row in tables[t]}
    for port in tables["Port"]:
        if port["qos"][0] == "uuid":
            names[port["qos"][1]] = f"of {port['name']}"
    return {
        f"{table} {names.get(_uuid(row), 'of none')}": dict(_row(row, names))
        for table in TABLES
        for row in tables[table]
    }


def _table(host: ScratchHost, table: str) -> list[dict[str, Any]]:
    answer = json.loads(host.ovs.vsctl("--format=json", "list", table))
    return [dict(zip(answer["headings"], row, strict=True)) for row in answer["data"]]


def _uuid(row: dict[str, Any]) -> str:
    return str(row["_uuid"][1])


def _row(row: dict[str, Any], names: dict[str, str]) -> Iterator[tuple[str, str]]:
    for column, value in row.items():
        if column == "ofport":
            yield column, "given" if isinstance(value, int) and value > 0 else "not given"
        elif isinstance(value, list) and value[0] == "map":
            for key, inner in value[1]:
                if not _ROW_CHANCE.fullmatch(column):
                    yield f"{column}:{key}", _said(inner)
        elif not _ROW_CHANCE.fullmatch(column):
            yield column, _atoms(value, names)


def _atoms(value: Any, names: dict[str, str]) -> str:
    """uuids by the names of their rows."""
    if not isinstance(value, list):
        return _said(value)
    if value[0] == "uuid":
        return names.get(value[1], "a row")
    return ",".join(sorted(_atoms(item, names) for item in value[1]))
