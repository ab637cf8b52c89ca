"""The store's file: deleted, replaced, cut short or spoilt under an agent; of another release."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vif_agent.errors import StoreUnavailable, StoreUnusable
from vif_agent.ports.port import PLUG, READY, UNPLUG, UNPLUGGED, FullSet, PortRequest, counts
from vif_agent.ports.store import Store

A, B, C = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abc")
NOW = 1_790_000_000.0
HOUR = 3600 * 10**9
CLOCK = int(NOW * 1e9)


def request(port_id: str = A, generation: int | None = None, verb: str = PLUG) -> PortRequest:
    return PortRequest(
        port_id=port_id, verb=verb, instance={"uuid": "i"}, vif={"id": port_id}, vif_type="ovs",
        generation=generation, received_at=NOW,
    )  # fmt: skip


def at_the_next_start(path: Path) -> set[str]:
    """What another process finds, with what SQLite has not yet brought into the file."""
    code = (
        "import sys, pathlib; from vif_agent.ports.store import Store;"
        "from vif_agent.ports import store_file;"
        "p = pathlib.Path(sys.argv[1]); store_file.recover(p); print(*Store(p).ports())"
    )
    done = subprocess.run(
        (sys.executable, "-c", code, str(path)), capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def _delete(path: Path, backup: Path) -> None:
    for file in path.parent.glob(path.name + "*"):
        file.unlink()


def _delete_log(path: Path, backup: Path) -> None:
    path.with_name(path.name + "-wal").unlink()


def _restore(path: Path, backup: Path) -> None:
    path.unlink()
    shutil.copy(backup, path)


def _move_over(path: Path, backup: Path) -> None:
    os.replace(shutil.copy(backup, f"{backup}.2"), path)


@pytest.mark.parametrize("harm", [_delete, _delete_log, _restore, _move_over])
@pytest.mark.parametrize("how", ["put", "guard"])
def test_store_that_was_taken_away_is_put_back(
    store: Store,
    path: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    harm: Callable[[Path, Path], None],
    how: str,
) -> None:
    backup = tmp_path / "backup"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("VACUUM INTO ?", (str(backup),))
    store.put([request(A)])
    harm(path, backup)
    if how == "put":
        store.put([request(B)])
    store.guard()
    expected = {A, B} if how == "put" else {A}
    assert at_the_next_start(path) == expected
    assert store.ports().keys() == expected
    store.put([request(C)])
    assert at_the_next_start(path) == {*expected, C}
    assert caplog.text.count("was deleted or replaced under this agent") == 1
    assert int(path.with_name(path.name + ".count").read_bytes()) == len(expected) + 1


def test_store_that_cannot_be_put_back_takes_no_request_until_it_can(
    store: Store, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.put([request(A)])
    directory, away = path.parent, path.parent.with_name("away")
    directory.rename(away)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            store.put([request(B)])
    assert caplog.text == ""
    directory.mkdir()
    store.put([request(B)])
    assert at_the_next_start(path) == {A, B}


def test_putting_back_that_was_cut_off_is_finished_at_the_next_start(path: Path) -> None:
    with contextlib.closing(Store(path)) as store:
        store.put([request(A), request(B)])
        store.guard()
        saved = path.with_name(path.name + ".saved")
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("VACUUM INTO ?", (str(saved),))
    path.unlink()
    assert at_the_next_start(path) == {A, B}
    assert not saved.exists()


@pytest.mark.parametrize("size", [0, 100, 4096, 8192])
@pytest.mark.parametrize("end", ["", "-wal"])
def test_store_that_was_cut_short_takes_no_request(
    path: Path, size: int, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    with contextlib.closing(Store(path)) as store:
        store.put([request(f"{n:08x}-0000-4000-8000-000000000000") for n in range(200)])
        if not end:  # all is in the file itself
            with contextlib.closing(sqlite3.connect(path)) as database:
                database.execute("PRAGMA wal_checkpoint(FULL)")
            store.guard()
            store.put([request(B)])
        os.truncate(f"{path}{end}", size)
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="cut short by somebody"):
                store.put([request(C)])
        store.guard()
        store.guard()
        assert "cut short" in (store.notice or "")
        assert caplog.text.count("cut short") == 1


def test_store_made_smaller_by_sqlite_itself_is_none_that_was_cut_short(
    store: Store, path: Path
) -> None:
    many = [request(f"{n:08x}-0000-4000-8000-000000000000") for n in range(500)]
    store.put(many)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store.put([request(A)])
        database.execute("DELETE FROM ports WHERE port_id < 'a'")
        database.commit()
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.put([request(B)])
    assert store.ports().keys() == {A, B}
    assert store.notice is None


def test_older_copy_is_noticed_at_the_start(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with contextlib.closing(Store(path)) as store:
        store.put([request(A)])
    shutil.copy(path, copy)
    for _ in range(2):
        with contextlib.closing(Store(path)) as store:
            assert store.notice is None
            store.put([request(B), request(C)])
    shutil.copy(copy, path)
    with contextlib.closing(Store(path)) as store:
        assert "older copy: it ends at request 1, and 5 were stored" in (store.notice or "")
        store.put([request(B)])
    with contextlib.closing(Store(path)) as store:
        assert store.notice is None


def test_store_of_a_newer_release_is_one_clear_line(path: Path) -> None:
    Store(path).close()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version=7")
    with pytest.raises(StoreUnusable, match=r"newer release \(form 7; this one knows 1\)") as why:
        Store(path)
    assert not why.value.transient
    assert "\n" not in str(why.value)


@pytest.mark.parametrize("content", [b"x" * 5000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_file_that_is_no_store_is_one_clear_line(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreUnusable, match="move it away") as why:
        Store(path)
    assert path.read_bytes() == content
    held = {os.path.realpath(one) for one in Path("/proc/self/fd").iterdir()}
    assert str(path) not in held, f"and is let go at once, while {why} is known"


def test_locked_store_passes(path: Path) -> None:
    Store(path).close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable) as locked:
            Store(path)
    assert locked.value.transient
    Store(path).close()


# -- rows -----------------------------------------------------------------------------------------

SPOILT = [
    ("vif", "{"),
    ("instance", ""),
    ("vif", b"\xff\xfe"),
    ("instance", b'"\xff"'),
    ("made", "[[1, 2, 3]]"),
    ("made", "5"),
    ("devices", "null"),
    ("formers", '["a"]'),
    ("taken", '["x"]'),
    ("seq", "first"),
    ("since", "first"),
    ("generation", 1.5),
    ("verb", "jump"),
    ("state", ""),
    ("received_at", "now"),
    ("done_at", "then"),
    ("vif", "[" * 100_000),
]


def _spoil(path: Path, column: str, value: object) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        if isinstance(value, bytes):  # a text that is no UTF-8
            change = f"UPDATE ports SET {column} = CAST(? AS TEXT) WHERE port_id = ?"
        else:
            change = f"UPDATE ports SET {column} = ? WHERE port_id = ?"
        database.execute(change, (value, B))
        database.commit()


@pytest.mark.parametrize(("column", "value"), SPOILT)
def test_unreadable_row_is_set_aside_and_named_and_the_others_go_on(
    path: Path, column: str, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    with contextlib.closing(Store(path)) as store:
        store.put([request(A), request(B), request(C)])
    _spoil(path, column, value)
    with contextlib.closing(Store(path)) as store:
        for _ in range(2):
            assert store.ports().keys() == {A, C}
        assert store.ports([A, B]).keys() == {A}
        assert store.known([A, B, "x"]) == {A, B}
        assert list(store.unreadable) == [B]
        assert caplog.text.count(f"Port '{B}' is unreadable in the store") == 1
        assert all(len(line) < 500 for line in caplog.text.splitlines())
        store.put([request(A)])
        store.put([request(B)])
        assert store.ports()[B].vif == {"id": B}
        assert store.unreadable == {}


@pytest.mark.parametrize(("column", "value"), SPOILT)
def test_unreadable_row_found_on_the_way_gives_way_to_a_new_request(
    store: Store, path: Path, column: str, value: object
) -> None:
    store.put([request(A), request(B), request(C)])
    _spoil(path, column, value)
    store.put([FullSet(plugs=(request(A), request(C)), named=frozenset({A, C}), deletes=True)])
    store.put([request(B, verb=UNPLUG)])
    ports = store.ports()
    assert {i: p.verb for i, p in ports.items()} == {A: PLUG, B: UNPLUG, C: PLUG}


def test_forget_of_an_unreadable_port(path: Path) -> None:
    with contextlib.closing(Store(path)) as store:
        store.put([request(B)])
    _spoil(path, "vif", "{")
    with contextlib.closing(Store(path)) as store:
        assert store.ports() == {}
        assert store.forget_port(B) == "forgotten"
        assert store.unreadable == {}
        assert store.forget_port(B) == "unknown port"


# -- clocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("new", "stored", "expected"),
    [
        (CLOCK, CLOCK + 2 * HOUR, True),  # its clock was two hours ahead
        (CLOCK, CLOCK + 61 * 10**9, True),
        (CLOCK, CLOCK + 59 * 10**9, False),  # no clock is exact
        (CLOCK + HOUR, CLOCK + 2 * HOUR, False),  # both are ahead: perhaps our own is behind
        (CLOCK - HOUR, CLOCK, False),
        (CLOCK, CLOCK, True),
        (CLOCK + 1, CLOCK, True),
        (6, 7, False),  # counted, not told by a clock
        (8, 7, True),
    ],
)
def test_generation_from_the_future_gives_way(new: int, stored: int, expected: bool) -> None:
    assert counts(new, stored, NOW) is expected


def test_generation_from_the_future_is_told_when_it_gives_way(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.put([request(A, CLOCK + 2 * HOUR)])
    now = request(A, CLOCK, UNPLUG)
    store.preview([now])
    assert "ahead" not in caplog.text
    assert store.put([now]) == []
    assert f"Port {A}: generation {CLOCK + 2 * HOUR} is 7200 s ahead" in caplog.text
    port = store.ports()[A]
    assert (port.verb, port.generation) == (UNPLUG, CLOCK)
    assert port.recent_generations == (CLOCK + 2 * HOUR, CLOCK)


def test_forget_lets_the_next_request_count(store: Store) -> None:
    store.put([request(A, 100), request(B, 100)])
    store.save([dataclasses.replace(p, state=READY) for p in store.ports([A]).values()])
    assert store.forget_port(A) == "generation 100 is forgotten; the request stands"
    assert store.ports()[A].verb == PLUG
    assert store.put([request(A, 1), request(B, 1)]) == [request(B, 1)]
    store.save([dataclasses.replace(p, state=UNPLUGGED) for p in store.ports([B]).values()])
    assert store.forget_port(B) == "forgotten"
    assert store.ports().keys() == {A}
