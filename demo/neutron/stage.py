"""What is there when the curtain rises: Neutron, two hypervisors, Neutron's DHCP and L3 agents."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from vif_agent.testing.neutron.agree import bridge_of
from vif_agent.testing.neutron.api import Json, NeutronApi
from vif_agent.testing.neutron.cloud import Cloud, wait
from vif_agent.testing.neutron.guest import Machine
from vif_agent.testing.neutron.hypervisor import Hypervisor, tap_of
from vif_agent.testing.neutron.services import DHCP, L3, Services

ONE, TWO = "compute-1", "compute-2"
GATEWAY = "203.0.113.1"  # of the physical network: a machine that is no guest
PATIENCE = 60.0


@dataclass
class Stage:
    """``services`` are on the first host."""

    cloud: Cloud
    hosts: dict[str, Hypervisor]
    services: Services
    outside: Machine

    @property
    def api(self) -> NeutronApi:
        return self.cloud.api

    def wired(self, port: Json, host: str) -> bool:
        """Is its tap in its network's bridge there?"""
        link = self.hosts[host].links().get(tap_of(port["id"]), {})
        return bool(link.get("master") == bridge_of(port["network_id"]))

    def own_port(self, network: Json, owner: str) -> Json:
        """Of an agent of Neutron's, once it is wired."""
        found: list[Json] = []

        def there() -> bool:
            found[:] = self.api.list("port", network_id=network["id"], device_owner=owner)
            return bool(found) and self.wired(found[0], found[0]["binding:host_id"])

        wait(there, f"port of {owner}", PATIENCE)
        return found[0]


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    with contextlib.ExitStack() as stack:
        cloud = stack.enter_context(Cloud())
        hosts = {name: stack.enter_context(cloud.hypervisor(name)) for name in (ONE, TWO)}
        services = stack.enter_context(Services(cloud, hosts[ONE]))
        services.launch(DHCP, L3)
        outside = stack.enter_context(Machine("outside", "", "master", "physical"))
        outside.run("ip", "address", "add", f"{GATEWAY}/24", "dev", "eth0")
        cloud.wait_agents(ONE, TWO)
        wait(lambda: len(_alive(cloud)) == len(hosts) + 2, "DHCP and L3 agent", PATIENCE)
        yield Stage(cloud, hosts, services, outside)


def _alive(cloud: Cloud) -> list[Json]:
    return [agent for agent in cloud.api.list("agent") if agent["alive"]]
