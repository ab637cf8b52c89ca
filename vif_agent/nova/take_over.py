"""How our plugin comes to stand where other os-vif plugins stood.

os-vif has no setting for that, so while ours is loaded its table of plugins is changed.
"""

from collections.abc import Callable, Iterable
from typing import Any

from stevedore.extension import ExtensionManager

from vif_agent import private_names
from vif_agent.private_names import os_vif as private
from vif_agent.private_names import table


class TakeOverFailed(Exception):
    """os-vif is not built as it was. Never silent: two would plug on one host."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"vif-agent cannot take over os-vif's plugins: {why}. Install an os-vif that this "
            "vif-agent knows, or set [vif_agent_nova] take_over to nothing"
        )


def take_over(
    manager: object, names: Iterable[str], plugin: Any, make: Callable[[str], object]
) -> dict[str, str]:
    """Each name, and the entry point that had it (or that none had)."""
    if wrong := private_names.trouble(table.NOVA):
        raise TakeOverFailed(wrong)
    if not isinstance(manager, ExtensionManager):
        raise TakeOverFailed(f"os_vif._EXT_MANAGER is {type(manager).__name__}")
    return {name: _take(manager, name, plugin, make(name)) for name in names}


def _take(manager: Any, name: str, plugin: Any, ours: object) -> str:
    had = private.put(manager, name, plugin, ours)
    if name not in manager or manager[name].obj is not ours:
        raise TakeOverFailed(f"stevedore does not answer with ours for {name}")
    return ", ".join(had) or "not installed"
