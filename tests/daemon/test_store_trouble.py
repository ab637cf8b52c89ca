"""What goes wrong with the store under a running agent: told, seen, and nothing is lost."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.casting import CONTEXT, MODES, QUEUE, Site, Vif, numbered, wait_for
from tests.support.examples import INSTANCE
from tests.support.operating import ctl, stopped
from vif_agent.bus.api import PlugFailed
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost


@pytest.fixture(scope="module", params=MODES)
def running(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, request.param) as running:
        yield running


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    """With a store that begins at its first request."""
    yield running
    running.unplug_all()
    running.daemon.stop()
    shutil.rmtree(running.daemon.state_path)
    running.daemon.state_path.mkdir()
    running.daemon.log_file.unlink()
    running.daemon.start()


def _file(site: Site) -> Path:
    return Path(site.daemon.state_path, "vif-agent.sqlite")


def _status(site: Site) -> dict[str, Any]:
    return site.api.get_status(CONTEXT, HOST)


def test_store_that_takes_no_request_is_seen_and_its_casts_come_when_it_does(
    site: Site, payload: Callable[[str], Vif]
) -> None:
    """A later release's table may ask for more than this one knows of; here a trigger does."""
    with contextlib.closing(sqlite3.connect(_file(site))) as database:
        database.execute(
            "CREATE TRIGGER later BEFORE INSERT ON ports"
            " BEGIN SELECT RAISE(ABORT, 'NOT NULL constraint failed: ports.later'); END"
        )
        database.commit()
        vif = numbered(payload("tap"), 1)
        site.plug(vif, wait=None)
        wait_for(lambda: "ports.later" in (_status(site)["casts_wait"] or ""), "a word of it")
        assert site.port(vif)["state"] == "unknown"
        database.execute("DROP TRIGGER later")
        database.commit()
    wait_for(lambda: site.port(vif)["state"] == "ready", "the port")
    wait_for(lambda: _status(site)["casts_wait"] is None, "no more of it")
    wait_for(lambda: site.rabbit.queue_length(QUEUE) == 0, "an empty queue")
    assert site.daemon.log().count("Casts wait unacknowledged") == 1


def test_store_deleted_under_the_agent_is_whole_after_the_next_crash(
    site: Site, payload: Callable[[str], Vif]
) -> None:
    vifs = [numbered(payload("tap"), n) for n in range(10, 14)]
    for vif in vifs[:2]:
        site.plug(vif)
    for file in _file(site).parent.glob("vif-agent.sqlite*"):
        file.unlink()
    for vif in vifs[2:]:
        site.plug(vif)
    assert "was deleted or replaced under this agent: it was put back" in site.daemon.log()
    site.daemon.kill()
    site.daemon.start()
    site.settled()
    known = {p["port_id"] for p in site.api.list_vifs(CONTEXT, HOST) if p["state"] == "ready"}
    assert known == {vif["id"] for vif in vifs}


def test_older_copy_of_the_store_is_told(site: Site, payload: Callable[[str], Vif]) -> None:
    vifs = [numbered(payload("tap"), n) for n in range(20, 23)]
    site.plug(vifs[0])
    copy = _file(site).with_name("copy")
    with contextlib.closing(sqlite3.connect(_file(site))) as database:
        database.execute("VACUUM INTO ?", (str(copy),))
    for vif in vifs[1:]:
        site.plug(vif)
    site.daemon.stop()
    copy.replace(_file(site))
    site.daemon.start()
    assert (
        "the store is an older copy: it ends at request 1, and 3 were stored" in site.daemon.log()
    )
    assert "older copy" in _status(site)["store"]
    for vif in vifs[1:]:
        site.plug(vif)


def test_unreadable_port_is_named_and_the_others_go_on(
    site: Site, payload: Callable[[str], Vif]
) -> None:
    good, bad = (numbered(payload("tap"), n) for n in (30, 31))
    for vif in (good, bad):
        site.plug(vif)
    site.daemon.stop()
    with contextlib.closing(sqlite3.connect(_file(site))) as database:
        database.execute("UPDATE ports SET vif = '{' WHERE port_id = ?", (bad["id"],))
        database.commit()
    site.daemon.start()
    assert list(_status(site)["unreadable"]) == [bad["id"]]
    assert f"Port '{bad['id']}' is unreadable in the store" in site.daemon.log()
    assert site.plug(good)["state"] == "ready"
    assert bad["devname"] in site.host.links()  # not known is not rubbish
    assert _status(site)["orphans"] == 0
    assert site.plug(bad)["state"] == "ready"
    assert _status(site)["unreadable"] == {}


def test_sender_ahead_of_its_time_locks_no_port(site: Site, payload: Callable[[str], Vif]) -> None:
    vif = numbered(payload("tap"), 40)
    site.plug(vif, generation=time.time_ns() + 7200 * 10**9)
    assert site.unplug(vif)["state"] == "unplugged"
    assert "s ahead of this host's clock" in site.daemon.log()


def test_wait_for_a_request_that_was_dropped_is_not_told_that_it_is_ready(
    site: Site, payload: Callable[[str], Vif]
) -> None:
    vif = numbered(payload("tap"), 41)
    site.plug(vif, generation=100)
    for _ in range(2):  # before and after the cast has come
        with pytest.raises(PlugFailed, match=r"overtaken|older than the stored") as dropped:
            site.plug(vif, generation=99)
        assert dropped.value.code == "stale_generation"
    assert site.plug(vif, generation=101)["state"] == "ready"
    site.cast("sync_vifs", vifs=[{"instance": INSTANCE, "vif": vif}], generation=200)
    wait_for(lambda: site.port(vif)["generation"] == 200, "the set")
    # its own request stands, only the fence is higher
    assert site.api.wait_vif(CONTEXT, HOST, vif["id"], 101, 5).get("overtaken") is None


def test_forget_lets_the_next_cast_count(site: Site, payload: Callable[[str], Vif]) -> None:
    vif = numbered(payload("tap"), 42)
    site.plug(vif, generation=1 << 62)
    answer = ctl(site.daemon.config_file, "forget", vif["id"][:8])
    assert (
        answer.out == f"port {vif['id']}: generation {1 << 62} is forgotten; the request stands\n"
    )
    assert site.port(vif)["state"] == "ready"
    assert site.unplug(vif, generation=5)["state"] == "unplugged"
    assert ctl(site.daemon.config_file, "forget", vif["id"]).out.endswith(": forgotten\n")
    unknown = ctl(site.daemon.config_file, "forget", vif["id"])
    assert (unknown.code, unknown.out) == (1, f"port {vif['id']}: unknown port\n")
    with stopped(site.daemon):
        assert ctl(site.daemon.config_file, "forget", vif["id"], "--local").code == 1
    refused = ctl(site.daemon.config_file, "forget", vif["id"], "--local")
    refused.refused("the agent runs on this host")


@pytest.mark.parametrize(
    ("harm", "status", "words"),
    [
        ("PRAGMA user_version=9", 2, "is of a newer release (form 9"),
        ("", 1, "database is locked"),
    ],
)
def test_start_that_may_work_later_ends_with_status_1(
    site: Site, harm: str, status: int, words: str
) -> None:
    site.daemon.stop()
    log = len(site.daemon.log())
    with contextlib.closing(sqlite3.connect(_file(site), isolation_level=None)) as database:
        database.execute(harm or "PRAGMA journal_mode=DELETE")
        if not harm:
            database.execute("BEGIN EXCLUSIVE")
        site.daemon.launch()
        assert site.daemon.process
        assert site.daemon.process.wait(60) == status
        if harm:
            database.execute("PRAGMA user_version=1")
    lines = [line for line in site.daemon.log()[log:].splitlines() if "Cannot start" in line]
    assert len(lines) == 1
    assert words in lines[0]
    site.daemon.start()
