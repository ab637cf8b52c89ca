"""What agents of a host have reported: who serves it now, and what he can. Pure."""

import dataclasses
import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from vif_agent.neutron.adoption.ports import LINUX_BRIDGE_AGENT, Segment, Way


@dataclasses.dataclass(frozen=True)
class Agent:
    """A row of Neutron's table ``agents``; times are UTC, without a zone."""

    host: str
    type: str
    heartbeat: datetime.datetime
    started: datetime.datetime
    enabled: bool
    configurations: Mapping[str, Any]

    @property
    def tunnel_ip(self) -> str | None:
        """Where it takes VXLAN from other hosts."""
        types = self.configurations.get("tunnel_types") or ()
        return self.configurations.get("tunneling_ip") if "vxlan" in types else None

    @property
    def mappings(self) -> dict[str, str]:
        """The device or bridge of each physical network."""
        given = self.configurations
        return {**given.get("interface_mappings", {}), **given.get("bridge_mappings", {})}

    def serves(self, segment: Segment) -> str:
        """Why it cannot; empty if it can."""
        types = self.configurations.get("network_types", (segment.type,))
        if segment.type not in types:
            return (
                f"the {self.type} of {self.host} serves no {segment.type or 'network of no type'}"
            )
        if segment.type in ("flat", "vlan") and segment.physical_network not in self.mappings:
            return f"the {self.type} of {self.host} maps no {segment.physical_network}"
        if segment.type == "vxlan" and not self.tunnel_ip:
            return f"the {self.type} of {self.host} reports no tunnel address"
        return ""


def hindrance(
    host: str, agents: Iterable[Agent], way: Way, now: datetime.datetime, down_after: float
) -> str:
    """Why nothing of the host may change now; empty if it may.

    Two agents at once would both wire its taps. The one that goes has stopped when it has not
    reported since the other started, or for so long that Neutron takes it for dead.
    """
    by_type = {agent.type: agent for agent in agents if agent.host == host}
    serving, former = by_type.get(way.agent), by_type.get(way.former_agent)
    if serving is None:
        return f"no {way.agent} of {host} has ever reported: start it first"
    silent = (now - serving.heartbeat).total_seconds()
    if silent > down_after:
        return f"the {way.agent} of {host} has not reported for {silent:.0f} s: start it first"
    if not serving.enabled:
        return f"the {way.agent} of {host} is disabled: openstack network agent set --enable"
    if former is None or former.heartbeat <= serving.started:
        return ""
    silent = (now - former.heartbeat).total_seconds()
    if silent > down_after:
        return ""
    return (
        f"the {way.former_agent} of {host} has reported {silent:.0f} s ago, after the "
        f"{way.agent} started: stop it, and start the {way.agent} anew"
    )


def tunnel_ends(agents: Iterable[Agent]) -> dict[str, str]:
    """Hosts and their addresses of which ``tunnel_sync`` never heard: the linux bridge agent knew
    its peers by l2population alone."""
    return {
        agent.host: agent.tunnel_ip
        for agent in agents
        if agent.type == LINUX_BRIDGE_AGENT and agent.tunnel_ip
    }


def is_populated(agents: Iterable[Agent]) -> bool:
    """Does Neutron tell its linux bridge agents each other's ports (l2population)?"""
    return any(
        agent.configurations.get("l2_population")
        for agent in agents
        if agent.type == LINUX_BRIDGE_AGENT
    )
