"""The picture of the host that operators ask for: one glimpse of it, and what is known of ports."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from vif_agent.bus import casts
from vif_agent.errors import VifAgentError
from vif_agent.pci_names import CARD
from vif_agent.ports.port import UNPLUG, Port
from vif_agent.ports.store import Store
from vif_agent.reconcile.cleanup import Cleanup
from vif_agent.reconcile.records import PortRecords
from vif_agent.resources import VF
from vif_agent.topology import choosing, folding
from vif_agent.topology.drawing_up import draw_up
from vif_agent.topology.facts import Glimpse, OrphanFacts, PortFacts
from vif_agent.topology.graph import Graph


class Glimpsed(Protocol):
    """What it needs of a host."""

    def glimpse(self) -> Glimpse:
        """All links and OVS rows."""

    def look_up(self, what: str, address: str) -> str:
        """See ``vif_agent.host.interface``."""


def physnets(network: Any) -> dict[str, str]:
    """By device or bridge, of the configuration's group ``[network]``."""
    mappings = (network.physical_interface_mappings, network.bridge_mappings)
    return {name: physnet for mapping in mappings for physnet, name in mapping.items()}


class Topology:
    """``physnets``: the physical network that each device or bridge leads to. Takes no lock of the
    engine's: whoever has work to do waits for no picture."""

    def __init__(
        self,
        host: Glimpsed,
        store: Store,
        records: PortRecords,
        cleanup: Cleanup,
        physnets: Mapping[str, str] | None = None,
    ) -> None:
        self._host = host
        self._store = store
        self._records = records
        self._cleanup = cleanup
        self._physnets = physnets or {}

    def draw(
        self,
        name: str,
        port_id: str | None = None,
        network: str | None = None,
        bridge: str | None = None,
        everything: bool = False,
    ) -> Graph:
        """``name``: the host's. Of a part, if one is named; folded, but for ``everything``."""
        ports = [self._port(port) for port in self._store.live().values() if _is_shown(port)]
        orphans = [_orphan(view) for view in self._cleanup.views()]
        picture = draw_up(name, self._host.glimpse(), ports, orphans, self._physnets)
        if port_id:
            return choosing.of_port(picture, port_id)
        if network:
            picture = choosing.of_network(picture, network)
        elif bridge:
            picture = choosing.of_bridge(picture, bridge)
        if everything:
            return picture
        return folding.by_network(folding.without_idle(picture))

    def _port(self, port: Port) -> PortFacts:
        instance, guard = port.instance, self._records.guard_of(port.port_id)
        return PortFacts(
            port_id=port.port_id,
            state=port.state,
            code=port.problem.code if port.problem else "",
            vif_type=port.vif_type,
            network=_text(port.vif, "network", "id"),
            instance=_text(instance, "name"),
            instance_uuid=casts.instance_uuid(instance) or "",
            devices=port.devices,
            vfs=dict(self._vfs(port.port_id)),
            pairs=len(guard.pairs) if guard else None,
        )

    def _vfs(self, port_id: str) -> Iterator[tuple[str, str]]:
        record = self._records.get(port_id)
        for resource in record.wanted if record else ():
            if resource.space == VF:
                card = ""
                with contextlib.suppress(VifAgentError):
                    card = self._host.look_up(CARD, resource.name)
                yield resource.name, card


def _is_shown(port: Port) -> bool:
    """One that is being unplugged, if something of it may be there."""
    return port.verb != UNPLUG or bool(port.devices or port.made)


def _orphan(view: Mapping[str, Any]) -> OrphanFacts:
    return OrphanFacts(
        port_id=view["port_id"],
        devices=tuple(view["devices"]),
        sightings=view["sightings"],
        due=view["due"],
        in_use=view["in_use"] or "",
    )


def _text(value: object, *path: str) -> str:
    """What stands there, of JSON that somebody has sent."""
    for word in path:
        value = value.get(word) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""
