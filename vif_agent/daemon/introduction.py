"""What the log begins with: one line each on what this is, and on what it stands."""

import logging
import os
import platform
from collections.abc import Iterable, Mapping
from typing import Any

import oslo_messaging

from vif_agent import __version__, bus
from vif_agent.plugin_host.registry import PluginRegistry
from vif_agent.ports import store_file
from vif_agent.ports.store import Store

LOG = logging.getLogger(__name__)

_AMQP_PORT = 5672


def introduce(conf: Any, plugins: PluginRegistry, store: Store) -> None:
    """Before anything is done. Of Open vSwitch its connection tells, when it is there."""
    LOG.info(
        "vif-agent %s: bus contract %s, Python %s, %s, process %d",
        __version__, bus.VERSION, platform.python_version(), conf.vif_agent.concurrency,
        os.getpid(),
    )  # fmt: skip
    LOG.info("Host %s: Linux %s, state in %s", conf.host, platform.release(), conf.state_path)
    LOG.info("Plugins: %s", _plugins(plugins.listed()))
    states = ", ".join(f"{n} {state}" for state, n in sorted(store.states().items()))
    LOG.info("Store %s: %s", store_file.path(conf), states or "no port is known")
    LOG.info("Bus: %s", _brokers(conf))


def _plugins(lines: Iterable[Mapping[str, Any]]) -> str:
    well = [line["vif_type"] for line in lines if not line["error"]]
    ill = [line["vif_type"] for line in lines if line["error"]]
    return ", ".join(well) + (f"; not usable: {', '.join(ill)}" if ill else "")


def _brokers(conf: Any) -> str:
    """Without login and password."""
    url = oslo_messaging.TransportURL.parse(conf)
    hosts = ", ".join(f"{host.hostname}:{host.port or _AMQP_PORT}" for host in url.hosts)
    return f"{url.transport}, {hosts or 'in memory'}, virtual host {url.virtual_host or '/'}"
