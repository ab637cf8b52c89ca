"""The door of the calls: each argument is read before anything is done with it."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import oslo_messaging
import pytest

from vif_agent.bus import admin
from vif_agent.bus.admin import Calls
from vif_agent.bus.report import Report
from vif_agent.errors import InvalidRequest
from vif_agent.ports.store import Store

PORT = "aaaaaaaa-aa00-4000-8000-000000000001"


class Nobody:
    """Keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def send(self, event_type: str, payload: dict[str, Any]) -> None: ...
    def plan(self, message: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(message)
        return {"text": "", "steps": None}

    def check(self, port_id: str) -> dict[str, Any]:
        self.asked.append(port_id)
        return {}

    def explain(self, port_id: str) -> dict[str, Any]:
        self.asked.append(port_id)
        return {}

    def orphans(self) -> list[dict[str, Any]]:
        return []

    def cleanup(self, dry_run: bool) -> dict[str, Any]:
        self.asked.append(dry_run)
        return {}

    def guard(self, port_id: str) -> None:
        return None

    def firewall(self) -> dict[str, Any]:
        return {"guards": [], "drops": {}}

    def topology(self, *chosen: object) -> dict[str, Any]:
        return {}

    def identity(self) -> dict[str, Any]:
        return {}

    def status(self) -> dict[str, Any]:
        return {}

    def health(self) -> dict[str, Any]:
        return {}

    def plugins(self) -> list[dict[str, Any]]:
        return []

    def firewall_drivers(self) -> list[dict[str, Any]]:
        return []


@pytest.fixture
def asked() -> Nobody:
    return Nobody()


@pytest.fixture
def calls(store: Store, asked: Nobody) -> Calls:
    return Calls(asked, asked.asked.append, store, Report(store, asked, "here"))


BAD_PORTS: list[object] = [
    7,
    2**70,
    "x",
    "",
    "\ud800",
    ["a"],
    {"a": 1},
    True,
    PORT + "0",
    "x" * 5000,
    1.5,
]
BAD_TIMES: list[object] = [math.nan, math.inf, -math.inf, -1, "1", None, True, [], -(2**70)]
BAD_GENERATIONS: list[object] = [math.nan, -1, 1 << 63, "1", True, 1.0, []]
BAD_COUNTS: list[object] = [-1, 1.5, True, "1", []]
BAD_FLAGS: list[object] = [0, 1, None, "true", []]
BAD = [
    *((c, {"port_id": v}, "port_id")
      for c in ("get_vif", "check_vif", "wait_vif", "repair") for v in BAD_PORTS),
    *((c, {"port_id": None}, "port_id") for c in ("get_vif", "check_vif", "wait_vif")),
    *(("wait_vif", {"port_id": PORT, "timeout": v}, "timeout") for v in BAD_TIMES),
    *(("wait_vif", {"port_id": PORT, "generation": v}, "generation") for v in BAD_GENERATIONS),
    *(("list_vifs", {"unplugged": v}, "unplugged") for v in BAD_FLAGS),
    *(("cleanup", {"dry_run": v}, "dry_run") for v in BAD_FLAGS),
    *(("get_events", {"since": v}, "since") for v in BAD_COUNTS),
    ("repair", {"port": PORT}, "args"),
    ("get_status", {"self": 1}, "args"),
    ("get_status", {"ctxt": {}}, "args"),
    ("get_vif", {}, "port_id"),
    ("plan", {}, "cast"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "arguments", "field"), BAD)
def test_bad_argument_is_refused_by_its_name_and_nothing_is_done(
    calls: Calls, asked: Nobody, call: str, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(oslo_messaging.ExpectedException) as refused:
        getattr(calls, call)({}, **arguments)
    error = refused.value.exc_info[1]
    assert isinstance(error, InvalidRequest)
    assert str(error).startswith(f"{field}: expected ")
    assert len(str(error)) < 300
    str(error).encode()
    assert asked.asked == []


@pytest.mark.parametrize(
    "text", [PORT.upper(), PORT.replace("-", ""), f"{{{PORT}}}", f"urn:uuid:{PORT}"]
)
def test_port_is_known_by_its_canonical_id(calls: Calls, asked: Nobody, text: str) -> None:
    calls.repair({}, port_id=text)
    calls.check_vif({}, port_id=text)
    assert calls.wait_vif({}, port_id=text, timeout=0)["port_id"] == PORT
    assert asked.asked == [PORT, PORT]


def test_wait_is_never_longer_than_ten_minutes(calls: Calls) -> None:
    assert calls.repair({}) is None
    assert calls.wait_vif({}, port_id=PORT, generation=None, timeout=0.0)["state"] == "pending"


def _incoming(message: dict[str, Any], **more: Any) -> Any:
    usual = {"message": message, "ctxt": {}, "reply_q": "reply_1", "client_timeout": None}
    return SimpleNamespace(**{"orig_msg_id": "1", **usual, **more})


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({}, "method"),
        ({"method": 5}, "method"),
        ({"method": "x" * 100_000}, "method"),
        ({"method": "_repair", "args": {}}, "method"),
        ({"method": "target", "args": {}}, "method"),
        ({"method": "__init__", "args": {}}, "method"),
        ({"method": "get_status", "args": []}, "args"),
        ({"method": "get_status", "args": None}, "args"),
        ({"method": "get_status", "version": 2}, "version"),
        ({"method": "get_status", "version": "2.0"}, "version"),
        ({"method": "get_status", "namespace": []}, "namespace"),
    ],
)
def test_message_that_is_no_call_is_refused(
    calls: Calls, message: dict[str, Any], field: str
) -> None:
    with pytest.raises(oslo_messaging.ExpectedException) as refused:
        admin.Door([calls], None).dispatch(_incoming(message, client_timeout=60))
    assert str(refused.value.exc_info[1]).startswith(f"{field}: expected ")


@pytest.mark.parametrize("limit", [[], "x", -1, 0, 2**70, math.nan, {}])
def test_callers_odd_time_limit_is_none(calls: Calls, limit: object) -> None:
    incoming = _incoming({"method": "get_status", "args": {}}, client_timeout=limit)
    assert admin.Door([calls], None).dispatch(incoming)["told"] == {}
    assert incoming.client_timeout is None


@pytest.mark.parametrize("queue", [None, [], {}, 5, "", "x" * 256, "a\nb", "\ud800"])
def test_answer_to_nobody_is_not_sent(calls: Calls, queue: object) -> None:
    incoming = _incoming({"method": "get_status", "args": {}}, reply_q=queue)
    admin.Door([calls], None).dispatch(incoming)
    assert incoming.orig_msg_id is None
