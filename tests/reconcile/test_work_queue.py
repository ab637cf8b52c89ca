"""What is to be reconciled next: why, when, and only once."""

from __future__ import annotations

import threading
import time

import pytest

from vif_agent.reconcile.work_queue import Reason, Work, WorkQueue
from vif_agent.resources import LINK, OVS_PORT, Key

TAP, ROW = Key(LINK, "tap-a"), Key(OVS_PORT, "tap-a")
AWAY = Key(LINK, "elsewhere")


@pytest.fixture
def queue() -> WorkQueue:
    return WorkQueue(pause=lambda failures: 0.0 if failures < 2 else 1000.0)


def test_of_several_reasons_the_greatest_counts(queue: WorkQueue) -> None:
    queue.add(["a", "b"], Reason.PROGRESS)
    queue.add(["a"], Reason.REQUEST)
    queue.add(["a"], Reason.CHANGE)
    work = queue.take()
    assert work.ports == {"a": Reason.REQUEST, "b": Reason.PROGRESS}
    assert work.of(Reason.REQUEST) == {"a"}
    assert queue.take() == Work()


def test_failing_port_comes_after_growing_pauses_until_it_is_forgotten(queue: WorkQueue) -> None:
    for _ in range(2):
        queue.add_rate_limited("a")
        assert queue.take().ports == {"a": Reason.RETRY}
    queue.add_rate_limited("a")
    assert queue.take() == Work()
    queue.drop(["a"])
    queue.forget("a")
    queue.add_rate_limited("a")
    assert queue.take().ports == {"a": Reason.RETRY}


def test_earliest_time_counts_and_a_port_comes_once(queue: WorkQueue) -> None:
    queue.add_after("a", 1000, Reason.RETRY)
    queue.add_after("a", 0, Reason.CHANGE)
    queue.add_after("a", 500, Reason.RETRY)
    assert queue.take().ports == {"a": Reason.CHANGE}
    assert queue.take() == Work()


def test_what_was_just_reconciled_waits_for_nothing_any_more(queue: WorkQueue) -> None:
    queue.add_after("a", 0, Reason.RETRY)
    queue.add_when("a", {ROW})
    queue.add_when("b", {ROW})
    queue.drop(["a"])
    queue.host_changed(frozenset({ROW}))
    assert queue.take().ports == {"b": Reason.PROGRESS}


@pytest.mark.parametrize("first", [True, False], ids=["waits first", "changed first"])
def test_port_comes_when_what_it_waits_for_has_changed(queue: WorkQueue, first: bool) -> None:
    """It may have while the port was reconciled: nobody knew then that it would wait for it."""
    if first:
        queue.add_when("a", {TAP, ROW})
    queue.host_changed(frozenset({ROW, AWAY}))
    if not first:
        queue.add_when("a", {TAP, ROW})
    work = queue.take()
    assert work.ports == {"a": Reason.PROGRESS}
    assert work.changed == {ROW, AWAY}


def test_what_changed_before_the_last_take_is_behind(queue: WorkQueue) -> None:
    queue.host_changed(frozenset({ROW}))
    queue.take()
    queue.add_when("a", {ROW})
    assert queue.take() == Work()
    queue.host_changed(frozenset({AWAY}))
    assert queue.take().ports == {}


def test_complete_set_waits_for_a_reconcile_at_everything(queue: WorkQueue) -> None:
    queue.still_complete()
    queue.add(["a"], Reason.PROGRESS)
    assert not queue.take().everywhere
    queue.everything()
    work = queue.take()
    assert work.everywhere
    assert work.complete
    assert not queue.take().complete


@pytest.mark.parametrize("port_id", ["a", None])
def test_repair_asks_to_make_sure(queue: WorkQueue, port_id: str | None) -> None:
    queue.repair(port_id)
    work = queue.take()
    assert work.to_recheck == {port_id}
    assert work.everywhere == (port_id is None)
    assert work.of(Reason.REQUEST) == {*filter(None, [port_id])}


def test_times_of_thousands_take_no_more_room_than_they_are(queue: WorkQueue) -> None:
    for turn in range(20):
        for number in range(100):
            queue.add_after(f"{number}", 1000 - turn, Reason.CHANGE)
            if number % 2:
                queue.drop([f"{number}"])
    assert len(queue._later._heap) <= 2 * 50 + 64 + 1
    assert queue.take() == Work()


@pytest.mark.parametrize("what", ["add", "change", "due", "end"])
def test_who_waits_is_woken(queue: WorkQueue, what: str) -> None:
    wakes = {
        "add": lambda: queue.add(["a"], Reason.REQUEST),
        "change": lambda: queue.host_changed(frozenset({AWAY})),
        "due": lambda: None,
        "end": queue.end,
    }
    if what == "due":
        queue.add_after("a", 0.2, Reason.RETRY)
    timer = threading.Timer(0.2, wakes[what])
    timer.start()
    began = time.monotonic()
    queue.wait(60)
    assert time.monotonic() - began < 50
    timer.join()
    assert queue.ended == (what == "end")
