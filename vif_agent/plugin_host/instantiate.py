"""From an entry point to a plugin, or why it cannot be used."""

from importlib.metadata import EntryPoint
from typing import Any

from vif_agent.contract import NoGood, make
from vif_agent.errors import brief
from vif_agent.plugins.base import Plugin


def plugin(entry: EntryPoint, conf: Any, own: bool) -> Plugin:
    """Imports its module. Raises what that raises, or NoGood."""
    # mypy's issue 4717
    return make(entry.load(), entry.value, conf, own, Plugin)  # type: ignore[type-abstract]


def reason(error: BaseException) -> str:
    """For the operator: why it cannot be used."""
    return str(error) if isinstance(error, NoGood) else brief(error)
