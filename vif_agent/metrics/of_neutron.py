"""Metrics of what Neutron hears of this host; told where it is to hear anything."""

from collections.abc import Callable

from vif_agent.l2_agent.agent import L2Agent
from vif_agent.metrics.family import Family, gauge
from vif_agent.metrics.sources import Sources


def _of(read: Callable[[L2Agent], float | None]) -> Callable[[Sources], float | None]:
    return lambda sources: read(sources.l2_agent) if sources.l2_agent else None


OF_NEUTRON: tuple[Family, ...] = (
    gauge(
        "neutron_report_timestamp_seconds",
        "When Neutron has answered a report of the agent's state last, as a Unix time.",
        _of(lambda agent: agent.reported and agent.reported.at),
    ),
    gauge(
        "neutron_ports_to_tell",
        "Ports of which Neutron has yet to hear how they are.",
        _of(lambda agent: float(agent.waiting)),
    ),
    gauge(
        "neutron_ports_failed",
        "Ports of Neutron's that have failed for good, as it was told last.",
        _of(lambda agent: float(agent.failed)),
    ),
    gauge(
        "neutron_vxlan_peers",
        "Tunnel ends of other hosts that Neutron has named; told with [neutron] vxlan_peers.",
        _of(lambda agent: agent.peers),
    ),
)
