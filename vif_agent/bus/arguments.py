"""The door of the calls: what a caller sends is read here, once, before anything is done with it.

An argument means the same in every call that has it, so each is read by its name alone.
"""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vif_agent import bus
from vif_agent import vif as vifs
from vif_agent.bus import casts
from vif_agent.errors import InvalidRequest

_LONGEST_WAIT = 600.0  # seconds
_LONGEST_NAME = 255  # characters, of AMQP's short strings


def of_call(call: Callable[..., Any], given: Mapping[str, object]) -> dict[str, Any]:
    """The arguments as the call may have them; InvalidRequest names the first bad one."""
    known = list(inspect.signature(call).parameters.values())[2:]  # after self and the context
    for name in given.keys() - {parameter.name for parameter in known}:
        expected = ", ".join(parameter.name for parameter in known) or "no argument"
        raise InvalidRequest("args", name, expected)
    for parameter in known:
        if parameter.default is parameter.empty and parameter.name not in given:
            raise InvalidRequest(parameter.name, None, "a value, for it has no default")
    return {
        parameter.name: _READERS[parameter.name](parameter, given[parameter.name])
        for parameter in known
        if parameter.name in given
    }


def check_message(message: Mapping[str, Any], methods: Sequence[str]) -> None:
    """Is this a call of ours at all? oslo.messaging takes its word for it."""
    casts.check_version(message)
    if message.get("version", bus.VERSION) != bus.VERSION:  # a later one has calls we know not of
        raise InvalidRequest("version", message["version"], bus.VERSION)
    method = message.get("method")
    if not isinstance(method, str) or method not in methods:
        raise InvalidRequest("method", method, "one of " + ", ".join(methods))
    args = message.get("args", {})
    if not isinstance(args, Mapping) or not all(isinstance(name, str) for name in args):
        raise InvalidRequest("args", args, "a dict")


def queue_name(value: object) -> str | None:
    """What an answer may be sent to."""
    good = isinstance(value, str) and 0 < len(value.encode(errors="replace")) <= _LONGEST_NAME
    return value if good and isinstance(value, str) and value.isprintable() else None


def _port_id(parameter: inspect.Parameter, value: object) -> str | None:
    if value is None and parameter.default is None:
        return None
    return vifs.canonical(parameter.name, value)


def _generation(parameter: inspect.Parameter, value: object) -> int | None:
    return casts.generation_of({parameter.name: value})


def _count(parameter: inspect.Parameter, value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise InvalidRequest(parameter.name, value, "a whole number, 0 or more")


def _seconds(parameter: inspect.Parameter, value: object) -> float:
    """No comparison holds of NaN."""
    if not isinstance(value, bool) and isinstance(value, int | float) and 0 <= value < math.inf:
        return float(min(value, _LONGEST_WAIT))
    raise InvalidRequest(parameter.name, value, "a finite number of seconds, 0 or more")


def _flag(parameter: inspect.Parameter, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest(parameter.name, value, "true or false")
    return value


def _name(parameter: inspect.Parameter, value: object) -> str | None:
    if value is None and parameter.default is None:
        return None
    if isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.isprintable():
        return value
    raise InvalidRequest(parameter.name, value, f"1 to {_LONGEST_NAME} printable characters")


def _of_a_cast(parameter: inspect.Parameter, value: object) -> object:
    """Read as the cast of which it is."""
    return value


_READERS: Mapping[str, Callable[[inspect.Parameter, object], Any]] = {
    "port_id": _port_id,
    "generation": _generation,
    "since": _count,
    "timeout": _seconds,
    "unplugged": _flag,
    "dry_run": _flag,
    "everything": _flag,
    "network": _name,
    "bridge": _name,
    **dict.fromkeys(("cast", "vif", "instance", "vifs", "complete"), _of_a_cast),
}
