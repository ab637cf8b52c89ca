"""Every installed plugin, loaded as the configuration says."""

import logging
from typing import Any

from vif_agent.plugin_host import discovery, in_process, overrides
from vif_agent.plugin_host.in_process import InProcessPlugin
from vif_agent.plugin_host.registry import Installed, PluginRegistry
from vif_agent.plugin_host.sub_process import SubProcessPlugin
from vif_agent.plugins.base import GROUP

LOG = logging.getLogger(__name__)

_SECONDS = 10.0  # for all together; who takes longer is asked when it has loaded
_PATIENCE = 40.0  # its process is given 30 to load


def load(conf: Any) -> PluginRegistry:
    """InvalidConfiguration for an override that cannot be honoured, NotConfigured for settings of
    networks or type drivers that cannot be used: the agent must not start."""
    found = discovery.find(GROUP)
    plugins = PluginRegistry({name: _load(candidate, conf) for name, candidate in found.items()})
    given = conf.plugins.override
    plugins.await_loaded(_PATIENCE if given else _SECONDS)
    plugins.override = overrides.read(given, plugins)
    return plugins


def _load(candidate: discovery.Candidate, conf: Any) -> Installed:
    if candidate.clash:
        LOG.error("Plugin %s cannot be used: %s", candidate.name, candidate.clash)
        return InProcessPlugin(candidate.name, None, candidate.distribution, candidate.clash)
    return in_process.load(candidate, conf) if candidate.own else SubProcessPlugin(candidate, conf)
