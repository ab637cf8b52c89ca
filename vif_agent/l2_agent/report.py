"""What the agent says of itself to Neutron, as ``openstack network agent show`` has it. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from vif_agent import __version__
from vif_agent.errors import Problem

AGENT_TYPE = BINARY = "vif-agent"
_TOPIC = "N/A"  # of no L2 agent is there one
MOST_FAILED = 100
_LONGEST_MESSAGE = 300


def state(host: str, configurations: Mapping[str, Any], start: bool) -> dict[str, Any]:
    """``start``: it is the first since the agent was started."""
    said = {
        "agent_type": AGENT_TYPE,
        "binary": BINARY,
        "host": host,
        "topic": _TOPIC,
        "configurations": dict(configurations),
    }
    return {**said, "start_flag": True} if start else said


def of_configuration(conf: Any, firewall: str) -> dict[str, Any]:
    """By these the server decides which segments may be bound here. ``conf`` is oslo.config's;
    ``firewall``: the driver that guards ports."""
    network, own = conf.network, conf.network.vxlan_local_ip
    types = [name for name in network.type_drivers if name != "vxlan" or own]
    return {
        "version": __version__,
        "network_types": types,
        "tunnel_types": ["vxlan"] if "vxlan" in types else [],
        "tunneling_ip": str(own) if "vxlan" in types else None,
        "interface_mappings": dict(network.physical_interface_mappings),
        "bridge_mappings": dict(network.bridge_mappings),
        "firewall": firewall,
    }


def of_ports(digest: str, devices: int, failed: Iterable[tuple[str, Problem]]) -> dict[str, Any]:
    """``digest``: of what the host shall have plugged; ``devices``: how many ports."""
    told = sorted(failed, key=lambda each: each[0])[:MOST_FAILED]
    return {
        "wishes": digest,
        "devices": devices,
        "failed": {
            port_id: {"code": problem.code, "message": problem.message[:_LONGEST_MESSAGE]}
            for port_id, problem in told
        },
    }
