"""From an entry point to a plugin, or another extension: loaded, of a contract that we speak, with
its configuration."""

from importlib.metadata import EntryPoint
from typing import Any, TypeVar

from vif_agent.contract import CONTRACT, Extension, why_not
from vif_agent.errors import VifAgentError, brief
from vif_agent.plugins.base import Plugin

_E = TypeVar("_E", bound=Extension)


class NoGood(VifAgentError):
    """What the entry point names cannot be used."""


def make(entry: EntryPoint, conf: Any, own: bool, base: type[_E]) -> _E:
    """Imports its module. Raises what that raises, or NoGood."""
    kind = entry.load()
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise NoGood(f"{entry.value} is no subclass of {base.__module__}.{base.__qualname__}")
    if reason := why_not(kind.contract or (CONTRACT if own else "")):
        raise NoGood(reason)
    _check_aliases(kind.aliases)
    made = kind.from_conf(conf)
    if not isinstance(made, base):
        raise NoGood(f"{entry.value}.from_conf answered {brief(made)}")
    return made


def plugin(entry: EntryPoint, conf: Any, own: bool) -> Plugin:
    return make(entry, conf, own, Plugin)  # type: ignore[type-abstract]  # mypy's issue 4717


def _check_aliases(aliases: object) -> None:
    if not isinstance(aliases, dict) or not all(
        isinstance(word, str) for pair in aliases.items() for word in pair
    ):
        raise NoGood(f"aliases: expected {{former name: release}}, got {brief(aliases)}")
