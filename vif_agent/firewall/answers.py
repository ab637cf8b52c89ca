"""Is a firewall driver's answer one? A guard that the kernel could not take, or that is not this
port's, fails this port alone."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from vif_agent.errors import PluginFailed, brief
from vif_agent.firewall.base import MOST
from vif_agent.ip_networks import Network, is_network, network
from vif_agent.resources import Guard
from vif_agent.vif import MAC, Vif


def checked(answer: object, vif: Vif) -> tuple[Guard, ...]:
    """``answer``: at most one guard; PluginFailed says what is wrong with it."""
    if not isinstance(answer, Sequence) or len(answer) > 1:
        raise PluginFailed(f"answered {brief(answer)}, not one guard")
    for guard in answer:
        _check(guard, vif)
    return tuple(answer)


def _check(guard: object, vif: Vif) -> None:
    if type(guard) is not Guard:
        raise PluginFailed(f"answered {brief(guard)}, which is no Guard")
    if guard.name != vif.tap_name:
        raise PluginFailed(
            f"answered a Guard of device {brief(guard.name)}, and the port's is {vif.tap_name}"
        )
    for field, (takes, expected) in _FIELDS.items():
        value = getattr(guard, field)
        if value is not _DEFAULTS[field] and not takes(guard, value):
            raise PluginFailed(f"answered a Guard whose {field} is {brief(value)}, not {expected}")


def _are_macs(_: Guard, value: Any) -> bool:
    some = _are_some(value) and bool(value)
    return some and all(map(_is_mac, value)) and _in_order(value)


def _are_pairs(guard: Guard, value: Any) -> bool:
    if not (_are_some(value) and all(map(_is_pair, value)) and _in_order(value)):
        return False
    macs = {mac for mac, _ in value}
    return macs.issubset(guard.macs) and not _overlap((mac, network(text)) for mac, text in value)


def _are_some(value: Any) -> bool:
    return type(value) is tuple and len(value) <= MOST


def _in_order(value: Any) -> bool:
    return all(one < other for one, other in itertools.pairwise(value))


def _is_mac(value: Any) -> bool:
    return type(value) is str and bool(MAC.match(value)) and value == value.lower()


def _is_pair(value: Any) -> bool:
    if not (type(value) is tuple and len(value) == 2):
        return False
    mac, text = value
    return _is_mac(mac) and type(text) is str and is_network(text)


def _overlap(networks: Iterable[tuple[str, Network]]) -> bool:
    """Of one MAC. In the order of addresses a network ends before the next begins, or holds its
    beginning."""
    spans = sorted((mac, len(n.first), n.first, n.last) for mac, n in networks)
    return any(
        one[:2] == other[:2] and one[3] >= other[2] for one, other in itertools.pairwise(spans)
    )


def _is(*good: object) -> Callable[[Guard, object], bool]:
    """No 0 for False."""
    return lambda _, value: any(type(value) is type(one) and value == one for one in good)


#: each is good
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(Guard)}
_FIELDS: dict[str, tuple[Callable[[Guard, object], bool], str]] = {
    "macs": (_are_macs, f"1 to {MOST} MACs in lower case, sorted, each once"),
    "pairs": (
        _are_pairs,
        f"up to {MOST} (MAC, network) of these MACs, sorted, none of one MAC within another",
    ),
    "dhcp_server": (_is(True, False), "True or False"),
    "router": (_is(True, False), "True or False"),
    "routed": (_is(False), "False"),
    "enforced": (_is(True), "True"),
    "shared": (_is(False), "False"),
    "only_if": (_is(()), "()"),
}
