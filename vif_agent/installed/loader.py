"""Every installed plugin, loaded as the configuration says."""

import logging
from typing import Any

from vif_agent.installed import direct, offers, overrides
from vif_agent.installed.apart import Apart
from vif_agent.installed.direct import Direct
from vif_agent.installed.plugins import Installed, Plugins
from vif_agent.plugins.base import GROUP

LOG = logging.getLogger(__name__)

_SECONDS = 10.0  # for all together; who takes longer is asked when it has loaded
_PATIENCE = 40.0  # its process is given 30 to load


def load(conf: Any) -> Plugins:
    """InvalidConfiguration for an override that cannot be honoured, NotConfigured for settings of
    networks or type drivers that cannot be used: the agent must not start."""
    found = offers.find(GROUP)
    plugins = Plugins({name: _load(offer, conf) for name, offer in found.items()})
    given = conf.plugins.override
    plugins.await_loaded(_PATIENCE if given else _SECONDS)
    plugins.override = overrides.read(given, plugins)
    return plugins


def _load(offer: offers.Offer, conf: Any) -> Installed:
    if offer.clash:
        LOG.error("Plugin %s cannot be used: %s", offer.name, offer.clash)
        return Direct(offer.name, None, offer.distribution, offer.clash)
    return direct.load(offer, conf) if offer.own else Apart(offer, conf)
