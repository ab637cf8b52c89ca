"""``[plugins] override``: honoured to the letter, or the agent does not start."""

import logging
from collections.abc import Sequence

from vif_agent.errors import InvalidConfiguration
from vif_agent.plugin_host.registry import PluginRegistry

LOG = logging.getLogger(__name__)

OPTION = "[plugins] override"


def read(given: Sequence[str], plugins: PluginRegistry) -> dict[str, str]:
    """vif_type to the name of its plugin; InvalidConfiguration says what is wrong."""
    chosen: dict[str, str] = {}
    for item in given:
        vif_type, colon, name = (word.strip() for word in item.partition(":"))
        if not (vif_type and colon and name):
            raise InvalidConfiguration(OPTION, item, "vif_type:plugin")
        if vif_type in chosen:
            raise InvalidConfiguration(OPTION, item, f"{vif_type} once")
        _check_type(item, vif_type, plugins)
        chosen[vif_type] = _name(item, name, plugins)
        LOG.info("vif_type %s is plugged by %s, as %s says", vif_type, name, OPTION)
    return chosen


def _check_type(item: str, vif_type: str, plugins: PluginRegistry) -> None:
    if plugins.named(vif_type) is None:
        raise InvalidConfiguration(
            OPTION, item, f"a vif_type that is known ({_known(plugins)}) before the colon"
        )


def _name(item: str, name: str, plugins: PluginRegistry) -> str:
    """The plugin's name today."""
    plugin = plugins.named(name)
    if plugin is None:
        raise InvalidConfiguration(
            OPTION, item, f"an installed plugin ({_known(plugins)}) after the colon"
        )
    if plugin.error:
        raise InvalidConfiguration(
            OPTION, item, f"a plugin that can be used ({name} cannot: {plugin.error})"
        )
    return plugin.name


def _known(plugins: PluginRegistry) -> str:
    return ", ".join(sorted(plugins.installed))
