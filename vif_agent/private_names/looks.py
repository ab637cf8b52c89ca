"""How to see, without using it, that something of a library is there and is what it was.

A place is written as "package.module:Class.name".
"""

import dataclasses
import dis
import importlib
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any, Protocol


class Look(Protocol):
    """One thing to look at."""

    def trouble(self) -> str:
        """What is not as it was, with the place; empty when all is well."""


@dataclasses.dataclass(frozen=True, slots=True)
class There:
    """It exists."""

    place: str

    def trouble(self) -> str:
        """See Look."""
        return "" if _exists(self.place) else f"{self.place} is missing"


@dataclasses.dataclass(frozen=True, slots=True)
class Takes:
    """It can be called; its parameters begin with these, in this order (blanks between them)."""

    place: str
    parameters: str

    def trouble(self) -> str:
        """See Look."""
        if not _exists(self.place):
            return f"{self.place} is missing"
        called = _found(self.place)
        if not callable(called):
            return f"{self.place} cannot be called"
        there = list(inspect.signature(called).parameters)
        wanted = self.parameters.split()
        if there[: len(wanted)] == wanted:
            return ""
        return f"{self.place} takes ({', '.join(there)}), not ({', '.join(wanted)})"


@dataclasses.dataclass(frozen=True, slots=True)
class Keeps:
    """Objects of the class have these attributes (blanks between them): they are the class's own,
    or one of its methods sets them."""

    place: str
    attributes: str

    def trouble(self) -> str:
        """See Look."""
        if not _exists(self.place):
            return f"{self.place} is missing"
        kind, missing = _found(self.place), self.attributes.split()
        for kept in (_set_at_birth, _set_later):
            missing = [name for name in missing if name not in set(kept(kind))] if missing else []
        return f"{self.place}.{missing[0]} is missing" if missing else ""


@dataclasses.dataclass(frozen=True, slots=True)
class Says:
    """Its code has this text in it."""

    place: str
    text: str

    def trouble(self) -> str:
        """See Look."""
        if not _exists(self.place):
            return f"{self.place} is missing"
        if any(self.text in text for text in _texts(_found(self.place).__code__)):
            return ""
        return f"{self.place} does not say {self.text!r} any more"


def _found(place: str) -> Any:
    module, _, path = place.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split(".") if path else ():
        found = getattr(found, name)
    return found


def _exists(place: str) -> bool:
    try:
        _found(place)
    except (ImportError, AttributeError):
        return False
    return True


def _set_at_birth(kind: type) -> Iterator[str]:
    for each in kind.__mro__[:-1]:
        yield from vars(each)
        yield from _sets(vars(each).get("__init__"))


def _set_later(kind: type) -> Iterator[str]:
    for each in kind.__mro__[:-1]:
        for method in vars(each).values():
            yield from _sets(method)


def _sets(method: object) -> Iterator[str]:
    if isinstance(method, FunctionType):
        code = dis.get_instructions(method)
        yield from (each.argval for each in code if each.opname == "STORE_ATTR")


def _texts(code: CodeType) -> Iterator[str]:
    """Those of functions within it too."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _texts(constant)
        elif isinstance(constant, str):
            yield constant
