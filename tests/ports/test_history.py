"""What happened to ports is kept beside their requests, bounded, and never in their way."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports.test_store import Clock
from vif_agent.errors import StoreUnavailable
from vif_agent.ports import history
from vif_agent.ports.event import DID, DRIFT, READY, REFUSED, WISHED
from vif_agent.ports.port import PLUG, PortRequest
from vif_agent.ports.port import READY as IS_READY
from vif_agent.ports.store import Store

A, B = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "ab")
WEEK = 7 * 24 * 3600


def plug(port_id: str = A, generation: int | None = None) -> PortRequest:
    return PortRequest(
        port_id=port_id, verb=PLUG, vif={"id": port_id}, generation=generation, request_id="req-1"
    )


def told(store: Store, port_id: str = A) -> list[tuple[str, str]]:
    return [(event.what, event.text) for event in store.history.of(port_id)]


def finish(store: Store, port_id: str = A) -> None:
    port = dataclasses.replace(store.ports()[port_id], state=IS_READY)
    store.note([port])
    store.save()


@contextlib.contextmanager
def reopened(path: Path) -> Iterator[Store]:
    with contextlib.closing(Store(path)) as store:
        yield store


def rows(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT COUNT(*) FROM events").fetchone()[0])


def test_events_of_a_port_are_kept_in_their_order_over_a_restart(path: Path) -> None:
    with reopened(path) as store:
        store.put([plug(generation=7), plug(B)])
        store.history.add(A, DID, "make tun tapx")
        store.history.add(A, READY)
        before = store.history.of(A)
        finish(store)
    wanted = [(WISHED, "plug, generation 7, req-1"), (DID, "make tun tapx"), (READY, "")]
    with reopened(path) as store:
        assert told(store) == wanted
        assert store.history.of(A) == before
        assert told(store, B) == [(WISHED, "plug, req-1")]


def test_event_takes_no_commit_of_its_own(store: Store, path: Path) -> None:
    store.put([plug()])
    store.history.add(A, DID, "x")
    assert rows(path) == 0
    assert told(store)[-1] == (DID, "x"), "who asks sees it all the same"
    finish(store)
    assert rows(path) == 2


def test_refused_cast_is_noted_of_a_port_that_is_known_only(store: Store) -> None:
    store.put([plug(generation=7)])
    for port_id in (A, B):
        store.note_refusal(port_id, "stale_generation: 6 is older")
    assert told(store)[-1] == (REFUSED, "stale_generation: 6 is older")
    assert told(store, B) == []


def test_no_more_is_kept_than_the_last_of_each_port(path: Path) -> None:
    with reopened(path) as store:
        store.put([plug(B)])
        finish(store, B)
        store.put([plug()])
        for number in range(3 * history.MOST_OF_PORT):
            store.history.add(A, DRIFT, str(number))
        assert len(store.history.of(A)) == history.MOST_OF_PORT
        finish(store)
        last = [str(number) for number in range(2 * history.MOST_OF_PORT, 3 * history.MOST_OF_PORT)]
        assert [text for _, text in told(store)] == last
    with reopened(path) as store:  # the first commit of a process looks
        store.put([plug(B)])
        finish(store, B)
        assert [text for _, text in told(store)] == last
        assert len(told(store, B)) == 2
    assert rows(path) == history.MOST_OF_PORT + 2


def test_no_more_is_kept_than_so_many_of_all_ports(path: Path) -> None:
    with reopened(path) as store:
        store.put([plug()])
        finish(store)
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                " INSERT INTO events (port, at, age, what, text) SELECT i, 0, 0, 'did', '' FROM n",
                (history.MOST + 10,),
            )
    with reopened(path) as store:
        store.put([plug(B)])
        finish(store, B)
        assert (told(store), told(store, B)) == ([], [(WISHED, "plug, req-1")])
    assert rows(path) == history.MOST


def test_text_has_a_bound_and_controls_no_terminal(store: Store) -> None:
    store.history.add(A, DID, "\x1b[2J" + "x" * 10_000)
    ((_, text),) = told(store)
    assert len(text) < history.LONGEST + 10
    assert text.startswith("\\x1b[2Jxxx")


def test_what_is_older_than_a_week_is_forgotten(path: Path) -> None:
    clock = Clock()
    with contextlib.closing(Store(path, clock=clock)) as store:
        store.put([plug()])
        finish(store)
        clock.now += WEEK - 10
        store.history.add(A, DRIFT)
        finish(store)
        clock.now += 20
        store.forget()
        assert [what for what, _ in told(store)] == [DRIFT]


@pytest.mark.parametrize(
    "spoil",
    [
        "DROP TABLE events",
        "DROP TABLE events; CREATE TABLE events (other TEXT)",
        "DROP TABLE events; CREATE VIEW events AS SELECT port_id FROM ports",
    ],
)
@pytest.mark.parametrize("while_it_runs", [False, True])
def test_spoilt_table_stops_no_request(path: Path, spoil: str, while_it_runs: bool) -> None:
    """The next one, and the next process, go on."""
    with reopened(path) as store:
        store.put([plug()])
        finish(store)
        if while_it_runs:
            spoilt(path, spoil)
        store.put([plug(B)])
        finish(store, B)
        assert store.ports().keys() == {A, B}
        store.forget()
    if not while_it_runs:
        spoilt(path, spoil)
    with reopened(path) as store:
        store.put([plug()])
        finish(store)
        store.forget()
        assert {port.state for port in store.ports().values()} == {IS_READY}
        with contextlib.suppress(sqlite3.Error):
            store.history.of(A)


@pytest.mark.parametrize("what", ["events", "events_by_port"])
def test_page_of_the_history_whose_bits_have_turned_stops_no_request(path: Path, what: str) -> None:
    with reopened(path) as store:
        store.put([plug()])
        finish(store)
        store.leave()
    with contextlib.closing(sqlite3.connect(path)) as db:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
        page, size = db.execute(query, (what,)).fetchone()[0], 4096
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    with reopened(path) as store:
        store.put([plug(), plug(B)])
        with contextlib.suppress(StoreUnavailable):  # SQLite may take all back: as with a full disk
            finish(store)
        finish(store)  # which all who store anything try again
        finish(store, B)
        store.forget()
        assert {port.state for port in store.ports().values()} == {IS_READY}
        with pytest.raises(sqlite3.DatabaseError, match="malformed"):
            store.history.of(A)


def spoilt(path: Path, how: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(how)


def test_history_that_cannot_be_written_is_tried_less_and_less(path: Path) -> None:
    """Requests are stored all the same, and say nothing of it."""
    with reopened(path) as store:
        spoilt(path, "DROP TABLE events; CREATE VIEW events AS SELECT port_id FROM ports")
        store.put([plug()])
        finish(store)
        rest = store.history._rest
        finish(store)
        assert rest == store.history._rest > history._REST_SECONDS


def test_history_rests_while_the_store_cannot_be_written(store: Store, path: Path) -> None:
    """It may be what fills the disk: so the next try is without it."""
    store.put([plug()])
    store.history.add(A, DID, "before")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            store.put([plug(B)])
    store.history.add(A, DID, "meanwhile")
    store.put([plug(B)])
    assert told(store) == []
    assert rows(path) == 0


def test_store_of_an_agent_without_history_gets_one_and_keeps_what_it_has(path: Path) -> None:
    with reopened(path) as store:
        store.put([plug()])
    spoilt(path, "DROP TABLE events")
    with reopened(path) as store:
        assert told(store) == []
        finish(store)
        store.put([plug(B)])
        finish(store, B)
        assert told(store, B) == [(WISHED, "plug, req-1")]


def test_those_who_watch_are_told_what_is_new_and_how_much_they_have_missed(store: Store) -> None:
    watched = store.history
    begin = watched.since(None)
    assert begin.events == ()
    watched.add(A, DID, "1")
    watched.add(B, DID, "2")
    of_b = watched.since(begin.so_far, B)
    assert ([e.text for e in of_b.events], of_b.lost) == (["2"], 0)
    assert watched.since(of_b.so_far).events == []
    for number in range(1500):
        watched.add(A, DID, str(number))
    late = watched.since(of_b.so_far)
    assert (len(late.events), late.lost, late.events[-1].text) == (1000, 500, "1499")
    assert watched.since(begin.so_far - 1).lost is None, "another process's count"
