"""What is used of os-vif and stevedore that their documentation does not promise.

os-vif has no setting that puts one plugin in the place of another. ``os_vif.initialize`` makes an
ExtensionManager, keeps it as ``os_vif._EXT_MANAGER``, then goes through its extensions:
``extension.obj = extension.plugin.load(name)``.
"""

from typing import Any

import os_vif
from stevedore.extension import Extension


def plugins() -> Any:
    """os-vif's table of plugins, an ExtensionManager; None before ``os_vif.initialize``."""
    return os_vif._EXT_MANAGER


def put(manager: Any, name: str, plugin: Any, loaded: object) -> list[str]:
    """Let each extension of this name answer with ours, or add one; the entry points it had.

    Both attributes are replaced, so that those loaded before us and those loaded after us end with
    ours.
    """
    found = [extension for extension in manager.extensions if extension.name == name]
    had = [extension.entry_point_target for extension in found]
    for extension in found:
        extension.plugin, extension.obj = plugin, loaded
    if not found:
        any_entry_point = manager.extensions[0].entry_point  # it wants one; ours is being loaded
        manager.extensions.append(Extension(name, any_entry_point, plugin, loaded))
    manager._extensions_by_name_cache = None
    return had
