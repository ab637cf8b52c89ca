"""A question to all agents at once, as vif-agentctl --host all asks it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import oslo_messaging
import pytest

from tests.bus.test_arguments import Nobody
from tests.support.casting import wait_for
from vif_agent import bus
from vif_agent.bus import admin, leaving, roll_call
from vif_agent.bus.replies import Replies
from vif_agent.bus.report import Report
from vif_agent.ports.store import Store
from vif_agent.testing.daemon import transport
from vif_agent.testing.rabbit import PrivateRabbit

pytestmark = pytest.mark.broker

HOSTS = ("one", "two")
#: what an agent's own user needs, and no more
EXACT = r"^(vif_agent|vif_agent_admin\.one|reply_.*|amq\.default)$"


class Named(Nobody):
    """An agent, as far as the bus sees it."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self.host = host

    def identity(self) -> dict[str, Any]:
        return {"host": self.host, "version": "1"}


@contextlib.contextmanager
def agent(url: str, host: str, directory: Path) -> Iterator[Named]:
    named, messaging = Named(host), transport(url)
    store = Store(directory / f"{host}.sqlite")
    calls = admin.Calls(named, named.asked.append, store, Report(store, named, host))
    server = admin.server(messaging, host, calls, Replies())
    server.start()
    try:
        yield named
    finally:
        leaving.stop(server)
        server.wait()
        messaging.cleanup()
        store.close()


def answers(url: str, wanted: int) -> list[str]:
    """Until there are so many; a moment more is left for one too many."""
    messaging, heard, ended = transport(url), list[Any](), threading.Event()
    arguments = (messaging, 10, heard.append, ended.is_set)
    asking = threading.Thread(target=roll_call.call, args=arguments)
    asking.start()
    try:
        wait_for(lambda: len(heard) > wanted, f"{wanted} answers")
        ended.wait(0.3)
    finally:
        ended.set()
        asking.join()
        messaging.cleanup()
    assert heard[0] is None
    return sorted(answer["host"] for answer in heard[1:])


@pytest.fixture(params=["rabbit", "memory"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return "kombu+memory:////"
    rabbit: PrivateRabbit = request.getfixturevalue("rabbit")
    return rabbit.url


def test_each_agent_answers_once(url: str, tmp_path: Path) -> None:
    with agent(url, "one", tmp_path), agent(url, "two", tmp_path):
        assert answers(url, 2) == list(HOSTS)
    assert roll_call.possible(transport(url))


def test_nothing_else_can_be_asked_of_all(rabbit: PrivateRabbit, tmp_path: Path) -> None:
    """Nobody repairs or cleans up a whole cloud by one message."""
    messaging = transport(rabbit.url)
    target = oslo_messaging.Target(
        exchange=bus.EXCHANGE, topic=bus.EVERYBODY_TOPIC, version=bus.VERSION
    )
    client = oslo_messaging.get_rpc_client(messaging, target, timeout=20)
    with agent(rabbit.url, "one", tmp_path) as named:
        for call in ("repair", "cleanup", "get_status"):
            with pytest.raises(oslo_messaging.RemoteError, match="one of get_identity"):
                client.call({}, call)
        assert named.asked == []
        assert client.call({}, "get_identity") == {"host": "one", "version": "1"}
    messaging.cleanup()


def test_question_is_gone_when_its_time_is_over(rabbit: PrivateRabbit, tmp_path: Path) -> None:
    """An agent that is not running leaves its queue, where calls to it wait."""
    with agent(rabbit.url, "one", tmp_path):
        pass
    messaging = transport(rabbit.url)
    with agent(rabbit.url, "two", tmp_path):
        ended = threading.Event()
        roll_call.call(messaging, 1, lambda _: ended.set(), ended.is_set)
    wait_for(lambda: rabbit.queue_length(f"{bus.ADMIN_TOPIC}.one") == 0, "an empty queue")
    messaging.cleanup()


@pytest.fixture
def account(rabbit: PrivateRabbit) -> Iterator[str]:
    """The URL of an agent's own user, which may do what its queues need."""
    with contextlib.suppress(RuntimeError):  # it is bound already, by an earlier test
        rabbit.ctl("delete_queue", f"{bus.ADMIN_TOPIC}.one")
    rabbit.ctl("add_user", "one", "secret")
    rabbit.ctl("set_permissions", "one", EXACT, EXACT, EXACT)
    yield rabbit.url.replace("guest:guest", "one:secret")
    rabbit.ctl("delete_user", "one")


def test_user_of_one_host_can_ask_and_answer(
    rabbit: PrivateRabbit, account: str, tmp_path: Path
) -> None:
    with agent(account, "one", tmp_path), agent(rabbit.url, "two", tmp_path):
        assert answers(account, 2) == list(HOSTS)


def test_agent_that_may_not_be_found_is_there_all_the_same(
    rabbit: PrivateRabbit, account: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the broker's topic permissions name the routing keys of release 1.0."""
    own = rf"^{bus.ADMIN_TOPIC}\.one$"
    rabbit.ctl("set_topic_permissions", "one", bus.EXCHANGE, own, own)
    messaging = transport(rabbit.url)
    target = oslo_messaging.Target(
        exchange=bus.EXCHANGE, topic=bus.ADMIN_TOPIC, server="one", version=bus.VERSION
    )
    client = oslo_messaging.get_rpc_client(messaging, target, timeout=20)
    with agent(account, "one", tmp_path), agent(rabbit.url, "two", tmp_path):
        assert answers(rabbit.url, 1) == ["two"]
        assert client.call({}, "get_identity")["host"] == "one"
    assert "--host all does not find this agent" in caplog.text
    messaging.cleanup()
