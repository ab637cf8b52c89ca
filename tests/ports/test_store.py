"""The store: one SQLite file; what ``put`` has taken cannot be lost or undone by older news."""

from __future__ import annotations

import contextlib
import dataclasses
import resource
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vif_agent.errors import Problem, StoreUnavailable
from vif_agent.ports.port import ERROR, PENDING, PLUG, READY, UNPLUG, UNPLUGGED, Port, PortRequest
from vif_agent.ports.store import Store
from vif_agent.resources import LINK, OVS_PORT, Key

A, B, C = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abc")
WEEK = 7 * 24 * 3600


def _plug(
    port_id: str = A, generation: int | None = None, message_id: str | None = None
) -> PortRequest:
    return PortRequest(
        port_id=port_id,
        verb=PLUG,
        instance={"uuid": "i"},
        vif={"id": port_id, "deep": [1, {"é": None}]},
        vif_type="ovs",
        generation=generation,
        request_id="req-1",
        message_id=message_id,
    )


def _unplug(port_id: str = A, generation: int | None = None) -> PortRequest:
    return PortRequest(port_id=port_id, verb=UNPLUG, vif={"id": port_id}, generation=generation)


def _only(store: Store) -> Port:
    (port,) = store.ports().values()
    return port


def _done(port: Port, **fields: object) -> Port:
    return dataclasses.replace(port, state=READY, **fields)  # type: ignore[arg-type]


def test_put_request_is_the_stored_port(store: Store) -> None:
    request = _plug(generation=7)
    assert store.put([request]) == []
    port = _only(store)
    assert (port.port_id, port.verb, port.generation, port.state) == (A, PLUG, 7, PENDING)
    assert (port.instance, port.vif, port.vif_type) == (request.instance, request.vif, "ovs")
    assert (port.request_id, port.received_at) == ("req-1", request.received_at)


@pytest.mark.parametrize(
    ("first", "second", "taken", "kept"),
    [
        (5, 4, False, 5),
        (5, 5, True, 5),
        (5, 6, True, 6),
        (5, None, True, 5),
        (None, None, True, 0),
        (None, 0, True, 0),
    ],
)
def test_put_of_a_second_request_goes_by_generation(
    store: Store, first: int | None, second: int | None, taken: bool, kept: int
) -> None:
    store.put([_plug(generation=first)])
    unplug = _unplug(generation=second)
    assert store.put([unplug]) == ([] if taken else [unplug])
    port = _only(store)
    assert (port.verb, port.generation) == (UNPLUG if taken else PLUG, kept)


def test_put_of_many_keeps_their_order_and_answers_the_stale(store: Store) -> None:
    stale = _plug(generation=1)
    assert store.put([_plug(generation=1), _unplug(generation=2), stale, _plug(B)]) == [stale]
    assert {p.port_id: p.verb for p in store.ports().values()} == {A: UNPLUG, B: PLUG}


def test_put_of_a_redelivered_message_is_passed_over(store: Store) -> None:
    plug = _plug(message_id="m1")
    store.put([plug])
    store.put([_unplug()])
    assert store.put([plug]) == []
    assert _only(store).verb == UNPLUG


def test_put_of_an_unplug_keeps_the_vif_type(store: Store) -> None:
    store.put([_plug()])
    store.put([_unplug()])
    assert _only(store).vif_type == "ovs"


def test_ports_come_oldest_first_by_their_first_request(store: Store) -> None:
    store.put([_plug(B), _plug(A), _plug(C)])
    store.put([_plug(B)])
    assert list(store.ports()) == [B, A, C]
    assert list(store.ports([C, B])) == [B, C]
    assert store.ports([]) == {}


def test_port_plugged_anew_after_an_unplug_is_the_youngest(store: Store) -> None:
    store.put([_plug(A), _plug(B), _unplug(A), _plug(A)])
    assert list(store.ports()) == [B, A]


def test_ports_that_are_known_already_are_left_out(store: Store) -> None:
    store.put([_plug(A), _plug(B)])
    seqs = {port_id: port.seq for port_id, port in store.ports().items()}
    store.put([_plug(B)])
    assert list(store.ports([A, B], seqs)) == [B]


def test_saved_result_is_read_back_whole(store: Store) -> None:
    store.put([_plug()])
    port = dataclasses.replace(
        _only(store),
        state=ERROR,
        problem=Problem("conflict", "tapx is a veth", transient=True),
        devices=("tapx", "qvox"),
        made=frozenset({Key(LINK, "tapx"), Key(OVS_PORT, "tapx")}),
        done_at=12.5,
        ready_at=11.5,
        elapsed_ms=3.25,
    )
    store.save([port])
    assert _only(store) == port


def test_save_of_an_older_request_changes_no_newer_one_but_what_is_made(store: Store) -> None:
    store.put([_plug()])
    older = _only(store)
    store.put([_unplug()])
    store.save([_done(older, made=frozenset({Key(LINK, "tapx")}))])
    port = _only(store)
    assert (port.verb, port.state, port.done_at) == (UNPLUG, PENDING, None)
    assert port.made == {Key(LINK, "tapx")}


def test_new_request_clears_the_old_result_but_what_is_made(store: Store) -> None:
    store.put([_plug()])
    made = frozenset({Key(LINK, "tapx")})
    problem = Problem("conflict", "x")
    store.save([_done(_only(store), made=made, problem=problem, done_at=1.0, elapsed_ms=1.0)])
    store.put([_plug()])
    port = _only(store)
    assert (port.state, port.problem, port.done_at, port.elapsed_ms) == (PENDING, None, None, None)
    assert port.made == made


class Clock:
    """One that nobody sets; a test may wind it on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_forget_drops_what_is_old_and_unplugged(path: Path) -> None:
    clock = Clock()
    with contextlib.closing(Store(path, clock=clock)) as store:
        store.put([_plug(A), _unplug(B), _unplug(C)])
        wall = (0.0, time.time(), time.time() + 10 * WEEK)  # whatever the host's clock has said
        gone = zip(store.ports().values(), wall, strict=True)
        store.save([dataclasses.replace(p, state=UNPLUGGED, done_at=at) for p, at in gone])
        store.put([_plug(A)])
        clock.now += WEEK - 1
        store.forget()
        assert store.ports().keys() == {A, B, C}
        clock.now += 2
        store.forget()
        assert store.ports().keys() == {A}


def test_age_goes_on_in_the_next_process(path: Path) -> None:
    for _ in range(3):
        clock = Clock()
        with contextlib.closing(Store(path, clock=clock)) as store:
            if not store.ports():
                store.put([_unplug(B)])
                store.save([dataclasses.replace(_only(store), state=UNPLUGGED)])
                store.put([_plug(A)])
            clock.now += WEEK / 2 + 1
            store.forget()
            left = store.ports().keys()
    assert left == {A}


def test_forget_drops_the_ids_of_old_messages(path: Path) -> None:
    clock = Clock()
    with contextlib.closing(Store(path, clock=clock)) as store:
        old = dataclasses.replace(_plug(message_id="m1"), received_at=5.0)
        store.put([old])
        clock.now += WEEK - 1
        store.forget()
        store.put([_unplug(), old])
        assert _only(store).verb == UNPLUG
        clock.now += 2
        store.forget()
        store.put([old])
        assert _only(store).verb == PLUG


def test_last_request_of_all_is_kept_as_the_count(path: Path) -> None:
    clock = Clock()
    with contextlib.closing(Store(path, clock=clock)) as store:
        store.put([_unplug()])
        store.save([dataclasses.replace(_only(store), state=UNPLUGGED)])
        clock.now += 2 * WEEK
        store.forget()
        assert _only(store).seq == 1


def test_store_opened_again_has_all(path: Path) -> None:
    first = Store(path)
    first.put([_plug(message_id="m1"), _plug(B)])
    before = first.ports()
    first.close()
    second = Store(path)
    assert second.ports() == before
    second.put([_unplug(B)])
    assert second.put([_plug(message_id="m1")]) == []
    assert second.ports()[A] == before[A]
    second.close()


def test_second_store_on_the_same_file_sees_the_same(store: Store, path: Path) -> None:
    store.put([_plug()])
    second = Store(path)
    assert second.ports() == store.ports()
    second.put([_unplug()])
    assert _only(store).verb == UNPLUG
    second.close()


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file of this process may grow; the kernel's answer is an error, not a signal."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("full_disk")
def test_full_disk_is_told_and_loses_nothing(store: Store) -> None:
    store.put([_plug()])
    before = store.ports()
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    with pytest.raises(StoreUnavailable, match=r"^store: ") as refused:
        store.put([_plug(B, message_id="m1")])
    with pytest.raises(StoreUnavailable):
        store.save([_done(before[A])])
    assert refused.value.problem.transient
    assert store.ports() == before
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert store.put([_plug(B, message_id="m1")]) == []
    assert set(store.ports()) == {A, B}


@pytest.mark.usefixtures("full_disk")
def test_disk_that_the_stores_own_log_has_filled_has_room_again(store: Store, path: Path) -> None:
    """SQLite's write-ahead log grows to 4 MiB before it goes into the database by itself."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 200_000, hard))
    refused = 0
    for _ in range(300):
        try:
            store.put([_plug()])
        except StoreUnavailable:
            refused += 1
            store.put([_plug()])
    assert refused > 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def test_former_requests_are_kept_until_the_port_is_done(store: Store) -> None:
    first = _plug()
    second = dataclasses.replace(first, vif={"id": A, "other": 1})
    store.put([first])
    assert _only(store).previous_specs == ()
    store.put([first])
    assert _only(store).previous_specs == ()
    store.put([second, _unplug(), _unplug(), second])
    assert _only(store).previous_specs == (
        (first.instance, first.vif),
        (second.instance, second.vif),
    )
    older = _only(store)
    store.put([_unplug()])
    store.save([_done(older)])
    assert len(_only(store).previous_specs) == 2
    store.save([_done(_only(store))])
    assert _only(store).previous_specs == ()


def test_store_of_the_first_release_is_brought_up_to_date(path: Path) -> None:
    store = Store(path)
    store.put([_plug()])
    store.close()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("ALTER TABLE ports DROP COLUMN formers")
        database.commit()
    store = Store(path)
    assert _only(store).previous_specs == ()
    store.put([_unplug()])
    assert len(_only(store).previous_specs) == 1
    store.close()
