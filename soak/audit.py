"""An independent look: is every requested port whole, and is nothing else of ours there?"""

from __future__ import annotations

import time
from dataclasses import dataclass

import oslo_messaging

from bench.check import fault
from demo import host as stock
from soak.ports import PortRecords, PortRequest
from tests.support.casting import CONTEXT, Site
from vif_agent.testing.daemon import HOST

PATIENCE = 90.0  # seconds for what is damped or waits for the next look at the whole host


@dataclass(frozen=True)
class Finding:
    """``lost``: requested and not so; ``leaked``: there and not requested."""

    lost: tuple[str, ...] = ()
    leaked: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.lost or self.leaked)


class Auditor:
    """``found``: what of the host was there before the first cast."""

    def __init__(self, site: Site, requests: PortRecords) -> None:
        self._site, self._records = site, requests
        self._found = set(site.host.links())

    def differs(self) -> list[str]:
        """Ports whose last cast the agent does not know of, once all that is known is done."""
        self._site.settled(PATIENCE)
        known = {view["port_id"]: view for view in self._views(unplugged=True)}
        return [request.port_id for request in self._records if _unheard(request, known)]

    def look(self) -> Finding:
        """As soon as all is well, at the latest after PATIENCE."""
        deadline = time.monotonic() + PATIENCE
        while (finding := self._look()) and time.monotonic() < deadline:
            time.sleep(0.5)
        return finding

    def _look(self) -> Finding:
        try:
            ours, theirs = self._host(), self._agent()
        except (OSError, RuntimeError, oslo_messaging.MessagingException) as error:
            return Finding(lost=(f"no look was possible: {error}",))
        return Finding(ours.lost + theirs.lost, ours.leaked + theirs.leaked)

    def _host(self) -> Finding:
        links, ids = self._site.host.links(), stock.iface_ids(self._site.host)
        plugged = self._records.plugged()
        devices = [device for request in plugged for device in request.devices]
        lost = [problem for device in devices if (problem := fault(device, links))]
        wired = {request.ovs_port: request.port_id for request in plugged if request.ovs_port}
        lost += [f"{name} is not wired" for name, port in wired.items() if ids.get(name) != port]
        bridges = {request.bridge for request in plugged if request.bridge}
        requested = {device.name for device in devices} | bridges | self._found
        leaked = [f"device {name}" for name in links.keys() - requested]
        leaked += [f"OVS port {name}" for name in self._site.ovs_ports() - wired.keys()]
        shaped = sum(request.has_qos for request in plugged)
        if (rows := self._site.ovs_rows("QoS")) != shaped:
            leaked.append(f"{rows} QoS rows for {shaped} OVS ports that have one")
        return Finding(tuple(lost), tuple(leaked))

    def _agent(self) -> Finding:
        """What the agent says of the same must agree."""
        requested = {request.port_id for request in self._records.plugged()}
        views = {view["port_id"]: view["state"] for view in self._views()}
        lost = [f"the agent does not know of {port}" for port in requested - views.keys()]
        lost += [f"the agent says {p} is {s}" for p, s in views.items() if s != "ready"]
        ready = self._site.api.get_status(CONTEXT, HOST)["ports"].get("ready", 0)
        lost += [f"get_status counts {ready} ready"] * (ready != len(requested))
        leaked = [f"the agent knows of {port}" for port in views.keys() - requested]
        leaked += [f"orphan {o['devices']}" for o in self._site.api.list_orphans(CONTEXT, HOST)]
        return Finding(tuple(lost), tuple(leaked))

    def _views(self, unplugged: bool = False) -> list[dict[str, object]]:
        return self._site.api.list_vifs(CONTEXT, HOST, unplugged)


def _unheard(request: PortRequest, known: dict[object, dict[str, object]]) -> bool:
    """An unplug of a port that was never plugged leaves the agent nothing to know."""
    view = known.get(request.port_id)
    if view is None:
        return request.plugged
    generation = view["generation"]
    assert isinstance(generation, int)
    return generation < request.generation
