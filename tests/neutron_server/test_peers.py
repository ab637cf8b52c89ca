"""VXLAN without multicast: each host sends to those that Neutron names, as they come and go."""

from __future__ import annotations

import json
import os

from vif_agent.testing import processes
from vif_agent.testing.frames import crosses
from vif_agent.testing.neutron.agree import agree
from vif_agent.testing.neutron.api import Json
from vif_agent.testing.neutron.cloud import Cloud, wait
from vif_agent.testing.neutron.hypervisor import Hypervisor

_TO_ALL = "00:00:00:00:00:00"


def peers(host: Hypervisor, network: Json) -> set[str]:
    """Where it sends what is for everybody."""
    device = f"vxlan-{network['provider:segmentation_id']}"
    with host.entered():
        argv = ("bridge", "-j", "fdb", "show", "dev", device)
        rows = json.loads(processes.run(argv, os.environ))
    return {row["dst"] for row in rows if row["mac"] == _TO_ALL and "dst" in row}


def _all_know(network: Json, *hosts: Hypervisor) -> bool:
    """And nobody else."""
    addresses = {host.address for host in hosts}
    return all(peers(host, network) == addresses - {host.address} for host in hosts)


def test_hosts_come_and_go(cloud: Cloud, one: Hypervisor, two: Hypervisor) -> None:
    network = cloud.network("vxlan")
    ours, theirs = cloud.port(network, "one"), cloud.port(network, "two")
    with one.guest(ours) as a, two.guest(theirs) as b:
        wait(lambda: _all_know(network, one, two), "each other")
        with cloud.hypervisor("three", {"neutron": {"vxlan_peers": "true"}}) as three:
            cloud.wait_agents("three")
            cloud.port(network, "three")
            wait(lambda: _all_know(network, one, two, three), "all others")
            for port in cloud.api.list("port", **{"binding:host_id": "three"}):
                cloud.api.delete("port", port["id"])
        assert three.address in peers(one, network)  # it may be back in a moment
        (agent,) = cloud.api.list("agent", host="three", agent_type="vif-agent")
        cloud.api.delete("agent", agent["id"])
        wait(lambda: _all_know(network, one, two), "two alone")
        assert crosses(a, b, source_mac=ours["mac_address"])
    agree(cloud, one, two)
