"""Neutron's own DHCP, L3 and metadata agents with our interface driver, as their users see them:
guests on another host."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from vif_agent.testing.neutron.agree import agree, bridge_of
from vif_agent.testing.neutron.api import Json
from vif_agent.testing.neutron.cloud import Cloud, wait
from vif_agent.testing.neutron.guest import Guest, Machine
from vif_agent.testing.neutron.hypervisor import Hypervisor, tap_of
from vif_agent.testing.neutron.services import DHCP, L3, METADATA, Services
from vif_agent.testing.neutron.web import Web, asker, instance
from vif_agent.testing.neutron.wires import CONTROL

METADATA_URL = "http://169.254.169.254/latest/meta-data/instance-id"
GATEWAY = "198.51.100.1"


@pytest.fixture(scope="module")
def services(cloud: Cloud, hosts: tuple[Hypervisor, Hypervisor]) -> Iterator[Services]:
    """On the host "one"."""
    with (
        Web(CONTROL, instance) as nova,
        Services(cloud, hosts[0], metadata=nova.address) as services,
    ):
        services.launch(DHCP, L3, METADATA)
        wait(lambda: _alive(cloud) >= {"DHCP agent", "L3 agent", "Metadata agent"}, "its agents")
        yield services


def _alive(cloud: Cloud) -> set[str]:
    return {agent["agent_type"] for agent in cloud.api.list("agent") if agent["alive"]}


@pytest.fixture
def network(cloud: Cloud, clean: None) -> Json:
    return cloud.network(kind="vxlan", cidr="10.7.0.0/24", dhcp=True)


def service_port(cloud: Cloud, network: Json, owner: str = "network:dhcp") -> Json:
    """Bound, and ACTIVE in Neutron's words."""

    def found() -> list[Json]:
        ports = cloud.api.list("port", network_id=network["id"], device_owner=owner)
        return [port for port in ports if port["status"] == "ACTIVE"]

    wait(found, f"an active port of {owner}")
    (port,) = found()
    return port


def is_wired(host: Hypervisor, port: Json) -> bool:
    link = host.links().get(tap_of(port["id"]), {})
    return bool(link.get("master") == bridge_of(port["network_id"]))


def address_of(port: Json) -> str:
    return str(port["fixed_ips"][0]["ip_address"])


@contextlib.contextmanager
def guest_of(cloud: Cloud, host: Hypervisor, network: Json) -> Iterator[tuple[Guest, Json]]:
    """Afterwards neither the guest nor its port is there."""
    port = cloud.port(network, host.name)
    with Guest(host, port) as guest:
        cloud.api.wait("port", port["id"], lambda it: it["status"] == "ACTIVE")
        yield guest, port
    cloud.api.delete("port", port["id"])


def gone(cloud: Cloud, services: Services, *hosts: Hypervisor) -> None:
    """Nothing of DHCP's or routers' is left anywhere."""
    wait(lambda: not services.namespaces(), "no namespaces of Neutron's")
    agree(cloud, *hosts)
    assert not any(name.startswith("tap") for host in hosts for name in host.links())


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


def test_agent_that_is_late(
    cloud: Cloud, services: Services, one: Hypervisor, two: Hypervisor, clean: None
) -> None:
    """Neutron takes DHCP's word for it that the port is ready; it is reached once it is wired."""
    one.agent.kill()
    try:
        network = cloud.network(kind="vxlan", cidr="10.7.0.0/24", dhcp=True)
        server = service_port(cloud, network)
        assert server["binding:vif_type"] == "tap", "bound while Neutron took the agent for alive"
        assert not is_wired(one, server)
    finally:
        one.start_agent()
    wait(lambda: is_wired(one, server), "DHCP's tap in its bridge")
    with guest_of(cloud, two, network) as (guest, port):
        assert guest.lease() == address_of(port)
    cloud.api.delete("network", network["id"])
    gone(cloud, services, one, two)


def test_host_of_the_services_is_restarted(
    cloud: Cloud, services: Services, one: Hypervisor, two: Hypervisor, network: Json
) -> None:
    """All namespaces, devices and processes have gone; who comes up first does not matter."""
    server = service_port(cloud, network)
    with guest_of(cloud, two, network) as (guest, port):
        assert guest.lease() == address_of(port)
        one.stop_agent()
        services.restart()
        wait(lambda: tap_of(server["id"]) in one.links(), "DHCP's tap")
        one.start_agent()
        wait(lambda: is_wired(one, server), "DHCP's tap in its bridge")
        assert guest.lease() == address_of(port)
    cloud.api.delete("network", network["id"])
    gone(cloud, services, one, two)


@pytest.fixture
def outside(cloud: Cloud, clean: None) -> Iterator[Machine]:
    """A machine on the physical network, with a web server that says who asks."""
    with Machine("outside", "", "master", "physical") as machine:
        machine.run("ip", "address", "add", f"{GATEWAY}/24", "dev", "eth0")
        with machine.namespace.entered():
            web = Web(GATEWAY, asker, port=80)
        with web:
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
    external = cloud.network(kind="flat", cidr="198.51.100.0/24")
    cloud.api.update("network", external["id"], {"router:external": True})
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
