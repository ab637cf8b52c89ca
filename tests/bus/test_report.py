"""What became of a cast is told to the log, to the bus, and to whoever waits."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.casting import wait_for
from vif_agent.bus.casts import Refusal
from vif_agent.bus.report import Report
from vif_agent.errors import Conflict, InvalidRequest, NotYet, Problem
from vif_agent.ports.port import (
    ERROR,
    PENDING,
    PLUG,
    READY,
    RETRYING,
    UNPLUG,
    UNPLUGGED,
    Port,
    PortRequest,
)
from vif_agent.ports.store import Store

A = "aaaaaaaa-aa00-4000-8000-000000000001"
BAD = InvalidRequest("vif.devname", "a/b", "a device name")


class Bus:
    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def send(self, event_type: str, payload: dict[str, Any]) -> None:
        self.sent.append((event_type, payload))


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def report(store: Store, bus: Bus) -> Report:
    return Report(store, bus, "node-1")


def _port(store: Store, verb: str = PLUG, generation: int = 1, **fields: Any) -> Port:
    request = PortRequest(
        port_id=A, verb=verb, instance={"uuid": "i-1"}, vif={"id": A}, vif_type="ovs",
        generation=generation, request_id="req-1",
    )  # fmt: skip
    assert store.put([request]) == []
    reported = {"devices": ("qbrx", "qvox"), "elapsed_ms": 41.6, "done_at": 1.5}
    return dataclasses.replace(store.ports()[A], **{**reported, **fields})


def _refusal(generation: int | None = 7) -> Refusal:
    return Refusal(BAD, PLUG, A, generation, "req-2", "ovs", "i-1")


@pytest.mark.parametrize(
    ("verb", "state", "repaired", "event", "word"),
    [
        (PLUG, READY, "", "vif.plug.end", "plugged"),
        (UNPLUG, UNPLUGGED, "", "vif.unplug.end", "unplugged"),
        (PLUG, READY, "create: change tun tapx: mtu 1500 -> 1450", "vif.repair.end", "repaired"),
    ],
)
def test_finished_port_gives_one_info_line_and_one_event(
    store: Store,
    report: Report,
    bus: Bus,
    caplog: pytest.LogCaptureFixture,
    verb: str,
    state: str,
    repaired: str,
    event: str,
    word: str,
) -> None:
    with caplog.at_level(logging.INFO, "vif_agent.ports"):
        report.finished([_port(store, verb, state=state, repaired=repaired)])
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [
        (
            logging.INFO,
            f"{word} port={A} vif_type=ovs devices=qbrx,qvox state={state} ms=42 request_id=req-1"
            + (f": {repaired}" if repaired else ""),
        )
    ]
    ((sent, payload),) = bus.sent
    assert sent == event
    assert {k: v for k, v in payload.items() if k != "received_at"} == {
        "port_id": A,
        "instance_uuid": "i-1",
        "vif_type": "ovs",
        "verb": verb,
        "state": state,
        "devices": ["qbrx", "qvox"],
        "error": None,
        "generation": 1,
        "request_id": "req-1",
        "done_at": "1970-01-01T00:00:01.500+00:00",
        "elapsed_ms": 41.6,
        "host": "node-1",
    }


@pytest.mark.parametrize(
    ("verb", "problem", "level", "start"),
    [
        (PLUG, Conflict("tapx is a veth").problem, logging.ERROR, "cannot plug"),
        (UNPLUG, Conflict("tapx is a veth").problem, logging.ERROR, "cannot unplug"),
        (PLUG, NotYet("busy").problem, logging.WARNING, "not yet plugged"),
        (UNPLUG, NotYet("busy").problem, logging.WARNING, "not yet unplugged"),
    ],
)
def test_failed_port_is_told_as_error(
    store: Store,
    report: Report,
    bus: Bus,
    caplog: pytest.LogCaptureFixture,
    verb: str,
    problem: Problem,
    level: int,
    start: str,
) -> None:
    state = RETRYING if problem.transient else ERROR
    report.finished([_port(store, verb, state=state, problem=problem)])
    (record,) = caplog.records
    assert record.levelno == level
    assert record.getMessage().startswith(f"{start} port={A} ")
    assert record.getMessage().endswith(problem.message)
    ((event, payload),) = bus.sent
    assert event == f"vif.{verb}.error"
    assert payload["error"] == dataclasses.asdict(problem)


def test_refused_cast_is_told_with_its_field(
    report: Report, bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    report.refused([_refusal()])
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"port={A} vif_type=ovs" in record.getMessage()
    assert str(BAD) in record.getMessage()
    ((event, payload),) = bus.sent
    assert event == "vif.plug.error"
    assert (payload["state"], payload["host"]) == ("refused", "node-1")
    assert payload["error"]["code"] == "invalid_request"


def test_refused_cast_of_no_readable_port_is_told_too(report: Report, bus: Bus) -> None:
    report.refused([Refusal(BAD, PLUG, None, None, "")])
    assert [payload["port_id"] for _, payload in bus.sent] == [None]


def test_wait_answers_a_refused_generation_and_no_other(store: Store, report: Report) -> None:
    report.refused([_refusal(generation=7)])
    assert report.wait(A, 7, 10)["state"] == "refused"
    assert report.wait(A, 8, 0)["state"] == "pending"
    store.save([_port(store, generation=9, state=READY)])
    assert report.wait(A, None, 10)["state"] == "ready"
    assert report.wait(A, 8, 10)["generation"] == 9
    assert report.wait(A, 10, 0) == {
        "port_id": A, "state": "pending", "error": None, "generation": 10,
    }  # fmt: skip


@pytest.mark.parametrize("state", [READY, UNPLUGGED, ERROR])
def test_wait_for_a_settled_port_answers_at_once(store: Store, report: Report, state: str) -> None:
    store.save([_port(store, state=state)])
    assert report.wait(A, 1, 3600)["state"] == state


def test_wait_gives_up_in_time_with_the_port_as_it_is(store: Store, report: Report) -> None:
    store.save([_port(store, state=RETRYING, problem=NotYet("busy").problem)])
    began = time.monotonic()
    assert report.wait(A, 1, 0.05)["state"] == "retrying"
    assert 0.05 <= time.monotonic() - began < 30


def test_wait_is_woken_when_the_port_is_finished(store: Store, report: Report) -> None:
    port = _port(store, state=READY)
    answers: list[dict[str, Any]] = []
    waiter = threading.Thread(target=lambda: answers.append(report.wait(A, 1, 60)))
    waiter.start()
    store.save([port])
    report.finished([port])
    waiter.join(30)
    assert [answer["state"] for answer in answers] == ["ready"]


def test_only_the_last_thousand_refusals_are_kept(report: Report) -> None:
    others = [dataclasses.replace(_refusal(), port_id=f"port-{i}") for i in range(1000)]
    report.refused([_refusal(), *others])
    assert report.wait(A, 7, 0)["state"] == "pending"
    assert report.wait("port-0", 7, 0)["state"] == "refused"


def test_get_of_an_unknown_port_is_none(report: Report) -> None:
    assert report.get(A) is None


def test_each_of_two_refused_casts_is_remembered(report: Report) -> None:
    report.refused([_refusal(7)])
    report.refused([_refusal(8)])
    for generation in (7, 8):
        assert report.wait(A, generation, 0)["state"] == "refused"
    assert report.wait(A, 9, 0)["state"] == "pending"


def test_request_that_a_later_one_has_overtaken_is_told_so(store: Store, report: Report) -> None:
    store.save([_port(store, generation=8, state=READY)])
    store.save([_port(store, generation=9, state=READY)])
    for own in (8, 9, None):
        assert "overtaken" not in report.wait(A, own, 0)
    assert report.wait(A, 7, 0)["overtaken"]
    assert report.wait(A, 10, 0)["state"] == "pending"
    ahead = time.time_ns() + 7200 * 10**9
    store.save([_port(store, generation=ahead, state=READY)])
    assert report.wait(A, time.time_ns(), 0)["state"] == "pending"  # it counts when it comes


def test_too_many_who_wait_are_told_at_once_and_all_at_the_end(store: Store, bus: Bus) -> None:
    report = Report(store, bus, "node-1", most_waiting=2)
    _port(store)
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(report.wait, A, 1, 600) for _ in range(3)]
        wait_for(lambda: any(future.done() for future in asked), "an answer to the last of them")
        assert [future.done() for future in asked].count(False) == 2
        report.end()
        assert {future.result(60)["state"] for future in asked} == {PENDING}


def test_line_of_the_log_has_a_bound(
    store: Store, report: Report, caplog: pytest.LogCaptureFixture
) -> None:
    problem = Problem("conflict", "x" * 100_000)
    report.finished([_port(store, state=ERROR, problem=problem)])
    report.refused([dataclasses.replace(_refusal(), error=Conflict("y" * 100_000))])
    assert all(len(record.getMessage()) < 2000 for record in caplog.records)
    assert len(caplog.records) == 2
