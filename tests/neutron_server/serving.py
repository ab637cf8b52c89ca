"""What the tests of Neutron's own agents share: their ports, who uses them, and the outside."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from vif_agent.testing.neutron.agree import agree, bridge_of
from vif_agent.testing.neutron.api import Json
from vif_agent.testing.neutron.cloud import Cloud, wait
from vif_agent.testing.neutron.guest import Guest, Machine
from vif_agent.testing.neutron.hypervisor import Hypervisor, tap_of
from vif_agent.testing.neutron.services import Services
from vif_agent.testing.neutron.web import Web, asker

GATEWAY = "198.51.100.1"


def wait_agents(cloud: Cloud, count: int) -> None:
    """Until so many of Neutron's own report."""

    def alive() -> int:
        agents = cloud.api.list("agent")
        return sum(agent["alive"] and agent["agent_type"] != "vif-agent" for agent in agents)

    wait(lambda: alive() == count, f"{count} agents of Neutron's own", timeout=120)


def service_port(cloud: Cloud, network: Json, owner: str = "network:dhcp") -> Json:
    """Bound, and ACTIVE in Neutron's words."""

    def found() -> list[Json]:
        ports = cloud.api.list("port", network_id=network["id"], device_owner=owner)
        return [port for port in ports if port["status"] == "ACTIVE"]

    wait(found, f"an active port of {owner}", timeout=180)
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
    wait(lambda: not services.namespaces(), "no namespaces of Neutron's", timeout=180)
    agree(cloud, *hosts)
    assert not any(name.startswith("tap") for host in hosts for name in host.links())


def network_outside(cloud: Cloud) -> Json:
    """The physical network as Neutron has it, for routers."""
    external = cloud.network(kind="flat", cidr="198.51.100.0/24")
    return cloud.api.update("network", external["id"], {"router:external": True})


@contextlib.contextmanager
def machine_outside() -> Iterator[Machine]:
    """On the physical network: its gateway, with a web server that says who asks."""
    with Machine("outside", "", "master", "physical") as machine:
        machine.run("ip", "address", "add", f"{GATEWAY}/24", "dev", "eth0")
        with machine.namespace.entered():
            web = Web(GATEWAY, asker, port=80)
        with web:
            yield machine
