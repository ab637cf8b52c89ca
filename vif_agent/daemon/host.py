"""The host, and the engine on it, as the configuration says."""

import shlex
from collections.abc import Callable
from typing import Any, TypeAlias

from vif_agent.daemon import guards
from vif_agent.firewall.guarded import Guarded
from vif_agent.host.commands import Limits
from vif_agent.host.heard import NOTHING, Heard
from vif_agent.host.ovs.tls import use_certificates
from vif_agent.host.programs import Programs
from vif_agent.host.real import RealHost
from vif_agent.l2_agent.peers import Peers, peered
from vif_agent.plugin_host.registry import PluginRegistry
from vif_agent.ports.store import Store
from vif_agent.reconcile.engine import Engine

#: ``host_and_engine``, or what makes them otherwise
Build: TypeAlias = Callable[
    [Any, Store, PluginRegistry, Heard, Peers | None], tuple[RealHost, Engine]
]


def host_and_engine(
    conf: Any,
    store: Store,
    plugins: PluginRegistry,
    heard: Heard = NOTHING,
    peers: Peers | None = None,
) -> tuple[RealHost, Engine]:
    """As the configuration says; for vif-agentctl just so. ``peers``: those of a running agent."""
    use_certificates(conf.ovs)
    timeout = conf.ovs.ovsdb_timeout
    guarding = guards.chosen(plugins.drivers, guards.table(conf), heard.guards)
    host = RealHost(
        conf.ovs.ovsdb_connection,
        timeout,
        limits=_limits(conf.commands),
        cards=conf.sriov.cards,
        events=heard.links,
        guarding=guarding,
    )
    host.remember(store.links())
    asked = peered(plugins, conf, peers or Peers.of(conf))
    wanted = Guarded(asked, guards.asked(plugins.drivers, guarding), plugins.drivers.routed_taps)
    bridges = [conf.ovs.integration_bridge]
    return host, Engine(store, host, wanted, timeout, bridges=bridges)


def _limits(options: Any) -> Limits:
    programs = Programs(options.allowed, shlex.split(options.prefix), options.timeout)
    return Limits(programs, options.at_once, options.check_lasts)
