"""From where metrics are read."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from vif_agent.plugin_host.registry import PluginRegistry
from vif_agent.ports.store import Store
from vif_agent.tally import OTHER


@dataclasses.dataclass(slots=True)
class Sampled:
    """What only the helper can tell, as the loop has asked for last: a scrape asks nobody.

    ``usage``: of both processes, see ``helper.usage``.
    """

    usage: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Sources:
    """``conf`` is oslo.config's; of the others only what waits for nobody is used."""

    conf: Any
    store: Store
    plugins: PluginRegistry
    sampled: Sampled = dataclasses.field(default_factory=Sampled)

    def kind(self, vif_type: str) -> str:
        """Of a port, for a label: there are only as many as are installed."""
        return vif_type if self.plugins.has(vif_type) else OTHER
