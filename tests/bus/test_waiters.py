"""Very many who wait for ports: each is answered when its own has a result, and holds up nobody."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.casting import CONTEXT, MODES, Site, Vif, numbered, wait_for
from tests.support.crowd import crowd
from vif_agent import bus
from vif_agent.bus.replies import Replies
from vif_agent.bus.waiters import View, Waiter, Waiters
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

CALLS = f"{bus.ADMIN_TOPIC}.{HOST}"
MANY, PORTS = 1000, 10


@pytest.mark.broker
@pytest.mark.parametrize("mode", MODES)
def test_thousand_who_wait_hold_no_thread_and_slow_nobody(
    scratch_with_bus: ScratchHost, mode: str, payload: Callable[[str], Vif]
) -> None:
    vifs = [numbered(payload("tap"), n) for n in range(PORTS)]
    with Site(scratch_with_bus, mode) as site, crowd(site.rabbit.url) as callers:
        before = _threads(site)
        for vif in vifs:  # whoever has gone is tried for a minute, by a thread of its own
            callers.ask("wait_vif", gone=True, port_id=vif["id"], timeout=600)
        there = {callers.ask("wait_vif", port_id=v["id"], timeout=600): v["id"] for v in vifs}
        for _ in range(MANY - 2 * PORTS):
            callers.ask("wait_vif", port_id=str(uuid.uuid4()), timeout=600)
        late = callers.ask("wait_vif", port_id=str(uuid.uuid4()), timeout=1)
        callers.listen(1)
        assert callers.answers.keys() == {late}
        assert site.rabbit.queue_length(CALLS) == 0
        for vif in vifs:
            site.plug(vif)
            assert site.api.get_status(CONTEXT, HOST)["host"] == HOST
        callers.listen(1 + PORTS)
        assert {n: callers.answers[n]["port_id"] for n in there} == there
        assert {callers.answers[n]["state"] for n in there} == {"ready"}
        # 64 at most carry out calls, made as they are needed; one more for each who has gone
        assert _threads(site) - before < 64 + 2 * PORTS


def _threads(site: Site) -> int:
    assert site.daemon.process
    return len(list(Path(f"/proc/{site.daemon.process.pid}/task").iterdir()))


class Ports:
    """What is known of ports, and who was told what."""

    def __init__(self, most: int = 100) -> None:
        self.states: dict[str, str] = {}
        self.looks = 0
        self.reported: list[tuple[str, str]] = []
        self.beats = 0
        self.waiters = Waiters(most)

    def wait(self, port_id: str, timeout: float = 600, **beat: Any) -> None:
        def look() -> tuple[View, bool]:
            self.looks += 1
            state = self.states.get(port_id, "pending")
            return {"state": state}, state == "ready"

        def answer(view: View) -> None:
            self.reported.append((port_id, view["state"]))

        self.waiters.add(Waiter(port_id, look, answer, timeout, **beat))

    def beat(self) -> None:
        self.beats += 1

    def ready(self, port_id: str) -> None:
        self.states[port_id] = "ready"
        self.waiters.settled(port_id)


def test_only_who_waits_for_the_port_is_woken() -> None:
    ports = Ports()
    for name in ("a", "b", "b", *"cdefgh"):
        ports.wait(name)
    ports.looks = 0
    ports.ready("b")
    assert (ports.reported, ports.looks) == ([("b", "ready")] * 2, 2)
    ports.ready("b")
    assert len(ports.reported) == 2


def test_result_that_is_none_keeps_them_waiting() -> None:
    ports = Ports()
    ports.wait("a")
    ports.waiters.settled("a")
    assert ports.reported == []


def test_who_comes_late_or_is_too_many_or_comes_at_the_end_is_told_at_once() -> None:
    ports = Ports(most=2)
    ports.ready("a")
    ports.wait("a")
    assert ports.reported.pop() == ("a", "ready")
    for _ in range(3):
        ports.wait("b")
    assert ports.reported == [("b", "pending")]
    ports.waiters.end()
    assert ports.reported == [("b", "pending")] * 3
    ports.wait("c")
    assert ports.reported[-1] == ("c", "pending")


def test_each_is_told_when_its_own_time_is_over() -> None:
    ports = Ports()
    for name, seconds in (("late", 0.4), ("never", 600), ("soon", 0.1), ("now", 0.0)):
        ports.wait(name, seconds)
    wait_for(lambda: len(ports.reported) == 3, "those whose time is over")
    assert [name for name, _ in ports.reported] == ["now", "soon", "late"]


def test_caller_that_wants_to_hear_of_us_does_until_it_is_told() -> None:
    ports = Ports()
    ports.wait("a", beat=ports.beat, pause=0.02)
    wait_for(lambda: ports.beats > 3, "signs of life")
    ports.ready("a")
    heard = ports.beats
    time.sleep(0.2)  # nothing to wait for: it is to be quiet
    assert ports.beats <= heard + 1


def test_caller_who_cannot_be_answered_holds_up_no_other() -> None:
    replies, sent, gone = Replies(), list[str](), threading.Event()

    def late() -> None:
        gone.wait(60)
        sent.append("gone")

    replies.put("gone", late)
    replies.put("gone", lambda: sent.append("gone, too"))
    for name in "abc":
        replies.put("there", lambda name=name: sent.append(name))  # type: ignore[misc]
    wait_for(lambda: sent == list("abc"), "answers in their order")
    replies.drain(0.1)
    assert sent == list("abc")

    def broken() -> None:
        raise OSError("no broker")

    replies.put("there", broken)
    replies.put("there", lambda: sent.append("d"))
    wait_for(lambda: sent[-1] == "d", "one after an answer that broke")
    gone.set()
    replies.drain(60)
    assert sent[-2:] == ["gone", "gone, too"]
