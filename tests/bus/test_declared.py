"""Queues and exchanges that were declared otherwise before, and brokers that refuse us."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import kombu
import pytest

from tests.support.casting import MODES, QUEUE, Site, Vif, numbered, wait_for
from tests.support.operating import frozen
from tests.support.real_host import ip
from vif_agent import bus
from vif_agent.bus import remedies
from vif_agent.bus.api import NoQueue
from vif_agent.testing.daemon import HOST, Daemon
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.rabbit import PrivateRabbit

pytestmark = pytest.mark.broker

CALLS = f"{bus.ADMIN_TOPIC}.{HOST}"
MANY = 10


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[str]:
    """The broker knows nothing of us, before and after."""
    assert scratch_with_bus.rabbit
    _forget(scratch_with_bus.rabbit)
    yield request.param
    _forget(scratch_with_bus.rabbit)


def _forget(rabbit: PrivateRabbit) -> None:
    queues = rabbit.ctl("-q", "--no-table-headers", "list_queues", "name").split()
    with _channel(rabbit) as channel:
        for queue in queues:
            channel.queue_delete(queue)
        channel.exchange_delete(bus.EXCHANGE)


@contextlib.contextmanager
def _channel(rabbit: PrivateRabbit) -> Iterator[Any]:
    untyped: Any = kombu
    with untyped.Connection(rabbit.url.replace("rabbit://", "amqp://")) as connection:
        yield connection.default_channel


@pytest.mark.parametrize("option", ["amqp_durable_queues", "rabbit_quorum_queue"])
def test_what_was_declared_otherwise_ends_the_start_with_its_remedy(
    scratch_with_bus: ScratchHost, mode: str, option: str, payload: Callable[[str], Vif]
) -> None:
    """The commands of the log are what mends it; and then casts outlive the broker."""
    with Site(scratch_with_bus, mode):
        pass
    options = {"oslo_messaging_rabbit": {option: True}}
    with contextlib.ExitStack() as stack:
        site = Site(scratch_with_bus, mode, options, f"?{option}=true")
        text = _refused(site.daemon)
        assert {line.split(" (vhost")[0] for line in text} >= {
            f"exchange {bus.EXCHANGE}", f"queue {QUEUE}", f"queue {CALLS}",
        }  # fmt: skip
        assert all("with durable=false, and durable=true is asked for" in line for line in text)
        for line in text:
            site.rabbit.ctl(*shlex.split(line.split(": rabbitmqctl ")[1]))
        stack.enter_context(site)
        if option == "amqp_durable_queues":
            _outlive_the_broker(site, payload)


def _refused(daemon: Daemon) -> list[str]:
    """What the agent says of each object as it ends with status 2, for good."""
    daemon.log_file.unlink(missing_ok=True)
    daemon.launch()
    assert daemon.process
    assert daemon.process.wait(30) == 2, daemon.log()
    assert "READY=1" not in daemon.notified()
    assert "Traceback" not in daemon.log()
    lines = [line for line in daemon.log().splitlines() if "was declared before" in line]
    assert all(" CRITICAL vif_agent.cmd.agent [-] Cannot go on: " in line for line in lines)
    return [line.split(" [-] Cannot go on: ", 1)[1] for line in lines]


def _outlive_the_broker(site: Site, payload: Callable[[str], Vif]) -> None:
    vifs = [numbered(payload("tap"), 2300 + n) for n in range(MANY)]
    site.daemon.stop()
    for vif in vifs:
        site.plug(vif, wait=None)
    site.rabbit.kill()
    site.rabbit.start()
    wait_for(lambda: site.rabbit.queue_length(QUEUE) == MANY, "all casts")
    site.daemon.start()
    site.settled()
    assert {vif["devname"] for vif in vifs} <= site.host.links().keys()


def test_exchange_that_a_sender_declared_first_is_named(
    scratch_with_bus: ScratchHost, mode: str, payload: Callable[[str], Vif]
) -> None:
    """Whoever casts first decides it."""
    options = {"oslo_messaging_rabbit": {"amqp_durable_queues": True}}
    site = Site(scratch_with_bus, mode, options)
    try:
        with pytest.raises(NoQueue):  # but the exchange is there now
            site.plug(payload("tap"), wait=None)
        (line,) = _refused(site.daemon)
        assert line.startswith(f"exchange {bus.EXCHANGE} (vhost /) was declared before with")
        assert "durable=false, and durable=true is asked for" in line
        assert "amqp_durable_queues" in line
    finally:
        site.transport.cleanup()


def test_running_agent_uses_no_queue_that_is_not_durable(
    scratch_with_bus: ScratchHost, mode: str, payload: Callable[[str], Vif]
) -> None:
    """Its requests are kept true all the same, and it joins when the exchange is as asked for."""
    options = {"oslo_messaging_rabbit": {"amqp_durable_queues": True}}
    with Site(scratch_with_bus, mode, options, "?amqp_durable_queues=true") as site:
        site.plug(payload("tap"))
        with frozen(site.daemon):
            _forget(site.rabbit)
            _declare_exchange(site.rabbit)
        wait_for(lambda: "was declared before" in site.daemon.log(), "the word of it")
        _keeps_its_request(site, payload("tap"))
        assert site.daemon.alive()
        _forget(site.rabbit)
        wait_for(lambda: _durable(site.rabbit) >= {QUEUE, CALLS}, "the agent on the bus again")
        wait_for(lambda: site.port(payload("tap"))["state"] == "ready", "its answer")


def _durable(rabbit: PrivateRabbit) -> set[str]:
    table = rabbit.ctl("-q", "--no-table-headers", "list_queues", "name", "durable")
    return {name for name, durable in map(str.split, table.splitlines()) if durable == "true"}


def _declare_exchange(rabbit: PrivateRabbit) -> None:
    with _channel(rabbit) as channel:
        channel.exchange_declare(bus.EXCHANGE, "topic", durable=False, auto_delete=False)


def test_login_that_is_refused_is_tried_again(
    scratch_with_bus: ScratchHost, mode: str, payload: Callable[[str], Vif]
) -> None:
    """And meanwhile requests are kept true. It is said once, without the password."""
    vif = payload("tap")
    with Site(scratch_with_bus, mode) as site:
        site.plug(vif)
        site.daemon.stop()
        site.rabbit.ctl("change_password", "guest", "another")
        site.daemon.launch()
        try:
            wait_for(lambda: "Cannot join the bus yet" in site.daemon.log(), "the word of it")
            _keeps_its_request(site, vif)
            assert "READY=1" not in site.daemon.notified()
        finally:
            site.rabbit.ctl("change_password", "guest", "guest")
        site.daemon.wait_for_notice("READY=1", 60)
        assert site.daemon.log().count("Cannot join the bus yet") == 1
        assert "guest:guest" not in site.daemon.log()


def _keeps_its_request(site: Site, vif: Vif) -> None:
    index = site.host.links()[vif["devname"]]["ifindex"]
    ip("link", "del", vif["devname"])
    wait_for(lambda: site.host.links()[vif["devname"]]["ifindex"] != index, "the repair")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "Queue.declare: (406) PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue "
            "'vif_agent.h' in vhost 'a b': received the value 'quorum' of type 'longstr' but "
            "current is none",
            "queue vif_agent.h (vhost a b) was declared before with x-queue-type=none, and "
            "x-queue-type=quorum is asked for ([oslo_messaging_rabbit] rabbit_quorum_queue): give "
            "all who use it the same options, or remove it, with what is in it: rabbitmqctl "
            "delete_queue --vhost 'a b' vif_agent.h",
        ),
        ("Queue.declare: (405) RESOURCE_LOCKED - cannot obtain exclusive access", ""),
    ],
)
def test_words_of_the_broker_become_one_line(text: str, line: str) -> None:
    assert remedies.otherwise(text) == line
