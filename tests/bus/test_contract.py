"""The bus contract 1.0, pinned by messages that its sender and its agent have said.

``recorded/1.0`` was taken from a RabbitMQ between the two when 1.0 was made. It is never written
anew: what a later 1.x adds must leave these messages good, in both directions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import kombu
import oslo_messaging
import pytest

from tests.support.casting import CONTEXT, Notices, Site, Vif, wait_for
from tests.support.examples import INSTANCE
from vif_agent import bus
from vif_agent.bus import casts
from vif_agent.bus.api import VifAgentAPI
from vif_agent.bus.casts import Sync
from vif_agent.ports.port import PLUG, UNPLUG, PortRequest
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

pytestmark = pytest.mark.broker
RECORDED = Path(__file__).parent.parent / "recorded" / "1.0"
ELSEWHERE = "elsewhere"

Message = dict[str, Any]


def recorded(name: str) -> list[Message]:
    messages: list[Message] = json.loads((RECORDED / f"{name}.json").read_text())
    return messages


CASTS, CALLS = recorded("casts"), recorded("calls")
#: verb, first characters of the port and generation of each recorded cast
SAID = [(PLUG, "5843eca1", 7), (UNPLUG, "5843eca1", 8), (UNPLUG, "b6e7684a", 9)]


def lacks(wanted: object, actual: object, path: str = "") -> list[str]:
    """Where ``actual`` has not what a reader of ``wanted`` looks for: its keys, of its types."""
    if isinstance(wanted, Mapping) and isinstance(actual, Mapping):
        missing = [f"{path}.{key}" for key in wanted.keys() - actual.keys()]
        both = wanted.keys() & actual.keys()
        return missing + [w for k in both for w in lacks(wanted[k], actual[k], f"{path}.{k}")]
    if isinstance(wanted, list) and isinstance(actual, list):
        if not wanted:
            return []
        return lacks(wanted[0], actual[0], f"{path}[0]") if actual else [f"{path}: empty"]
    number = isinstance(wanted, int | float) and isinstance(actual, int | float)
    if None in (wanted, actual) or number or type(wanted) is type(actual):
        return []
    return [f"{path}: {type(actual).__name__}, not {type(wanted).__name__}"]


def test_lack_of_a_key_or_another_type_is_seen() -> None:
    wanted = {"a": [{"b": 1, "c": None}], "d": "x"}
    assert lacks(wanted, {**wanted, "more": 1}) == []
    assert lacks(wanted, {"a": [{"b": "1", "c": 2}]}) == [".d", ".a[0].b: str, not int"]
    assert lacks(wanted, {**wanted, "a": []}) == [".a: empty"]


def test_names_are_those_of_1_0() -> None:
    """Who sends and who listens, of whichever version, meets there."""
    topics = (bus.CAST_TOPIC, bus.ADMIN_TOPIC, bus.NOTIFICATION_TOPIC)
    assert topics == ("vif_agent", "vif_agent_admin", "vif_agent_notifications")
    assert bus.EXCHANGE == "vif_agent"


# casts


def _read(message: Message) -> Any:
    return casts.read(message["context"], message, "m1")


@pytest.mark.parametrize(("message", "text"), list(zip(CASTS[:3], SAID, strict=True)))
def test_cast_of_1_0_is_the_request_it_was(message: Message, text: tuple[str, str, int]) -> None:
    request = _read(message)
    assert isinstance(request, PortRequest)
    assert (request.verb, request.port_id[:8], request.generation) == text
    assert request.request_id == message["context"]["request_id"]


def test_set_of_1_0_is_the_set_it_was() -> None:
    sync = _read(CASTS[3])
    assert isinstance(sync, Sync)
    assert (sync.whole, sync.refusals, sync.full_set.generation) == (True, (), 10)
    assert {port[:8] for port in sync.full_set.named} == {"5e4179f1", "b6e7684a"}
    assert [request.instance for request in sync.full_set.plugs] == [INSTANCE, {}]


@pytest.mark.parametrize("message", CASTS, ids=[c["method"] for c in CASTS])
def test_cast_of_a_later_minor_is_read_without_what_it_adds(message: Message) -> None:
    args = json.loads(json.dumps(message["args"]))
    for vif in [args["vif"]] if "vif" in args else args["vifs"]:
        vif["of_1_9"] = {"new": [1]}
    later = {**message, "version": "1.9", "args": {**args, "of_1_9": "new"}}
    now, then = _read(message), _read(later)
    assert type(now) is type(then)
    if isinstance(now, PortRequest):
        assert (then.verb, then.port_id) == (now.verb, now.port_id)
    else:
        assert then.full_set.named == now.full_set.named


class Wire:
    """What a sender puts on the bus, as it is there."""

    def __init__(self, url: str, topic: str) -> None:
        untyped: Any = kombu
        self._connection = untyped.Connection(url.replace("rabbit://", "amqp://"))
        exchange = untyped.Exchange(bus.EXCHANGE, type="topic", durable=False)
        queue = untyped.Queue(f"wire.{topic}", exchange, routing_key=topic, durable=False)
        self._queue = queue(self._connection.default_channel)
        self._queue.declare()

    def next(self) -> Message:
        found = wait_for(lambda: self._queue.get(no_ack=True), "a message")
        body = found.payload if isinstance(found.payload, dict) else json.loads(found.body)
        message: Message = json.loads(body["oslo.message"])
        return message

    def close(self) -> None:
        self._queue.delete()
        self._connection.release()


@pytest.fixture(scope="module")
def site(scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, "threading") as running:
        yield running


@pytest.fixture
def wire(site: Site) -> Iterator[Wire]:
    wire = Wire(site.rabbit.url, f"{bus.CAST_TOPIC}.{ELSEWHERE}")
    yield wire
    wire.close()


def _say(api: VifAgentAPI, message: Message) -> None:
    args = dict(message["args"])
    if message["method"] == "sync_vifs":
        api.sync_vifs(CONTEXT, ELSEWHERE, args.pop("vifs"), **args)
    else:
        cast = api.plug_vif if message["method"] == "plug_vif" else api.unplug_vif
        cast(CONTEXT, ELSEWHERE, args.pop("instance"), args.pop("vif"), **args)


@pytest.mark.parametrize("message", CASTS, ids=[c["method"] for c in CASTS])
def test_sender_says_what_an_agent_of_1_0_reads(message: Message, site: Site, wire: Wire) -> None:
    _say(site.api, message)
    text = wire.next()
    assert text["method"] == message["method"]
    assert text["version"] == "1.0"
    assert text["args"].items() >= message["args"].items()


# calls and notifications


@pytest.fixture(scope="module")
def ports(site: Site, payload: Callable[[str], Vif]) -> tuple[Vif, Vif]:
    """As they were when the answers were recorded."""
    good, bad = payload("ovs_create_tap"), payload("unbound")
    site.plug(good, generation=11)
    site.plug(bad, wait=None, generation=12)
    wait_for(lambda: site.port(bad)["state"] == "error", "the refused port")
    return good, bad


def _ask(site: Site, message: Message) -> Any:
    """As a sender of 1.0 does, with nothing of today's client."""
    target = oslo_messaging.Target(
        exchange="vif_agent", topic="vif_agent_admin", server=HOST, version="1.0"
    )
    client = oslo_messaging.get_rpc_client(site.transport, target).prepare(timeout=20)
    return client.call(message["context"], message["method"], **message["args"])


@pytest.mark.parametrize("message", CALLS, ids=[c["method"] for c in CALLS])
def test_call_of_1_0_has_the_answer_it_had(
    message: Message, site: Site, ports: tuple[Vif, Vif]
) -> None:
    assert lacks(message["answer"], _ask(site, message)) == []


def test_answers_that_senders_branch_on_are_the_same(site: Site, ports: tuple[Vif, Vif]) -> None:
    for message in CALLS:
        answer, was = _ask(site, message), message["answer"]
        if message["method"] in ("get_vif", "wait_vif"):
            assert (answer["state"], answer["generation"]) == (was["state"], was["generation"])
        elif message["method"] == "check_vif":
            assert (answer["ok"], answer["state"]) == (was["ok"], was["state"])
            assert (answer["error"] or {}).get("code") == (was["error"] or {}).get("code")


def test_notifications_have_what_those_of_1_0_had(
    site: Site, payload: Callable[[str], Vif]
) -> None:
    good, bad = payload("ovs_hybrid"), {**payload("unbound"), "id": payload("ovs")["id"]}
    with Notices(site.rabbit.url) as notices:
        site.plug(good)
        site.unplug(good)
        site.plug(bad, wait=None)
        reported: Sequence[Any] = [
            notices.next(lambda p: p["port_id"] in (good["id"], bad["id"])) for _ in range(3)
        ]
    by_event = {event: (priority, news) for priority, event, news in reported}
    for was in recorded("notifications"):
        priority, news = by_event[was["event_type"]]
        assert priority == was["priority"]
        assert lacks(was["payload"], news) == []
