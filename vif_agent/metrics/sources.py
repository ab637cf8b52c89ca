"""From where metrics are read."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from vif_agent.bus.notifications import Notifications
from vif_agent.bus.report import Report
from vif_agent.daemon.loop import Loop
from vif_agent.health import Health
from vif_agent.host.real import RealHost
from vif_agent.l2_agent.agent import L2Agent
from vif_agent.plugin_host.registry import PluginRegistry
from vif_agent.ports.store import Store
from vif_agent.reconcile.cleanup import Cleanup
from vif_agent.reconcile.engine import Engine


@dataclasses.dataclass(slots=True)
class Sampled:
    """What is not to be asked for by a scrape, as the loop has asked for last.

    ``usage``: of both processes, see ``helper.usage``; ``drops``: frames by reason, see ``Guards``;
    ``bridge_ports``: how many are whose, by bridge.
    """

    usage: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    drops: Mapping[str, int] = dataclasses.field(default_factory=dict)
    bridge_ports: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Sources:
    """``conf`` is oslo.config's; of the others only what waits for nobody is used."""

    conf: Any
    store: Store
    plugins: PluginRegistry
    host: RealHost
    engine: Engine
    cleanup: Cleanup
    loop: Loop
    report: Report
    notifications: Notifications
    health: Health
    l2_agent: L2Agent | None = None
    sampled: Sampled = dataclasses.field(default_factory=Sampled)
