"""docs/security.md: a user of the broker's for each host, who may do that, and no more."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import amqp
import kombu
import pytest
from amqp.exceptions import AccessRefused

from tests.support.broker_users import PASSWORD, VHOST, commands
from tests.support.casting import CONTEXT, MODES, QUEUE, Vif
from tests.support.examples import INSTANCE
from vif_agent import bus
from vif_agent.bus.api import VifAgentAPI
from vif_agent.testing import processes
from vif_agent.testing.daemon import HOST, Daemon, transport
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.rabbit import PrivateRabbit

pytestmark = pytest.mark.broker

OTHER = "elsewhere"
OTHERS_QUEUE = f"{bus.CAST_TOPIC}.{OTHER}"
NOTICES = f"{bus.NOTIFICATION_TOPIC}.info"

Act = Callable[[Any], object]

#: what a host's user may not, and of what the broker says so
REFUSED: dict[str, tuple[Act, str]] = {
    "read the casts of another host": (
        lambda c: c.basic_get(OTHERS_QUEUE),
        f"queue '{OTHERS_QUEUE}'",
    ),
    "read the notifications": (lambda c: c.basic_get(NOTICES), f"queue '{NOTICES}'"),
    "get a copy of another host's casts": (
        lambda c: c.queue_bind(QUEUE, bus.EXCHANGE, OTHERS_QUEUE),
        f"topic '{OTHERS_QUEUE}'",
    ),
    "cast to another host": (lambda c: _cast(c, OTHERS_QUEUE), f"topic '{OTHERS_QUEUE}'"),
    "ask all hosts": (
        lambda c: _cast(c, bus.EVERYBODY_TOPIC),
        f"topic '{bus.EVERYBODY_TOPIC}'",
    ),
    "throw another host's casts away": (
        lambda c: c.queue_purge(OTHERS_QUEUE),
        f"queue '{OTHERS_QUEUE}'",
    ),
    "delete another host's queue": (
        lambda c: c.queue_delete(OTHERS_QUEUE),
        f"queue '{OTHERS_QUEUE}'",
    ),
}


def _cast(channel: Any, key: str, exchange: str = bus.EXCHANGE) -> None:
    channel.basic_publish(amqp.Message(b"{}"), exchange, key)
    channel.queue_declare(QUEUE, passive=True)  # the broker's answer: publishing has none


@pytest.fixture(scope="module")
def rabbit(scratch_with_bus: ScratchHost) -> Iterator[PrivateRabbit]:
    assert scratch_with_bus.rabbit
    rabbit = scratch_with_bus.rabbit
    for command in commands("here", HOST) + commands("there", OTHER)[1:]:  # the vhost is there
        rabbit.ctl(*command)
    for user, queues in (("here", (QUEUE, NOTICES)), ("there", (OTHERS_QUEUE,))):
        with channel(rabbit, user) as declaring:
            for name in queues:
                declaring.queue_declare(name, auto_delete=False)
    yield rabbit
    rabbit.ctl("delete_vhost", VHOST)
    for user in ("here", "there"):
        rabbit.ctl("delete_user", user)


@pytest.fixture(params=MODES)
def agent(
    request: pytest.FixtureRequest, rabbit: PrivateRabbit, scratch_with_bus: ScratchHost
) -> Iterator[Daemon]:
    options = {"vif_agent": {"concurrency": request.param}}
    with Daemon(scratch_with_bus, url(rabbit, "here"), options) as daemon:
        yield daemon


def url(rabbit: PrivateRabbit, user: str) -> str:
    return f"rabbit://{user}:{PASSWORD}@127.0.0.1:{rabbit.port}/{VHOST}"


@contextlib.contextmanager
def channel(rabbit: PrivateRabbit, user: str) -> Iterator[Any]:
    untyped: Any = kombu
    with untyped.Connection(url(rabbit, user).replace("rabbit", "amqp", 1)) as connection:
        yield connection.channel()


def test_a_port_is_plugged(
    agent: Daemon, rabbit: PrivateRabbit, payload: Callable[[str], Vif]
) -> None:
    """By the agent, its host's sender and vif-agentctl, who share the user; and all is told."""
    messaging = transport(url(rabbit, "here"))
    api, vif = VifAgentAPI(transport=messaging), payload("ovs_create_tap")
    before = _told(rabbit)
    try:
        port = api.plug_vif(CONTEXT, HOST, INSTANCE, vif, wait=60) or {}
        answer = _ctl(agent, "list")
        gone = api.unplug_vif(CONTEXT, HOST, INSTANCE, vif, wait=60) or {}
    finally:
        messaging.cleanup()
    assert (port["state"], gone["state"]) == ("ready", "unplugged")
    assert vif["id"] in answer
    processes.wait_until(lambda: _told(rabbit) == before + 2, "two notifications")
    assert "ACCESS_REFUSED" not in agent.log()


def _ctl(agent: Daemon, *words: str) -> str:
    program = str(Path(sys.executable).parent / "vif-agentctl")
    return processes.run((program, f"--config-file={agent.config_file}", *words), os.environ)


def _told(rabbit: PrivateRabbit) -> int:
    table = rabbit.ctl("-q", "--no-table-headers", "list_queues", "-p", VHOST, "name", "messages")
    return int(dict(line.split("\t") for line in table.splitlines()).get(NOTICES, 0))


@pytest.mark.parametrize("what", REFUSED)
def test_no_more_than_that(rabbit: PrivateRabbit, what: str) -> None:
    act, of = REFUSED[what]
    with channel(rabbit, "here") as ours, pytest.raises(AccessRefused, match=of):
        act(ours)


def test_what_is_left_is_as_the_document_says(rabbit: PrivateRabbit) -> None:
    """Replies go by the default exchange, and whoever may write there reaches any queue."""
    with channel(rabbit, "here") as ours, channel(rabbit, "there") as theirs:
        _cast(ours, OTHERS_QUEUE, exchange="")  # vif_agent would refuse it
        processes.wait_until(lambda: theirs.basic_get(OTHERS_QUEUE, no_ack=True), "the message")
