"""What the agent says of itself to Neutron, as ``openstack network agent show`` has it. Pure."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from vif_agent import __version__
from vif_agent.errors import NotConfigured, Problem

AGENT_TYPE = BINARY = "vif-agent"
_TOPIC = "N/A"  # of no L2 agent is there one
MOST_FAILED = 100
_LONGEST_MESSAGE = 300
_MOST_STORED = 3900  # of 4,095, with room for what is added to it


def state(
    host: str,
    configurations: Mapping[str, Any],
    failed: Iterable[tuple[str, Problem]],
    up: Collection[str],
    start: bool,
) -> dict[str, Any]:
    """``start``: it is the first since the agent was started. What has ``failed``, and is told to
    be ``up``, Neutron hands to the driver and does not store: of configurations it takes 4,095
    characters."""
    told = sorted(failed, key=lambda each: each[0])[:MOST_FAILED]
    said = {
        "agent_type": AGENT_TYPE,
        "binary": BINARY,
        "host": host,
        "topic": _TOPIC,
        "configurations": dict(configurations),
        "failed": {
            port_id: {"code": problem.code, "message": problem.message[:_LONGEST_MESSAGE]}
            for port_id, problem in told
        },
        "up": sorted(up),
    }
    return {**said, "start_flag": True} if start else said


def of_configuration(conf: Any, firewall: str) -> dict[str, Any]:
    """By these the server decides which segments may be bound here. ``conf`` is oslo.config's;
    ``firewall``: the driver that guards ports. NotConfigured for more than Neutron can store."""
    network, own = conf.network, conf.network.vxlan_local_ip
    types = [name for name in network.type_drivers if name != "vxlan" or own]
    said = {
        "version": __version__,
        "network_types": types,
        "tunnel_types": ["vxlan"] if "vxlan" in types else [],
        "tunneling_ip": str(own) if "vxlan" in types else None,
        "interface_mappings": dict(network.physical_interface_mappings),
        "bridge_mappings": dict(network.bridge_mappings),
        "firewall": firewall,
    }
    if (size := len(json.dumps(said))) > _MOST_STORED:
        options = "[network] type_drivers, physical_interface_mappings, bridge_mappings"
        raise NotConfigured(
            f"{options}: expected no more than Neutron stores of an agent, {_MOST_STORED} "
            f"characters as JSON, got {size}"
        )
    return said


def of_ports(digest: str, devices: int) -> dict[str, Any]:
    """``digest``: of what the host shall have plugged; ``devices``: how many ports."""
    return {"wishes": digest, "devices": devices}
