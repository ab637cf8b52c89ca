"""What a full set of ports asks of those that are stored: pure, port by port."""

import dataclasses
from collections.abc import Iterable, Iterator

from vif_agent.ports.port import PLUG, UNPLUG, FullSet, Port, PortRequest


def plug_of(request: PortRequest, stored: Port | None) -> PortRequest | None:
    """The plug that is asked for one port of the set; None if it stands just so already."""
    if not request.instance and stored:
        request = dataclasses.replace(request, instance=stored.instance, parsed=None)
    asked = (request.instance, request.vif)
    stands = stored and stored.verb == PLUG and (stored.instance, stored.vif) == asked
    return None if stands else request


def unplugs_of(full: FullSet, stored: Iterable[Port]) -> Iterator[PortRequest]:
    """For what is plugged by the same source and is not in the set."""
    for port in stored if full.deletes else ():
        if port.verb == PLUG and port.source == full.source and port.port_id not in full.named:
            yield unplug_of(full, port.port_id, port.instance, port.vif)


def unplug_of(
    full: FullSet, port_id: str, instance: object = None, vif: object = None
) -> PortRequest:
    """The request for a port that a complete set does not name."""
    return PortRequest(
        port_id=port_id,
        verb=UNPLUG,
        instance=instance,
        vif=vif or {"id": port_id},
        generation=full.generation,
        request_id=full.request_id,
        received_at=full.received_at,
        source=full.source,
    )
