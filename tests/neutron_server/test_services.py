"""Neutron's own DHCP, L3 and metadata agents with our interface driver, as their users see them:
guests on another host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.neutron_server.serving import (
    GATEWAY,
    address_of,
    gone,
    guest_of,
    is_wired,
    machine_outside,
    network_outside,
    service_port,
    wait_agents,
)
from vif_agent.testing.neutron.agree import agree, bridge_of
from vif_agent.testing.neutron.api import Json
from vif_agent.testing.neutron.cloud import Cloud, wait
from vif_agent.testing.neutron.guest import Machine
from vif_agent.testing.neutron.hypervisor import Hypervisor, tap_of
from vif_agent.testing.neutron.services import DHCP, L3, METADATA, Services
from vif_agent.testing.neutron.web import Web, instance
from vif_agent.testing.neutron.wires import CONTROL

METADATA_URL = "http://169.254.169.254/latest/meta-data/instance-id"


@pytest.fixture(scope="module")
def services(cloud: Cloud, hosts: tuple[Hypervisor, Hypervisor]) -> Iterator[Services]:
    """On the host "one"."""
    with (
        Web(CONTROL, instance) as nova,
        Services(cloud, hosts[0], metadata=nova.address) as services,
    ):
        services.launch(DHCP, L3, METADATA)
        wait_agents(cloud, 3)
        yield services


@pytest.fixture
def network(cloud: Cloud, clean: None) -> Json:
    return cloud.network(kind="vxlan", cidr="10.7.0.0/24", dhcp=True)


def test_dhcp_and_metadata_for_a_guest_on_another_host(
    cloud: Cloud, services: Services, one: Hypervisor, two: Hypervisor, network: Json
) -> None:
    """An isolated network: metadata comes by the DHCP agent. What others undo is repaired."""
    server = service_port(cloud, network)
    assert (server["binding:vif_type"], server["binding:host_id"]) == ("tap", "one")
    wait(lambda: is_wired(one, server), "DHCP's tap in its bridge")
    inner = services.links(f"qdhcp-{network['id']}")[f"ns-{server['id'][:11]}"]
    assert (inner["address"], inner["mtu"]) == (server["mac_address"], network["mtu"])
    with guest_of(cloud, two, network) as (guest, port):
        assert guest.lease() == address_of(port)
        assert guest.get(METADATA_URL) == port["device_id"]
        one.ip("link", "set", tap_of(server["id"]), "nomaster")
        wait(lambda: is_wired(one, server), "DHCP's tap back in its bridge")
        one.ip("link", "delete", bridge_of(network["id"]))
        wait(lambda: is_wired(one, server), "DHCP's tap in a new bridge")
        services.kill(DHCP)
        assert guest.lease() == address_of(port), "dnsmasq goes on without it"
        services.launch(DHCP)
        agree(cloud, one, two)
    cloud.api.delete("network", network["id"])
    gone(cloud, services, one, two)


def test_host_of_the_services_is_restarted_and_our_agent_is_late(
    cloud: Cloud, services: Services, one: Hypervisor, two: Hypervisor, network: Json
) -> None:
    """All namespaces, devices and processes have gone; who comes up first does not matter. Neutron
    takes DHCP's word for it that the port is ready; it is reached once it is wired."""
    server = service_port(cloud, network)
    with guest_of(cloud, two, network) as (guest, port):
        assert guest.lease() == address_of(port)
        one.stop_agent()
        services.power_on(*services.power_off())
        wait(lambda: tap_of(server["id"]) in one.links(), "DHCP's tap", timeout=180)
        assert service_port(cloud, network)["id"] == server["id"]
        assert not is_wired(one, server)
        one.start_agent()
        wait(lambda: is_wired(one, server), "DHCP's tap in its bridge")
        assert guest.lease() == address_of(port)
    cloud.api.delete("network", network["id"])
    gone(cloud, services, one, two)


@pytest.fixture
def outside(clean: None) -> Iterator[Machine]:
    with machine_outside() as machine:
        yield machine


@pytest.fixture
def router(
    cloud: Cloud,
    services: Services,
    one: Hypervisor,
    two: Hypervisor,
    network: Json,
    outside: Machine,
) -> Iterator[Json]:
    """Between the network and the physical one. Afterwards both are gone, and all of them."""
    external = network_outside(cloud)
    router = cloud.api.create("router", external_gateway_info={"network_id": external["id"]})
    (inner,) = cloud.api.list("subnet", network_id=network["id"])
    subnet = {"subnet_id": inner["id"]}
    path = f"/routers/{router['id']}"
    cloud.api.request("PUT", f"{path}/add_router_interface", subnet)
    yield router
    for address in cloud.api.list("floatingip"):
        cloud.api.delete("floatingip", address["id"])
    cloud.api.request("PUT", f"{path}/remove_router_interface", subnet)
    cloud.api.delete("router", router["id"])
    for one_of in (network, external):
        cloud.api.delete("network", one_of["id"])
    gone(cloud, services, one, two)


def test_router_with_a_floating_ip(
    cloud: Cloud,
    services: Services,
    one: Hypervisor,
    two: Hypervisor,
    network: Json,
    router: Json,
    outside: Machine,
) -> None:
    inner = service_port(cloud, network, "network:router_interface")
    own = router["external_gateway_info"]["external_fixed_ips"][0]["ip_address"]
    wait(lambda: is_wired(one, inner), "the router's tap in its bridge")
    service_port(cloud, network)
    with guest_of(cloud, two, network) as (guest, port):
        assert guest.lease() == address_of(port)
        wait(lambda: guest.reaches(address_of(inner)), "the router")
        assert guest.get(f"http://{GATEWAY}/") == own, "by SNAT"
        assert guest.get(METADATA_URL) == port["device_id"]
        floating = cloud.api.create(
            "floatingip",
            floating_network_id=router["external_gateway_info"]["network_id"],
            port_id=port["id"],
        )["floating_ip_address"]
        wait(lambda: outside.reaches(floating), "the guest by its floating IP")
        assert guest.get(f"http://{GATEWAY}/") == floating
        one.ip("link", "set", tap_of(inner["id"]), "nomaster")
        wait(lambda: is_wired(one, inner), "the router's tap back in its bridge")
        wait(lambda: outside.reaches(floating), "the guest again")
        agree(cloud, one, two)
