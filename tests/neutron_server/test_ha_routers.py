"""A router on two hosts, of which one works: VRRP between them by a network of Neutron's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.neutron_server.serving import (
    GATEWAY,
    address_of,
    guest_of,
    machine_outside,
    network_outside,
    wait_agents,
)
from vif_agent.testing.neutron.api import Json
from vif_agent.testing.neutron.cloud import Cloud, wait
from vif_agent.testing.neutron.hypervisor import Hypervisor
from vif_agent.testing.neutron.services import DHCP, L3, Services


@pytest.fixture
def services(
    cloud: Cloud, hosts: tuple[Hypervisor, Hypervisor], clean: None
) -> Iterator[dict[str, Services]]:
    """By host."""
    with Services(cloud, hosts[0]) as first, Services(cloud, hosts[1]) as second:
        first.launch(DHCP, L3)
        second.launch(L3)
        wait_agents(cloud, 3)
        yield {"one": first, "two": second}


@pytest.fixture
def router(cloud: Cloud, services: object) -> Iterator[Json]:
    """Between a network and the physical one. Afterwards it is gone."""
    network = cloud.network(kind="vxlan", cidr="10.7.0.0/24", dhcp=True)
    (subnet,) = cloud.api.list("subnet", network_id=network["id"])
    gateway = {"network_id": network_outside(cloud)["id"]}
    router = cloud.api.create("router", ha=True, external_gateway_info=gateway)
    inner, path = {"subnet_id": subnet["id"]}, f"/routers/{router['id']}"
    cloud.api.request("PUT", f"{path}/add_router_interface", inner)
    yield {**router, "network": network}
    cloud.api.request("PUT", f"{path}/remove_router_interface", inner)
    cloud.api.delete("router", router["id"])


def test_ha_router_moves_when_its_host_goes(
    cloud: Cloud,
    services: dict[str, Services],
    router: Json,
    two: Hypervisor,
    figures: Callable[[str], None],
) -> None:
    def states() -> dict[str, str]:
        agents = cloud.api.request("GET", f"/routers/{router['id']}/l3-agents")["agents"]
        return {agent["ha_state"]: agent["host"] for agent in agents}

    wait(lambda: set(states()) == {"active", "standby"}, "one works, one waits", timeout=120)
    with machine_outside(), guest_of(cloud, two, router["network"]) as (guest, port):
        assert guest.lease() == address_of(port)
        wait(lambda: guest.reaches(GATEWAY), "the outside")
        before = states()
        services[before["active"]].power_off()
        gone = time.monotonic()
        wait(lambda: states().get("active") == before["standby"], "the other works", timeout=120)
        wait(lambda: guest.reaches(GATEWAY), "the outside by the other", timeout=120)
        figures(f"an HA router's other host: after {time.monotonic() - gone:.1f} s")
        services[before["active"]].power_on(L3)
        wait(lambda: guest.reaches(GATEWAY), "the outside still")
