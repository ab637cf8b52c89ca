"""Values as plain data, and back by the declared types of their classes' fields."""

import dataclasses
import functools
import types
from collections.abc import Iterator, Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

from vif_agent.errors import brief
from vif_agent.plugins import answers
from vif_agent.resources import Guard, Resource
from vif_agent.vif import freeze

_KIND = "kind"  # of a resource, beside its fields


def as_data(value: object) -> object:
    """For ``json.dumps``: what it cannot write itself. Tuples it writes as lists."""
    if isinstance(value, Resource):
        return {_KIND: type(value).__name__, **_fields(value)}
    if dataclasses.is_dataclass(value):
        return _fields(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset):
        return list(value)
    raise TypeError(type(value))


def read(hint: Any, data: object) -> Any:
    """The value of type ``hint`` that this data is; TypeError or ValueError if it is none.

    ``object``: any plain data, frozen.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _one_of(arguments, data)
    if origin in (tuple, frozenset):
        return origin(_items(hint, arguments, data))
    if origin is Mapping:
        return _mapping(arguments[1], data)
    if hint is Resource:
        return _resource(data)
    if dataclasses.is_dataclass(hint):
        return _made(hint, data)
    return _plain(hint, data)


def _fields(value: Any) -> dict[str, object]:
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}


def _one_of(hints: tuple[Any, ...], data: object) -> Any:
    """The first that fits; if none does, what is wrong with it as the first."""
    for hint in hints[1:]:
        try:
            return read(hint, data)
        except (TypeError, ValueError):
            continue
    return read(hints[0], data)


def _items(hint: Any, arguments: tuple[Any, ...], data: object) -> Iterator[Any]:
    if type(data) is not list:
        raise TypeError(f"{type(data).__name__} for {hint}")
    many = get_origin(hint) is frozenset or arguments[-1] is Ellipsis
    hints = [arguments[0]] * len(data) if many else arguments
    return (read(one, item) for one, item in zip(hints, data, strict=True))


def _mapping(hint: Any, data: object) -> Mapping[str, Any]:
    if type(data) is not dict:
        raise TypeError(f"{type(data).__name__} for a mapping")
    return types.MappingProxyType({key: read(hint, value) for key, value in data.items()})


def _resource(data: object) -> Any:
    fields = dict(data) if type(data) is dict else {}
    kind = fields.pop(_KIND, None)
    for known in (*answers.kinds(), Guard):  # whose answer may have which, `kinds` says
        if known.__name__ == kind:
            return _made(known, fields)
    raise ValueError(f"{brief(kind)} is none of vif_agent.resources")


def _made(cls: Any, data: object) -> Any:
    if type(data) is not dict:
        raise TypeError(f"{type(data).__name__} for a {cls.__name__}")
    hints = _hints(cls)
    if strange := data.keys() - hints.keys():
        raise ValueError(f"a {cls.__name__} has no {brief(min(strange))}")
    return cls(**{field: read(hints[field], value) for field, value in data.items()})


@functools.cache
def _hints(cls: Any) -> Mapping[str, Any]:
    hints = get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls) if f.init}


def _plain(hint: Any, data: object) -> Any:
    if hint is object:
        return freeze(data, "data")
    if hint is float and type(data) is int:
        return float(data)
    if type(data) is not hint:
        raise TypeError(f"{type(data).__name__} for {hint.__name__}")
    return data
