"""What is between Neutron and an agent goes away and comes back, or a message is lost: in the end
Neutron, the agent and the host say the same, with nobody's help."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import amqp
import pytest

from tests.support.operating import frozen
from vif_agent import bus
from vif_agent.testing.neutron.agree import agree
from vif_agent.testing.neutron.api import Json, Refused
from vif_agent.testing.neutron.cloud import Cloud, wait
from vif_agent.testing.neutron.controller import API, RPC
from vif_agent.testing.neutron.hypervisor import Hypervisor

HasStatus = Callable[[Json, str], None]

PLUGGED = "network-vif-plugged"
WORKERS = 4
CASTS = (bus.EXCHANGE, bus.CAST_TOPIC)
STATUSES, REPORTS = ("neutron", "q-plugin"), ("neutron", "q-reports-plugin")


@contextlib.contextmanager
def losing(cloud: Cloud, exchange: str, topic: str, host: str = "") -> Iterator[None]:
    """What is sent to this topic meanwhile comes to nobody, and nobody is told."""
    key = f"{topic}.{host}" if host else topic
    address, port = cloud.rabbit.address, cloud.rabbit.port
    connection = amqp.Connection(f"{address}:{port}", heartbeat=0)
    connection.connect()
    with connection, connection.channel() as channel:
        channel.queue_unbind(key, exchange, key)
        try:
            yield
        finally:
            channel.queue_bind(key, exchange, key)


@contextlib.contextmanager
def no_rpc(cloud: Cloud) -> Iterator[None]:
    for controller in cloud.controllers:
        controller.kill(RPC)
    yield
    for controller in cloud.controllers:
        controller.launch(RPC)
    cloud.wait_workers(WORKERS)


@contextlib.contextmanager
def no_database(cloud: Cloud) -> Iterator[None]:
    cloud.database.kill()
    yield
    cloud.database.start()


@contextlib.contextmanager
def hung_database(cloud: Cloud) -> Iterator[None]:
    with cloud.database.frozen():
        yield


@contextlib.contextmanager
def no_broker(cloud: Cloud) -> Iterator[None]:
    cloud.rabbit.kill()
    yield
    cloud.rabbit.start()


AWAY = {
    "RPC servers": no_rpc,
    "database": no_database,
    "database that hangs": hung_database,
    "broker": no_broker,
}


@pytest.mark.parametrize("what", AWAY)
def test_guests_that_come_and_go_meanwhile(
    cloud: Cloud, one: Hypervisor, two: Hypervisor, has_status: HasStatus, what: str
) -> None:
    """One starts, one ends, one goes on."""
    network = cloud.network()
    starts, ends, stays = (cloud.port(network, "one") for _ in range(3))
    with one.guest(stays), contextlib.ExitStack() as ending, contextlib.ExitStack() as started:
        ending.enter_context(one.guest(ends))
        agree(cloud, one, two)
        with AWAY[what](cloud):
            ending.close()
            started.enter_context(one.guest(starts))
        agree(cloud, one, two, timeout=150)
        has_status(starts, "ACTIVE")
        has_status(ends, "DOWN")
        cloud.nova.wait(starts["id"], PLUGGED)
        cloud.wait_agents("one", "two", timeout=120)


def test_one_controller_is_killed_and_the_other_goes_on(
    cloud: Cloud, one: Hypervisor, two: Hypervisor, has_status: HasStatus
) -> None:
    network = cloud.network()
    second = cloud.controllers[1]
    second.kill(API, RPC)
    try:
        port = cloud.port(network, "one")
        with one.guest(port):
            has_status(port, "ACTIVE")
            agree(cloud, one, two)
    finally:
        second.launch(API, RPC)
        second.wait_api()
        cloud.wait_workers(WORKERS)


def test_broker_comes_back_without_its_queues(
    cloud: Cloud, one: Hypervisor, two: Hypervisor, has_status: HasStatus
) -> None:
    """And so without the casts that waited there."""
    network = cloud.network()
    port = cloud.port(network, "one")
    with one.guest(port):
        agree(cloud, one, two)
        cloud.rabbit.ctl("stop_app")
        cloud.rabbit.ctl("force_reset")
        cloud.rabbit.ctl("start_app")
        cloud.wait_agents("one", "two", timeout=120)
        agree(cloud, one, two, timeout=120)


def test_agent_is_away_and_comes_back(
    cloud: Cloud, one: Hypervisor, two: Hypervisor, has_status: HasStatus
) -> None:
    """Meanwhile a port is made, one is deleted, a guest starts and one ends."""
    network = cloud.network()
    deleted, starts, ends = (cloud.port(network, "one") for _ in range(3))
    with contextlib.ExitStack() as ending, contextlib.ExitStack() as started:
        ending.enter_context(one.guest(ends))
        agree(cloud, one, two)
        one.agent.kill()
        made = cloud.port(network, "one")  # bound, for Neutron does not know yet
        cloud.api.delete("port", deleted["id"])
        ending.close()
        started.enter_context(one.guest(starts))
        started.enter_context(one.guest(made))
        cloud.wait_agents("one", alive=False)
        assert cloud.port(network, "one")["binding:vif_type"] == "binding_failed"
        one.start_agent()
        agree(cloud, one, two)
        has_status(starts, "ACTIVE")
        has_status(made, "ACTIVE")
        assert {port["binding:vif_type"] for port in cloud.api.list("port")} == {"tap"}


def test_casts_that_were_lost(cloud: Cloud, one: Hypervisor, two: Hypervisor) -> None:
    """The agent has not heard of one port, and still has another; nobody starts anew."""
    network = cloud.network()
    deleted = cloud.port(network, "one")
    agree(cloud, one, two)
    with losing(cloud, *CASTS, "one"):
        port = cloud.port(network, "one")
        cloud.api.delete("port", deleted["id"])
    with one.guest(port):
        agree(cloud, one, two)


def test_cast_of_the_only_ports_end_was_lost(
    cloud: Cloud, one: Hypervisor, two: Hypervisor
) -> None:
    """An empty full set, which the agent believes when it comes again."""
    port = cloud.port(cloud.network(), "one")
    agree(cloud, one, two)
    with losing(cloud, *CASTS, "one"):
        cloud.api.delete("port", port["id"])
    agree(cloud, one, two, timeout=240)


def test_casts_that_waited_in_the_queue_are_purged(
    cloud: Cloud, one: Hypervisor, two: Hypervisor
) -> None:
    network = cloud.network()
    one.stop_agent()
    try:
        port = cloud.port(network, "one")
        cloud.rabbit.ctl("purge_queue", f"{bus.CAST_TOPIC}.one")
    finally:
        one.start_agent()
    with one.guest(port):
        agree(cloud, one, two)


@pytest.mark.timeout(600)
def test_status_that_was_lost(
    cloud: Cloud, one: Hypervisor, two: Hypervisor, has_status: HasStatus
) -> None:
    """The agent asks again, when a call's minute without an answer is over."""
    port = cloud.port(cloud.network(), "one")
    agree(cloud, one, two)
    with contextlib.ExitStack() as guest:
        with losing(cloud, *STATUSES):
            guest.enter_context(one.guest(port))
            wait(lambda: "ready" in states(cloud, one), "the port at the agent")
        agree(cloud, one, two, timeout=200)
        has_status(port, "ACTIVE")
        with losing(cloud, *STATUSES):
            guest.close()
            wait(lambda: "ready" not in states(cloud, one), "the tap's end at the agent")
    agree(cloud, one, two, timeout=200)


def test_reports_that_were_lost(cloud: Cloud, one: Hypervisor, two: Hypervisor) -> None:
    """To Neutron the agents are dead, and alive again; ports that could not be bound are."""
    network = cloud.network()
    port = cloud.port(network, "one")
    with one.guest(port):
        agree(cloud, one, two)
        with losing(cloud, *REPORTS):
            cloud.wait_agents("one", "two", alive=False)
            failed = cloud.port(network, "one")
            assert failed["binding:vif_type"] == "binding_failed"
        cloud.wait_agents("one", "two", timeout=120)
        bound = cloud.api.wait("port", failed["id"], lambda it: it["binding:vif_type"] == "tap")
        with one.guest(bound):
            agree(cloud, one, two)


def test_operator_deletes_an_agent_that_lives(
    cloud: Cloud, one: Hypervisor, two: Hypervisor
) -> None:
    """It reports again, and nothing of its ports has changed."""
    port = cloud.port(cloud.network(), "one")
    with one.guest(port):
        agree(cloud, one, two)
        (agent,) = cloud.api.list("agent", host="one", agent_type="vif-agent")
        cloud.api.delete("agent", agent["id"])
        cloud.wait_agents("one")
        agree(cloud, one, two)


def test_agent_that_hangs_is_told_afterwards(
    cloud: Cloud, one: Hypervisor, two: Hypervisor
) -> None:
    network = cloud.network()
    deleted = cloud.port(network, "one")
    agree(cloud, one, two)
    with frozen(one.agent):
        port = cloud.port(network, "one")
        cloud.api.delete("port", deleted["id"])
        cloud.wait_agents("one", alive=False)
    with one.guest(port):
        agree(cloud, one, two)


def test_ports_are_made_and_deleted_by_two_servers_at_once(
    cloud: Cloud, one: Hypervisor, two: Hypervisor
) -> None:
    """Each changed by one server while the other does: the last word counts."""
    network = cloud.network()
    ports = [cloud.port(network, "one") for _ in range(8)]

    def change(number: int, field: str, value: object) -> None:
        for port in ports:
            with contextlib.suppress(Refused):  # two at once: Neutron asks to try again
                cloud.controllers[number].api.update("port", port["id"], {field: value})

    threads = [
        threading.Thread(target=change, args=(0, "binding:host_id", "two")),
        threading.Thread(target=change, args=(1, "admin_state_up", False)),
        threading.Thread(target=change, args=(1, "binding:profile", {"a": "b"})),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    agree(cloud, one, two)


def states(cloud: Cloud, host: Hypervisor) -> set[str]:
    """Of its ports, as the agent tells them."""
    return {view["state"] for view in cloud.agents.list_vifs({}, host.name)}
