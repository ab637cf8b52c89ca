"""The sender's client by itself: time limits, and what it puts on the bus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import netaddr
import oslo_messaging
import pytest

from tests.support.casting import CONTEXT, Vif, wait_for
from tests.support.examples import INSTANCE
from vif_agent import bus
from vif_agent.bus import transport as ours
from vif_agent.bus.api import NoAnswer, PlugFailed, VifAgentAPI
from vif_agent.bus.generations import Generations
from vif_agent.testing.daemon import transport
from vif_agent.vif import parse

HOST = "here"


class Agent:
    """Stands in for one on the bus: keeps the casts, answers as told."""

    target = oslo_messaging.Target(version=bus.VERSION)

    def __init__(self, answers: list[dict[str, Any]]) -> None:
        self.answers = answers
        self.cast: dict[str, Any] = {}
        self.asked: list[float] = []

    def plug_vif(self, ctxt: Any, **arguments: Any) -> None:
        self.cast = arguments

    def wait_vif(self, ctxt: Any, timeout: float, **_: Any) -> dict[str, Any]:
        self.asked.append(timeout)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture(scope="module")
def messaging() -> Iterator[Any]:
    made = transport("kombu+memory://api")
    yield made
    made.cleanup()


@pytest.fixture
def serve(messaging: Any) -> Iterator[Callable[[str, Agent], Agent]]:
    servers = []

    def start(host: str, agent: Agent) -> Agent:
        for topic in (bus.CAST_TOPIC, bus.ADMIN_TOPIC):
            server = oslo_messaging.get_rpc_server(messaging, ours.target(topic, host), [agent])
            server.start()
            servers.append(server)
        return agent

    yield start
    for server in servers:
        server.stop()
        server.wait()


def view(state: str, error: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"state": state, "error": error, "generation": 1}


def failure(messaging: Any, host: str, vif: Vif, wait: float) -> tuple[str, float]:
    """The error's text, and the seconds until it came."""
    begin = time.monotonic()
    with pytest.raises(NoAnswer) as failed:
        VifAgentAPI(transport=messaging).plug_vif(CONTEXT, host, INSTANCE, vif, wait=wait)
    return str(failed.value), time.monotonic() - begin


def test_absent_agent_is_named_within_the_limit(
    messaging: Any, payload: Callable[[str], Vif]
) -> None:
    text, seconds = failure(messaging, "nobody", payload("ovs"), 1.5)
    assert "vif-agent on nobody has not answered for 1.5 s" in text
    assert "never seen, since this process started at 20" in text
    assert 1.4 < seconds < 2.5


def test_agent_is_asked_to_answer_before_the_limit(
    messaging: Any, payload: Callable[[str], Vif], serve: Callable[[str, Agent], Agent]
) -> None:
    busy = {"code": "not_yet", "message": "the device is busy", "transient": True}
    agent = serve("slow", Agent([view("retrying", busy)]))
    text, seconds = failure(messaging, "slow", payload("ovs"), 1.0)
    assert "has not done port 7181b049-88fe-58c4-ad88-63316f977d48 in 1 s: the device" in text
    assert "last seen at 20" in text
    assert agent.asked[0] < 0.8
    assert seconds < 2


def test_answers_that_are_none_yet_are_asked_again(
    messaging: Any, payload: Callable[[str], Vif], serve: Callable[[str, Agent], Agent]
) -> None:
    refused = {"code": "conflict", "message": "in the way", "transient": False}
    serve("later", Agent([view("pending"), view("retrying"), view("error", refused)]))
    api = VifAgentAPI(transport=messaging)
    with pytest.raises(PlugFailed, match="in the way") as failed:
        api.plug_vif(CONTEXT, "later", INSTANCE, payload("ovs"), wait=20)
    assert failed.value.code == "conflict"


def test_broker_that_is_away_is_an_error_within_the_limit(payload: Callable[[str], Vif]) -> None:
    text, seconds = failure(transport("rabbit://127.0.0.1:1"), "cut-off", payload("ovs"), 2)
    assert "vif-agent on cut-off: the bus cannot be reached: " in text
    assert seconds < 3


class Model(dict[str, Any]):
    """As nova's network model: every node of a VIF is a subclass of dict, with methods."""

    def get_meta(self, key: str) -> Any:
        return self["meta"].get(key)


def modelled(value: Any) -> Any:
    if isinstance(value, dict):
        return Model({key: modelled(item) for key, item in value.items()})
    return [modelled(item) for item in value] if isinstance(value, list) else value


def test_novas_own_vif_goes_over_the_bus_as_it_is(
    messaging: Any, payload: Callable[[str], Vif], serve: Callable[[str, Agent], Agent]
) -> None:
    agent = serve(HOST, Agent([view("ready")]))
    vif = modelled(payload("ovs_hybrid"))
    subnet = vif["network"]["subnets"][0]
    subnet["cidr"] = netaddr.IPNetwork(subnet["cidr"])
    subnet["ips"][0]["address"] = netaddr.IPAddress("192.0.2.17")
    api = VifAgentAPI(transport=messaging)
    api.plug_vif(CONTEXT, HOST, INSTANCE, vif, generation=7)
    wait_for(lambda: agent.cast, "the cast")
    assert agent.cast == {"instance": INSTANCE, "vif": payload("ovs_hybrid"), "generation": 7}
    assert parse(INSTANCE, agent.cast["vif"]) == parse(INSTANCE, payload("ovs_hybrid"))


def test_ready_by_another_request_is_no_answer_for_one_that_was_dropped(
    messaging: Any, payload: Callable[[str], Vif], serve: Callable[[str, Agent], Agent]
) -> None:
    serve("ahead", Agent([{**view("ready"), "generation": 9, "overtaken": True}]))
    api = VifAgentAPI(transport=messaging)
    with pytest.raises(PlugFailed, match="generation 9 has overtaken this one, 7") as failed:
        api.plug_vif(CONTEXT, "ahead", INSTANCE, payload("ovs"), wait=20, generation=7)
    assert failed.value.code == "stale_generation"


def test_generations_never_fall_back() -> None:
    answer = iter([100, 200, 150, 150, 300])
    generations = Generations(lambda: next(answer))
    assert [generations() for _ in range(5)] == [100, 200, 201, 202, 300]


@pytest.mark.parametrize("vif", [{}, {"id": "x"}, {"id": None}, None])
def test_wait_for_no_port_is_refused_at_once(messaging: Any, vif: Any) -> None:
    with pytest.raises(PlugFailed, match="expected") as failed:
        VifAgentAPI(transport=messaging).plug_vif(CONTEXT, "nobody", INSTANCE, vif, wait=20)
    assert failed.value.code == "invalid_request"
