"""Finds plugins by the names of their entry points, and asks them safely."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import stevedore

from vif_agent.errors import NoPlugin, PluginFailed, VifAgentError, brief
from vif_agent.plugins.base import GROUP, Plugin
from vif_agent.resources import Resource
from vif_agent.vif import Vif

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Plugins:
    """The loaded plugins by vif_type, and the broken ones with the reason."""

    loaded: Mapping[str, Plugin]
    broken: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """The plugin's answer, or a VifAgentError: a plugin can hurt no port but its own."""
        plugin = self._plugin(vif.vif_type)
        try:
            answer = tuple(plugin.resources(vif))
        except VifAgentError:
            raise
        except Exception as error:
            LOG.exception("Plugin %s failed on port %s", vif.vif_type, vif.port_id)
            raise PluginFailed(f"plugin {vif.vif_type} raised {brief(error)}") from error
        for item in answer:
            if not isinstance(item, Resource):
                raise PluginFailed(f"plugin {vif.vif_type} answered {brief(item)}")
        return answer

    def _plugin(self, vif_type: str) -> Plugin:
        if vif_type in self.broken:
            raise NoPlugin(f"plugin {vif_type} does not load: {self.broken[vif_type]}")
        if vif_type not in self.loaded:
            known = ", ".join(sorted(self.loaded))
            raise NoPlugin(f"vif.type: expected one of {known}, got {brief(vif_type)}")
        return self.loaded[vif_type]


def load(conf: Any) -> Plugins:
    """Every installed plugin; one that does not load is named in the log and in ``broken``."""
    loaded: dict[str, Plugin] = {}
    broken: dict[str, str] = {}

    def failed(_manager: Any, entry_point: Any, error: BaseException) -> None:
        broken[entry_point.name] = brief(error)
        LOG.error("Plugin %s (%s) does not load: %s", entry_point.name, entry_point.value, error)

    manager = stevedore.ExtensionManager(GROUP, on_load_failure_callback=failed)
    for extension in manager:
        try:
            loaded[extension.name] = extension.plugin.from_conf(conf)
        except Exception as error:
            failed(manager, extension.entry_point, error)
    return Plugins(loaded, broken)
