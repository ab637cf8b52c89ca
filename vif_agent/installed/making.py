"""From an entry point to a plugin: loaded, of a contract that we speak, with its configuration."""

from importlib.metadata import EntryPoint
from typing import Any

from vif_agent.errors import VifAgentError, brief
from vif_agent.plugins.base import CONTRACT, Plugin, why_not


class NoGood(VifAgentError):
    """What the entry point names is no plugin that can be asked."""


def make(entry: EntryPoint, conf: Any, own: bool) -> Plugin:
    """Imports the plugin's module. Raises what that raises, or NoGood."""
    kind = entry.load()
    if not (isinstance(kind, type) and issubclass(kind, Plugin)):
        raise NoGood(f"{entry.value} is no subclass of vif_agent.plugins.base.Plugin")
    if reason := why_not(contract(kind, own)):
        raise NoGood(reason)
    _check_aliases(kind.aliases)
    plugin = kind.from_conf(conf)
    if not isinstance(plugin, Plugin):
        raise NoGood(f"{entry.value}.from_conf answered {brief(plugin)}")
    return plugin


def contract(kind: type[Plugin], own: bool) -> str:
    """The agent's own plugins are of its own version."""
    return kind.contract or (CONTRACT if own else "")


def _check_aliases(aliases: object) -> None:
    if not isinstance(aliases, dict) or not all(
        isinstance(word, str) for pair in aliases.items() for word in pair
    ):
        raise NoGood(f"aliases: expected {{former name: release}}, got {brief(aliases)}")
