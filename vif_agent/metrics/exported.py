"""All metrics, in the order in which they are told; docs/metrics.md has the same."""

from vif_agent.metrics.family import Family
from vif_agent.metrics.of_agent import OF_AGENT
from vif_agent.metrics.of_ports import OF_PORTS

EXPORTED: tuple[Family, ...] = (*OF_AGENT, *OF_PORTS)
