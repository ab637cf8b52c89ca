"""What the driver says of one port and one host's agent. Pure: needs no Neutron.

``configurations`` is what the agent reports of itself, ``segment`` and ``port`` are Neutron's.
"""

from collections.abc import Mapping
from typing import Any

AGENT_TYPE = "vif-agent"
#: the entry point's name: so Neutron's database names the driver of a binding
DRIVER = "vif_agent"
VIF_TYPE = "tap"
VNIC_TYPE = "normal"

NOT_BOUND, IGNORED = "not_bound", "ignored"

#: the agent's firewall drivers that hold a guest to its addresses are all but this one
_UNGUARDED = "noop"
_SUBPORT = "trunk:subport"
#: a router's port on every host at once
_EVERYWHERE = "network:router_interface_distributed"


def carries(segment: Mapping[str, Any], configurations: Mapping[str, Any]) -> bool:
    """Does the host reach this segment?"""
    kind = segment.get("network_type")
    if kind not in (configurations.get("network_types") or ()):
        return False
    if kind == "vxlan":
        tunnels = configurations.get("tunnel_types") or ()
        return kind in tunnels and bool(configurations.get("tunneling_ip"))
    if kind in ("flat", "vlan"):
        return segment.get("physical_network") in physical_networks(configurations, kind)
    return True


def physical_networks(configurations: Mapping[str, Any], kind: str = "flat") -> set[str]:
    """An operator's bridge is an untagged network; VLANs need the device."""
    bridges = configurations.get("bridge_mappings") or {} if kind == "flat" else {}
    return {*(configurations.get("interface_mappings") or {}), *bridges}


def guards(configurations: Mapping[str, Any]) -> bool:
    """Does the host hold a guest to its own MAC and IP addresses?"""
    return (configurations.get("firewall") or _UNGUARDED) != _UNGUARDED


def vif_details(configurations: Mapping[str, Any]) -> dict[str, Any]:
    """``binding:vif_details`` of a port that is bound to this host."""
    return {"connectivity": "l2", "port_filter": guards(configurations)}


def refusal(port: Mapping[str, Any], security_groups: str) -> str:
    """Why this port is not bound, wherever; empty if it may be."""
    owner = port.get("device_owner")
    if owner == _SUBPORT:
        return "it is a trunk's subport, and trunks are not supported"
    if owner == _EVERYWHERE:
        return "it is a distributed router's, and these are not supported"
    groups = port.get("security_groups") or ()
    if security_groups != IGNORED and groups and port.get("port_security_enabled") is not False:
        return (
            f"it has security groups ({', '.join(map(str, groups))}), whose rules vif-agent does "
            "not enforce: its traffic would not be filtered. Take the groups away (openstack port "
            "set --no-security-group), or the port's security altogether (--disable-port-security);"
            f" or, to bind such ports all the same, set [ml2_vif_agent] security_groups = {IGNORED}"
            " in every Neutron server: see docs/neutron.md for what that means"
        )
    return ""
