"""The part of the Open_vSwitch schema we read (ovs-vswitchd.conf.db(5), OVS 2.6 and later): a class
for a table, an attribute for a column.

Kept here, so that neither a schema file nor a round trip is needed, and a server of any later
version fits: these columns only are asked for. What we write and never read is not among them, so
nobody is woken by Neutron's tags.

Texts are kept once: a row's UUID stands where others refer to it, a map's keys in every row.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from sys import intern
from typing import Any, ClassVar, NamedTuple, get_type_hints


@dataclass(eq=False, slots=True)
class Row:
    """``references``: the columns that name rows of other tables of ours by UUID."""

    references: ClassVar[tuple[str, ...]] = ()

    uuid: str


Ids = dict[str, str]


@dataclass(eq=False, slots=True)
class OpenVSwitch(Row):
    """The one root: which configuration is asked for, which is reached, by which release."""

    next_cfg: int = 0
    cur_cfg: int = 0
    ovs_version: str | None = None


@dataclass(eq=False, slots=True)
class Bridge(Row):
    """Columns that are read; ``ports`` and ``controller`` are UUIDs."""

    references: ClassVar[tuple[str, ...]] = ("ports",)

    name: str = ""
    ports: set[str] = field(default_factory=set)
    datapath_type: str = ""
    fail_mode: str | None = None
    controller: set[str] = field(default_factory=set)
    external_ids: Ids = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Port(Row):
    """What a bridge has; of a bond several interfaces."""

    references: ClassVar[tuple[str, ...]] = ("interfaces", "qos")

    name: str = ""
    interfaces: set[str] = field(default_factory=set)
    qos: str | None = None


@dataclass(eq=False, slots=True)
class Interface(Row):
    """The device; ``ofport`` is below 0 where it cannot be opened, and ``error`` says why."""

    name: str = ""
    type: str = ""
    external_ids: Ids = field(default_factory=dict)
    options: Ids = field(default_factory=dict)
    mtu_request: int | None = None
    ofport: int | None = None
    error: str | None = None


@dataclass(eq=False, slots=True)
class Qos(Row):
    """A port refers to it; no row goes by itself when its port does."""

    type: str = ""
    external_ids: Ids = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Database(Row):
    """Of the database ``_Server``: what ovsdb-server says of those that it serves."""

    name: str = ""
    model: str = ""
    connected: bool = False
    index: int | None = None


DATABASE = "Open_vSwitch"
ROOT = "Open_vSwitch"
TABLES: dict[str, type[Row]] = {
    ROOT: OpenVSwitch,
    "Bridge": Bridge,
    "Port": Port,
    "Interface": Interface,
    "QoS": Qos,
}
SERVER = "_Server"
SERVER_TABLES: dict[str, type[Row]] = {"Database": Database}


class Column(NamedTuple):
    """How a column's JSON is read (RFC 7047), and what ``update2`` says of its change
    (ovsdb-server(7)): of a set what has come or gone, of a map the pairs that differ, else all."""

    read: Callable[[Any], Any]
    change: Callable[[Any, Any], Any]


def _atoms(value: Any) -> list[Any]:
    """A set of one may come without the brackets."""
    is_set = isinstance(value, list) and value[0] == "set"
    return [_atom(each) for each in (value[1] if is_set else [value])]


def _atom(value: Any) -> Any:
    plain = value[1] if isinstance(value, list) else value  # ["uuid", …]
    return intern(plain) if isinstance(plain, str) else plain


def _optional(value: Any) -> Any:
    return next(iter(_atoms(value)), None)


def _set(value: Any) -> set[Any]:
    return set(_atoms(value))


def _map(value: Any) -> Ids:
    kind, pairs = value
    if kind != "map":
        raise ValueError(f"no map: {value}")
    return {intern(key): intern(value) for key, value in pairs}


def _anew(_: Any, changed: Any) -> Any:
    return changed


def _toggled(had: set[Any], changed: set[Any]) -> set[Any]:
    had ^= changed  # in place: a bridge may have thousands of ports
    return had


def _merged(had: Ids, changed: Ids) -> Ids:
    """A pair that was there and comes again has gone."""
    gone = {key for key, value in changed.items() if had.get(key) == value}
    return {key: value for key, value in {**had, **changed}.items() if key not in gone}


_SCALAR, _OPTIONAL = Column(_atom, _anew), Column(_optional, _anew)
_KINDS: dict[Any, Column] = {
    str: _SCALAR,
    int: _SCALAR,
    bool: _SCALAR,
    str | None: _OPTIONAL,
    int | None: _OPTIONAL,
    set[str]: Column(_set, _toggled),
    Ids: Column(_map, _merged),
}


def _columns(row: type[Row]) -> dict[str, Column]:
    hints = get_type_hints(row)
    names = (each.name for each in fields(row))
    return {name: _KINDS[hints[name]] for name in names if name != "uuid"}


#: by a row's class
COLUMNS = {row: _columns(row) for row in (*TABLES.values(), *SERVER_TABLES.values())}


def requests(tables: dict[str, type[Row]]) -> dict[str, Any]:
    """What a ``monitor`` asks for."""
    return {table: [{"columns": [*COLUMNS[row]]}] for table, row in tables.items()}
