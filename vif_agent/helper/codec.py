"""Orders as plain data, as they cross the channel, and back, read strictly. Pure.

The caller may be anybody by then: nothing passes that is not of its field's type and range, so
that all that follows may rely on that.
"""

import dataclasses
import functools
import ipaddress
import re
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from vif_agent.errors import brief
from vif_agent.helper.orders import ORDERS, Order
from vif_agent.ip_networks import is_network
from vif_agent.names import DEVICE_NAME
from vif_agent.resources import LINK_STATES

#: below /proc/sys/net/*/conf they are all devices, and those to come
_NO_DEVICES = ("all", "default")

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z")
_OWNER = re.compile(r"[A-Za-z0-9_.\-]{1,64}\Z")
_PCI_ADDRESS = re.compile(r"[0-9a-fA-F:.]{1,32}\Z")
_LONGEST_NAME = 15
_MOST_PEERS = 10_000
_MOST_PAIRS = 10_000  # of one guard
_U31, _U32 = (1 << 31) - 1, (1 << 32) - 1
_MOST_SECONDS = 1 << 24  # the kernel counts in hundredths, in 32 bits

Plain = tuple[str, Mapping[str, Any]]
_OrderT = TypeVar("_OrderT", bound=Order)


def to_plain(order: Order) -> Plain:
    """The fields that say something."""
    fields = {f: value for f in _table(type(order)) if (value := getattr(order, f)) is not None}
    return type(order).__name__, fields


def from_plain(data: Iterable[object], *kinds: type[_OrderT]) -> list[_OrderT]:
    """The orders, each of one of these kinds; ValueError names the field that is not as it must."""
    return [_order(item, kinds) for item in data]


def is_device_name(name: object) -> bool:
    """Never "all" or "default", which are no devices to sysctl."""
    return isinstance(name, str) and bool(DEVICE_NAME.match(name)) and name not in _NO_DEVICES


class _Field(NamedTuple):
    types: frozenset[type]
    means: Callable[[Any], object]
    expected: str
    required: bool


def _order(data: object, kinds: tuple[type[_OrderT], ...]) -> _OrderT:
    if not (isinstance(data, tuple | list) and len(data) == 2 and isinstance(data[1], dict)):
        raise ValueError(f"order: expected a kind and its fields, got {brief(data)}")
    kind = _BY_NAME.get(data[0]) if isinstance(data[0], str) else None
    if kind is None or not issubclass(kind, kinds):
        known = ", ".join(k.__name__ for k in ORDERS if issubclass(k, kinds))
        raise ValueError(f"order: expected one of {known}, got {brief(data[0])}")
    table, fields = _table(kind), data[1]
    for name, value in fields.items():
        field = table.get(name)
        if field is None:
            raise ValueError(f"{kind.__name__} has no field {brief(name)}")
        if type(value) not in field.types or not (value is None or field.means(value)):
            got = f"{kind.__name__}.{name}: expected {field.expected}, got {brief(value)}"
            raise ValueError(got)
    for name, field in table.items():
        if field.required and name not in fields:
            raise ValueError(f"{kind.__name__}.{name}: expected {field.expected}, got nothing")
    return kind(**fields)


def _table(kind: type[Order]) -> Mapping[str, _Field]:
    return _tables()[kind.__name__]


@functools.cache
def _tables() -> Mapping[str, Mapping[str, _Field]]:
    return {kind.__name__: _fields(kind) for kind in ORDERS}


def _fields(kind: type[Order]) -> Mapping[str, _Field]:
    hints = get_type_hints(kind)
    return {f.name: _field(kind, f, hints[f.name]) for f in dataclasses.fields(kind)}


def _field(kind: type[Order], field: "dataclasses.Field[Any]", hint: object) -> _Field:
    hints = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    kinds = frozenset(get_origin(one) or one for one in hints)
    key = f"{kind.__name__}.{field.name}"
    means, expected = _MEANINGS.get(key) or _MEANINGS.get(field.name) or (_any, "true or false")
    required = field.default is dataclasses.MISSING
    return _Field(kinds, means, expected, required)


def _any(_: object) -> bool:
    return True


def _from(least: int, most: int, what: str = "a number") -> tuple[Callable[[Any], bool], str]:
    return lambda value: least <= value <= most, f"{what} from {least} to {most}"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _are_addresses(texts: tuple[object, ...]) -> bool:
    all_texts = all(type(text) is str for text in texts)
    return len(texts) <= _MOST_PEERS and all_texts and all(map(_is_address, map(str, texts)))


def _are_macs(texts: tuple[object, ...]) -> bool:
    return 0 < len(texts) <= _MOST_PAIRS and all(
        isinstance(t, str) and _MAC.match(t) for t in texts
    )


def _are_pairs(pairs: tuple[object, ...]) -> bool:
    return len(pairs) <= _MOST_PAIRS and all(map(_is_pair, pairs))


def _is_pair(pair: object) -> bool:
    """The network in its one form."""
    if not (type(pair) is tuple and len(pair) == 2):
        return False
    mac, network = pair
    texts = type(mac) is str and type(network) is str
    return texts and bool(_MAC.match(mac)) and is_network(network)


_NAME = (is_device_name, "the name of a device")
_NAME_OR_NONE = (lambda name: name == "" or is_device_name(name), 'the name of a device, or ""')
_ADDRESS = (lambda text: text == "" or _is_address(text), 'an IP address, or ""')
_OWNER_TAG = (_OWNER.match, "a port's id, or shared")
_SECONDS = _from(0, _MOST_SECONDS, "seconds")

_MEANINGS: Mapping[str, tuple[Callable[[Any], object], str]] = {
    **dict.fromkeys(("name", "peer", "parent"), _NAME),
    **dict.fromkeys(("master", "bridge"), _NAME_OR_NONE),
    "called": (
        lambda name: len(name) <= _LONGEST_NAME and (not name or name.isprintable()),
        "a name of up to 15 characters",
    ),
    **dict.fromkeys(("owner", "MoveNic.port", "ChangeExternal.port"), _OWNER_TAG),
    "SetVf.name": (_PCI_ADDRESS.match, "a PCI address"),
    "mac": (_MAC.match, "a MAC address in lower case"),
    "macs": (_are_macs, f"1 to {_MOST_PAIRS} MAC addresses in lower case"),
    "pairs": (_are_pairs, f"up to {_MOST_PAIRS} pairs of a MAC address and a network"),
    "mtu": _from(0, _U31, "bytes"),
    "index": _from(1, _U31, "an index"),
    "replaces": _from(0, _U31, "an index"),
    **dict.fromkeys(("forward_delay", "ageing"), _SECONDS),
    **dict.fromkeys(("arp_ignore", "arp_announce"), _from(0, 8)),
    "number": _from(0, 65535),
    **dict.fromkeys(("vid", "vlan"), _from(0, 4094)),
    "vni": _from(0, (1 << 24) - 1),
    "ttl": _from(0, 255),
    "port": _from(0, 65535),
    **dict.fromkeys(("local", "group"), _ADDRESS),
    "peers": (_are_addresses, f"up to {_MOST_PEERS} IP addresses"),
    "link_state": (LINK_STATES.__contains__, f"one of {', '.join(LINK_STATES)}"),
    **dict.fromkeys(("min_tx_rate", "max_tx_rate"), _from(0, _U32, "Mbit/s")),
}
_BY_NAME = {kind.__name__: kind for kind in ORDERS}
