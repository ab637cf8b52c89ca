"""Who serves a host, by what the agents have reported."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from vif_agent.neutron.adoption import agents
from vif_agent.neutron.adoption.agents import Agent
from vif_agent.neutron.adoption.ports import ADOPT, LINUX_BRIDGE_AGENT, RETURN, VIF_AGENT, Segment

NOON = datetime.datetime(2026, 11, 29, 12, 0, 0)  # noqa: DTZ001 - as the database has it
CONFIGURATIONS = {
    "network_types": ["local", "flat", "vxlan"],
    "tunnel_types": ["vxlan"],
    "tunneling_ip": "192.0.2.1",
    "interface_mappings": {"physnet1": "eth1"},
    "bridge_mappings": {"physnet2": "br-ex"},
}


def agent(kind: str, heartbeat: float = 0, started: float = -600, **more: Any) -> Agent:
    """Seconds before now."""
    return Agent(
        host=more.get("host", "one"),
        type=kind,
        heartbeat=NOON + datetime.timedelta(seconds=heartbeat),
        started=NOON + datetime.timedelta(seconds=started),
        enabled=more.get("enabled", True),
        configurations=more.get("configurations", CONFIGURATIONS),
    )


OURS, THEIRS = agent(VIF_AGENT, -3), agent(LINUX_BRIDGE_AGENT, -700, -9000)


@pytest.mark.parametrize(
    ("reported", "why"),
    [
        ([OURS], ""),
        ([OURS, THEIRS], ""),
        ([OURS, agent(LINUX_BRIDGE_AGENT, -100)], ""),
        ([OURS, agent(LINUX_BRIDGE_AGENT, -1, host="two")], ""),
        ([], "no vif-agent of one has ever reported"),
        ([agent(VIF_AGENT, -1, host="two")], "no vif-agent of one has ever reported"),
        ([agent(VIF_AGENT, -76)], "the vif-agent of one has not reported for 76 s"),
        ([agent(VIF_AGENT, enabled=False)], "the vif-agent of one is disabled"),
        ([OURS, agent(LINUX_BRIDGE_AGENT, -20)], "the Linux bridge agent of one has reported 20 s"),
    ],
)
def test_a_host_is_moved_when_the_new_agent_serves_it_and_the_former_has_stopped(
    reported: list[Agent], why: str
) -> None:
    said = agents.hindrance("one", reported, ADOPT, NOON, 75)
    assert said.startswith(why)
    assert bool(said) == bool(why)


def test_the_way_back_asks_for_the_linux_bridge_agent() -> None:
    assert agents.hindrance("one", [OURS, THEIRS], RETURN, NOON, 75).startswith(
        "the Linux bridge agent of one has not reported for 700 s"
    )
    back = agent(LINUX_BRIDGE_AGENT, -1, -2)
    assert agents.hindrance("one", [OURS, back], RETURN, NOON, 75) == ""


@pytest.mark.parametrize(
    ("segment", "why"),
    [
        (Segment("local", None, None), ""),
        (Segment("flat", "physnet1", None), ""),
        (Segment("flat", "physnet2", None), ""),
        (Segment("vxlan", None, 7), ""),
        (Segment("flat", "physnet3", None), "the vif-agent of one maps no physnet3"),
        (Segment("vlan", "physnet1", 7), "the vif-agent of one serves no vlan"),
        (Segment("gre", None, 7), "the vif-agent of one serves no gre"),
        (Segment("", None, None), "the vif-agent of one serves no network of no type"),
    ],
)
def test_an_agent_serves_the_networks_that_it_reports(segment: Segment, why: str) -> None:
    assert OURS.serves(segment) == why


def test_without_a_tunnel_address_there_is_no_vxlan() -> None:
    without = agent(VIF_AGENT, configurations={**CONFIGURATIONS, "tunneling_ip": None})
    assert without.serves(Segment("vxlan", None, 7)).endswith("reports no tunnel address")


def test_tunnel_ends_are_those_of_linux_bridge_agents_with_an_address() -> None:
    without = agent(LINUX_BRIDGE_AGENT, host="three", configurations={})
    there = [OURS, agent(LINUX_BRIDGE_AGENT, host="two"), without]
    assert agents.tunnel_ends(there) == {"two": "192.0.2.1"}
