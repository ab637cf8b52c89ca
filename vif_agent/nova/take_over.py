"""How our plugin comes to stand where other os-vif plugins stood.

os-vif has no setting for that. ``os_vif.initialize`` makes an ExtensionManager, keeps it as
``os_vif._EXT_MANAGER``, then goes through its extensions: ``extension.obj =
extension.plugin.load(name)``. While ours is loaded both attributes of every wanted extension are
replaced, so that those loaded before us and those loaded after us end with ours.
"""

from collections.abc import Callable, Iterable
from typing import Any

from stevedore.extension import Extension, ExtensionManager


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
    if not isinstance(manager, ExtensionManager):
        raise TakeOverFailed(f"os_vif._EXT_MANAGER is {type(manager).__name__}")
    return {name: _take(manager, name, plugin, make(name)) for name in names}


def _take(manager: Any, name: str, plugin: Any, ours: object) -> str:
    found = [extension for extension in manager.extensions if extension.name == name]
    had = ", ".join(extension.entry_point_target for extension in found)
    for extension in found:
        extension.plugin, extension.obj = plugin, ours
    if not found:
        manager.extensions.append(Extension(name, _any_entry_point(manager), plugin, ours))
    manager._extensions_by_name_cache = None
    if name not in manager or manager[name].obj is not ours:
        raise TakeOverFailed(f"stevedore does not answer with ours for {name}")
    return had or "not installed"


def _any_entry_point(manager: Any) -> Any:
    """stevedore wants one of every extension; ours is there, for it is being loaded."""
    return manager.extensions[0].entry_point
