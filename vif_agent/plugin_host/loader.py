"""Every installed plugin and the firewall driver, loaded as the configuration says."""

import logging
from typing import Any

from vif_agent.plugin_host import discovery, drivers, in_process, overrides
from vif_agent.plugin_host.in_process import InProcessPlugin
from vif_agent.plugin_host.registry import Installed, PluginRegistry
from vif_agent.plugin_host.sub_process import SubProcessPlugin
from vif_agent.plugins.base import GROUP

LOG = logging.getLogger(__name__)

_SECONDS = 10.0  # for all together; who takes longer is asked when it has loaded
_PATIENCE = 40.0  # its process is given 30 to load


def load(conf: Any) -> PluginRegistry:
    """InvalidConfiguration for an override or a firewall driver that cannot be had, NotConfigured
    for settings of networks or type drivers that cannot be used: the agent must not start."""
    chosen, found = drivers.load(conf), discovery.find(GROUP)
    installed = {name: _load(candidate, conf) for name, candidate in found.items()}
    plugins = PluginRegistry(installed, drivers=chosen)
    given = conf.plugins.override
    plugins.await_loaded(_PATIENCE if given else _SECONDS)
    plugins.override = overrides.read(given, plugins)
    chosen.check()
    return plugins


def _load(candidate: discovery.Candidate, conf: Any) -> Installed:
    if candidate.clash:
        LOG.error("Plugin %s cannot be used: %s", candidate.name, candidate.clash)
        return InProcessPlugin(candidate.name, None, candidate.distribution, candidate.clash)
    return in_process.load(candidate, conf) if candidate.own else SubProcessPlugin(candidate, conf)
