"""Is a plugin's answer one? Refused here, it can hurt no other port's reconcile.

Checked by the declarations in ``vif_agent.resources``: a new kind needs nothing here.
"""

import dataclasses
import functools
import ipaddress
import itertools
import re
import types
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from vif_agent import resources
from vif_agent.errors import PluginFailed, brief
from vif_agent.pci_names import PLACEHOLDER
from vif_agent.plugins.base import MOST
from vif_agent.resources import (
    LINK_STATES,
    Command,
    Guard,
    Link,
    OtherLink,
    OvsPort,
    Resource,
    Vf,
)
from vif_agent.vif import DEVICE_NAME, MAC, MTU

#: what a kind is made of, what is only ever found, and what a firewall driver answers
_NO_ANSWER = (Resource, Link, OtherLink, Guard)
_OVS_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,63}\Z")
_LONGEST_TEXT = 1024
_MOST_ITEMS = 10_000  # in one field: the peers of a tunnel, the keys of a row
_LARGEST = (1 << 32) - 1
_MOST_SECONDS = 1 << 24  # the kernel counts in hundredths, in 32 bits


def checked(answer: object) -> tuple[Resource, ...]:
    """The answer as a tuple; PluginFailed says what is wrong with it."""
    if not isinstance(answer, Iterable):
        raise PluginFailed(f"answered {brief(answer)}, not resources")
    items = tuple(itertools.islice(answer, MOST + 1))
    if len(items) > MOST:
        raise PluginFailed(f"answered more than {MOST} resources")
    for item in items:
        _check(item)
    for key, count in Counter(item.key for item in items).items():
        if count > 1:
            raise PluginFailed(f"answered two resources of one name: {key.space} {key.name}")
    return items


def _check(item: object) -> None:
    fields = _vocabulary().get(type(item))
    if fields is None:
        raise PluginFailed(f"answered {brief(item)}, which is none of vif_agent.resources")
    for field in fields:
        value = getattr(item, field.name)
        if value is field.default:
            continue
        if not field.takes(value) or not (value is None or field.means(item, value)):
            kind = type(item).__name__
            raise PluginFailed(f"answered a {kind} whose {field.name} is {brief(value)}")


def kinds() -> Collection[type[Resource]]:
    """The classes that may be answered."""
    return _vocabulary().keys()


class _Field(NamedTuple):
    """``default``: it is good; ``plain``: the types that need no look inside; ``fits``: is a value
    of another type one?"""

    name: str
    default: object
    plain: frozenset[object]
    fits: Callable[[Any], bool]
    means: Callable[[object, object], bool]

    def takes(self, value: object) -> bool:
        return type(value) in self.plain or self.fits(value)


@functools.cache
def _vocabulary() -> Mapping[type, Sequence[_Field]]:
    """The classes that may be answered, and their fields.

    A subclass of a plugin's own would have to be known to whoever reads the answer.
    """
    known = vars(resources).values()
    kinds = {k for k in known if isinstance(k, type) and issubclass(k, Resource)}
    return {kind: _fields(kind) for kind in kinds - {*_NO_ANSWER}}


def _fields(kind: type[Resource]) -> Sequence[_Field]:
    hints = get_type_hints(kind)
    meanings = _MEANINGS
    if issubclass(kind, Vf | Command):  # a PCI address, a command line
        meanings = {**_MEANINGS, "name": _sane}
    return [
        _Field(
            f.name,
            f.default,
            frozenset(get_args(hint) or (hint,)),
            _fit(hint),
            meanings.get(f.name, _sane),
        )
        for f in dataclasses.fields(kind)
        for hint in [hints[f.name]]
    ]


def _fit(hint: object) -> Callable[[Any], bool]:
    """Is a value exactly of the declared type: no subclass, no bool for an int?"""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is object:
        return lambda value: value is None or type(value) in (bool, int, str)
    if origin in (Union, types.UnionType):
        some = [_fit(one) for one in arguments]
        return lambda value: any(fit(value) for fit in some)
    if origin in (tuple, frozenset):
        return _fit_items(origin, arguments)
    return lambda value: type(value) is (origin or hint)


def _fit_items(kind: Any, arguments: Sequence[object]) -> Callable[[Any], bool]:
    if kind is frozenset or arguments[-1] is Ellipsis:
        every = _fit(arguments[0])
        return lambda value: type(value) is kind and all(map(every, value))
    each = [_fit(one) for one in arguments]
    return lambda value: (
        type(value) is tuple
        and len(value) == len(each)
        and all(fit(item) for fit, item in zip(each, value, strict=True))
    )


def _sane(_: object, value: object) -> bool:
    """What neither netlink nor OVSDB chokes on."""
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, str):
        return len(value) <= _LONGEST_TEXT and value.isprintable()
    if isinstance(value, int):
        return 0 <= value <= _LARGEST
    if isinstance(value, tuple | frozenset):
        return len(value) <= _MOST_ITEMS and all(_sane(_, one) for one in value)
    return True


def _names(item: object, value: object) -> bool:
    """Open vSwitch's own ports (patch, vhost-user) are no devices of the kernel."""
    own = isinstance(item, OvsPort) and item.interface_type
    return bool(_OVS_NAME.match(str(value))) if own else _names_device(item, value)


def _names_device(_: object, value: object) -> bool:
    """Or says where the host finds the name: see ``vif_agent.pci_names``."""
    text = str(value)
    return bool(DEVICE_NAME.match(text) or PLACEHOLDER.fullmatch(text))


def _names_master(_: object, value: object) -> bool:
    return value == "" or _names_device(_, value)


def _is_mac(_: object, value: object) -> bool:
    return bool(MAC.match(str(value)))


def _from(least: int, most: int) -> Callable[[object, object], bool]:
    return lambda _, value: isinstance(value, int) and least <= value <= most


def _is_link_state(_: object, value: object) -> bool:
    return value in LINK_STATES


def _is_vector(_: object, value: object) -> bool:
    return bool(value) and _sane(_, value)


def _is_address(_: object, value: object) -> bool:
    return not value or _parses(str(value))


def _are_addresses(_: object, value: object) -> bool:
    return isinstance(value, tuple) and len(value) <= _MOST_ITEMS and all(map(_parses, value))


@functools.lru_cache(_MOST_ITEMS)
def _parses(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


#: asked of what is not None: what the messages to the kernel have room for, for one that could not
#: be written breaks the reconcile
_MEANINGS: Mapping[str, Callable[[object, object], bool]] = {
    "name": _names,
    **dict.fromkeys(("master", "about"), _names_master),
    **dict.fromkeys(("peer", "parent", "bridge"), _names_device),
    **dict.fromkeys(("forward_delay", "ageing"), _from(0, _MOST_SECONDS)),
    "mac": _is_mac,
    **dict.fromkeys(("mtu", "mtu_request"), _from(*MTU)),
    **dict.fromkeys(("vid", "vlan"), _from(0, 4094)),
    "vni": _from(0, (1 << 24) - 1),
    "ttl": _from(0, 255),
    "port": _from(0, 65535),
    **dict.fromkeys(("local", "group"), _is_address),
    "peers": _are_addresses,
    "link_state": _is_link_state,
    "plug": _is_vector,
}
