"""What a picture sees of a host in memory."""

from __future__ import annotations

from collections.abc import Iterable

from vif_agent.ownership import Found, iface_id
from vif_agent.resources import Link, OtherLink, OvsBridge, OvsPort, Tap
from vif_agent.topology.facts import BridgeFacts, Glimpse, LinkFacts, OvsFacts


def glimpse(things: Iterable[Found], ovs_away: str) -> Glimpse:
    there = [*things]
    links = [_link(found, found.resource) for found in there if isinstance(found.resource, Link)]
    rows = [] if ovs_away else there
    return Glimpse(
        tuple(links),
        tuple(_bridge(f, f.resource) for f in rows if isinstance(f.resource, OvsBridge)),
        tuple(_port(f, f.resource) for f in rows if isinstance(f.resource, OvsPort)),
        ovs_away,
    )


def _link(found: Found, link: Link) -> LinkFacts:
    kind = link.described if isinstance(link, OtherLink) else link.kind
    return LinkFacts(
        name=link.name,
        kind="" if kind == "network card" else kind,
        mtu=link.mtu or 0,
        mac=link.mac or "",
        up=bool(link.up),
        carrier=found.held or not isinstance(link, Tap),
        master=link.master or "",
        below=getattr(link, "peer", getattr(link, "parent", "")),
        tag=getattr(link, "vid", getattr(link, "vni", None)),
        local=getattr(link, "local", None) or "",
        held=found.held if isinstance(link, Tap) else None,
        owner=found.owner,
    )


def _bridge(found: Found, bridge: OvsBridge) -> BridgeFacts:
    return BridgeFacts(
        name=bridge.name,
        datapath_type=bridge.datapath_type or "system",
        owner=found.owner,
    )


def _port(found: Found, port: OvsPort) -> OvsFacts:
    return OvsFacts(
        name=port.name,
        bridge=port.bridge,
        type=port.interface_type or "",
        ofport=1 if found.ready else None,
        error=found.error,
        owner=found.owner,
        iface_id=iface_id(port),
        options=dict(port.options or ()),
    )
