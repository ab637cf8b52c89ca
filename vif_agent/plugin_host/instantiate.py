"""From an entry point to what it names, or why that cannot be used."""

from importlib.metadata import EntryPoint
from typing import Any

from vif_agent.contract import Extension, NoGood, make
from vif_agent.errors import brief
from vif_agent.plugin_host.kinds import Kind


def extension(kind: Kind, entry: EntryPoint, conf: Any, own: bool) -> Extension:
    """Imports its module. Raises what that raises, or NoGood."""
    return make(entry.load(), entry.value, conf, own, kind.base)


def reason(error: BaseException) -> str:
    """For the operator: why it cannot be used."""
    return str(error) if isinstance(error, NoGood) else brief(error)
