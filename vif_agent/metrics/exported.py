"""All metrics, in the order in which they are told; docs/metrics.md has the same."""

from vif_agent.metrics.family import Family
from vif_agent.metrics.of_agent import OF_AGENT, OF_NO_AGENT
from vif_agent.metrics.of_host import OF_HOST
from vif_agent.metrics.of_neutron import OF_NEUTRON
from vif_agent.metrics.of_ports import OF_PORTS
from vif_agent.metrics.of_work import OF_WORK

EXPORTED: tuple[Family, ...] = (*OF_AGENT, *OF_PORTS, *OF_WORK, *OF_HOST, *OF_NEUTRON)
#: what a file says when its agent has stopped: all else would be of the past
ENDED: tuple[Family, ...] = OF_NO_AGENT
