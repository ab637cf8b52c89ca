"""What the driver says of ports and hosts, without Neutron."""

from __future__ import annotations

from typing import Any

import pytest

from vif_agent.neutron import binding

ALL: dict[str, Any] = {
    "network_types": ["local", "flat", "vlan", "vxlan"],
    "tunnel_types": ["vxlan"],
    "tunneling_ip": "192.0.2.1",
    "interface_mappings": {"net1": "eth1"},
    "bridge_mappings": {"net2": "br-2"},
}
VXLAN, LOCAL = {"network_type": "vxlan"}, {"network_type": "local"}


def on(kind: str, physical: str) -> dict[str, str]:
    return {"network_type": kind, "physical_network": physical}


@pytest.mark.parametrize(
    ("segment", "reach", "carried"),
    [
        (LOCAL, ALL, True),
        (on("flat", "net1"), ALL, True),
        (on("flat", "net2"), ALL, True),
        (on("flat", "net3"), ALL, False),
        (on("vlan", "net1"), ALL, True),
        (on("vlan", "net2"), ALL, False),
        (VXLAN, ALL, True),
        (VXLAN, {**ALL, "tunneling_ip": None}, False),
        (VXLAN, {**ALL, "tunnel_types": []}, False),
        ({"network_type": "gre"}, ALL, False),
        ({"network_type": "theirs"}, {"network_types": ["theirs"]}, True),  # another's type driver
        (LOCAL, {}, False),
        (LOCAL, {"network_types": None, "interface_mappings": None}, False),
        (on("flat", "net1"), {"network_types": ["flat"], "interface_mappings": None}, False),
    ],
)
def test_which_segment_a_host_reaches(
    segment: dict[str, Any], reach: dict[str, Any], carried: bool
) -> None:
    assert binding.carries(segment, reach) is carried


@pytest.mark.parametrize(
    ("port", "option", "words"),
    [
        ({}, binding.NOT_BOUND, ""),
        ({"security_groups": []}, binding.NOT_BOUND, ""),
        ({"security_groups": ["g"]}, binding.NOT_BOUND, "security groups (g)"),
        ({"security_groups": ["g"]}, binding.IGNORED, ""),
        ({"security_groups": ["g"], "port_security_enabled": False}, binding.NOT_BOUND, ""),
        ({"security_groups": ["g"], "port_security_enabled": True}, binding.NOT_BOUND, "(g)"),
        ({"device_owner": "trunk:subport"}, binding.IGNORED, "trunk"),
        ({"device_owner": "network:router_interface_distributed"}, binding.IGNORED, "distributed"),
        ({"device_owner": "network:router_interface"}, binding.NOT_BOUND, ""),
    ],
)
def test_which_port_is_refused(port: dict[str, Any], option: str, words: str) -> None:
    why = binding.refusal(port, option)
    assert words in why
    assert bool(why) is bool(words)


def test_a_filter_is_promised_only_where_there_is_one() -> None:
    promised = {
        firewall: binding.vif_details({"firewall": firewall})["port_filter"]
        for firewall in ("nftables", "acme", "noop", "", None)
    }
    assert promised == {"nftables": True, "acme": True, "noop": False, "": False, None: False}
