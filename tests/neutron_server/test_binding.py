"""A port from POST to DELETE, on each kind of segment: Neutron, agent and host say the same."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.operating import frozen
from vif_agent.testing.frames import crosses, stops_crossing
from vif_agent.testing.neutron.agree import agree
from vif_agent.testing.neutron.api import Json
from vif_agent.testing.neutron.cloud import Cloud, guests_port, wait
from vif_agent.testing.neutron.hypervisor import Hypervisor
from vif_agent.testing.neutron.wires import PHYSICAL

HasStatus = Callable[[Json, str], None]

PLUGGED, UNPLUGGED = "network-vif-plugged", "network-vif-unplugged"
KINDS = ["local", "flat", "vlan", "vxlan"]
MANY = 100


@pytest.fixture
def carried(request: pytest.FixtureRequest, one: Hypervisor) -> str:
    """A kind of segment that this kernel carries."""
    kind: str = request.param
    if kind == "vlan":
        try:
            one.ip("link", "add", "link", PHYSICAL, "name", "probe", "type", "vlan", "id", "7")
        except RuntimeError as error:
            pytest.skip(f"this kernel has no VLAN devices: {error}")
        one.ip("link", "delete", "probe")
    return kind


@pytest.mark.parametrize("carried", KINDS, indirect=True)
def test_port_is_bound_wired_and_removed(
    cloud: Cloud, one: Hypervisor, two: Hypervisor, carried: str, has_status: HasStatus
) -> None:
    port = cloud.port(cloud.network(carried), "one")
    assert port["binding:vif_type"] == "tap"
    assert port["status"] == "DOWN"
    agree(cloud, one, two)
    for _ in range(2):
        with one.guest(port):
            has_status(port, "ACTIVE")
            cloud.nova.wait(port["id"], PLUGGED)
            agree(cloud, one, two)
        has_status(port, "DOWN")
        cloud.nova.wait(port["id"], UNPLUGGED)
        cloud.nova.forget()
        agree(cloud, one, two)
    cloud.api.delete("port", port["id"])
    agree(cloud, one, two)


@pytest.mark.parametrize("carried", ["flat", "vlan", "vxlan"], indirect=True)
def test_guests_of_one_network_hear_each_other_on_two_hosts(
    cloud: Cloud, one: Hypervisor, two: Hypervisor, carried: str
) -> None:
    network = cloud.network(carried)
    ours, theirs = cloud.port(network, "one"), cloud.port(network, "two")
    with one.guest(ours) as a, two.guest(theirs) as b:
        agree(cloud, one, two)
        assert crosses(a, b, source_mac=ours["mac_address"])
        assert crosses(b, a, source_mac=theirs["mac_address"])
        cloud.api.update("port", theirs["id"], {"admin_state_up": False})
        agree(cloud, one, two)
        assert stops_crossing(a, b)


def test_port_is_down_while_an_administrator_wants_it_down(
    cloud: Cloud, one: Hypervisor, has_status: HasStatus
) -> None:
    port = cloud.port(cloud.network(), "one")
    with one.guest(port):
        has_status(port, "ACTIVE")
        for up, status in ((False, "DOWN"), (True, "ACTIVE")):
            cloud.api.update("port", port["id"], {"admin_state_up": up})
            has_status(port, status)
            agree(cloud, one)


def test_mtu_of_a_network_reaches_its_hosts(cloud: Cloud, one: Hypervisor) -> None:
    network = cloud.network()
    port = cloud.port(network, "one")
    with one.guest(port) as _:
        agree(cloud, one)
        cloud.api.update("network", network["id"], {"mtu": 1300})
        bridge = ("brq" + network["id"])[:14]
        wait(lambda: one.links()[bridge]["mtu"] == 1300, "the bridge's MTU")
        agree(cloud, one)


@pytest.mark.timeout(900)
def test_hundred_ports_at_once(cloud: Cloud, one: Hypervisor, two: Hypervisor) -> None:
    """Made and deleted by eight clients of both servers."""
    network = cloud.network()
    hosts, apis = [one, two], [controller.api for controller in cloud.controllers]

    def make(number: int) -> Json:
        asked = guests_port(network, hosts[number % 2].name)
        return apis[number % 4 // 2].create("port", **asked)

    with ThreadPoolExecutor(8) as clients, contextlib.ExitStack() as guests:
        ports = list(clients.map(make, range(MANY)))
        for number, port in enumerate(ports):
            guests.enter_context(hosts[number % 2].guest(port))
        agree(cloud, one, two, timeout=200)
        assert {port["status"] for port in cloud.api.list("port")} == {"ACTIVE"}
        for port in ports:
            cloud.nova.wait(port["id"], PLUGGED)
        guests.close()
        list(clients.map(lambda port: apis[0].delete("port", port["id"]), ports))
    agree(cloud, one, two, timeout=200)


def test_port_moved_to_another_host_by_nova(
    cloud: Cloud, one: Hypervisor, two: Hypervisor, has_status: HasStatus
) -> None:
    """As after an evacuation: one PUT of the host."""
    port = cloud.port(cloud.network(), "one")
    with one.guest(port):
        has_status(port, "ACTIVE")
    cloud.api.update("port", port["id"], {"binding:host_id": "two"})
    agree(cloud, one, two)
    with two.guest(port):
        has_status(port, "ACTIVE")
        agree(cloud, one, two)


def test_port_whose_plug_fails_is_told_to_nova_as_failed(
    cloud: Cloud, one: Hypervisor, has_status: HasStatus
) -> None:
    """Somebody else has a device of the bridge's name there, until he takes it away."""
    network = cloud.network()
    bridge = ("brq" + network["id"])[:14]
    one.ip("link", "add", bridge, "type", "veth", "peer", "name", "others")
    port = cloud.port(network, "one")
    cloud.nova.wait(port["id"], PLUGGED, "failed")
    has_status(port, "ERROR")
    one.ip("link", "delete", bridge)
    with one.guest(port):
        has_status(port, "ACTIVE")
        agree(cloud, one)


def test_many_ports_fail_at_once(cloud: Cloud, one: Hypervisor, two: Hypervisor) -> None:
    """Their errors are longer than Neutron's column for a report."""
    network = cloud.network()
    bridge = ("brq" + network["id"])[:14]
    one.ip("link", "add", bridge, "type", "veth", "peer", "name", "others")
    ports = [cloud.port(network, "one") for _ in range(30)]
    for port in ports:
        cloud.nova.wait(port["id"], PLUGGED, "failed")
    cloud.wait_agents("one")
    one.ip("link", "delete", bridge)
    agree(cloud, one, two, timeout=120)


def test_port_with_security_groups_is_refused_and_the_log_says_what_to_do(
    cloud: Cloud, one: Hypervisor, two: Hypervisor
) -> None:
    network = cloud.network()
    with cloud.another_api({"ml2_vif_agent": {"security_groups": "not_bound"}}) as controller:
        asked = guests_port(network, "one")
        with frozen(one.agent):  # when it reports, the other servers, which ignore them, bind ports
            port = controller.api.create("port", **asked)
        assert port["binding:vif_type"] == "binding_failed"
        assert "security_groups = ignored" in controller.log("api")
        allowed = controller.api.create("port", **asked | {"security_groups": []})
        assert allowed["binding:vif_type"] == "tap"
        agree(cloud, one, two)
