"""Work begins when a request is committed; acknowledgement and report wait for the disk."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.casting import Vif, numbered, wait_for
from tests.support.rig import Rig
from vif_agent.bus.report import Report
from vif_agent.daemon.loop import Loop
from vif_agent.errors import StoreUnavailable
from vif_agent.ports.port import PENDING, PLUG, READY, UNPLUG, Port, PortRequest
from vif_agent.ports.store import Store
from vif_agent.reconcile.cleanup import Cleanup
from vif_agent.reconcile.work_queue import Reason, WorkQueue
from vif_agent.resources import LINK

A, B = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "ab")


class SlowDisk(Store):
    """It takes nothing while it is away."""

    away = False

    def sync(self, seq: int | None = None) -> None:
        if self.away:
            raise StoreUnavailable("store: Input/output error")
        super().sync(seq)


class Bus:
    """What was told."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, event_type: str, payload: dict[str, Any]) -> None:
        self.sent.append(event_type)


class Agent:
    """A loop that works on a host in memory."""

    def __init__(self, path: Path, rig: Rig, store: Store) -> None:
        self.rig, self.store, self.bus = rig, store, Bus()
        rig.store = store
        rig.restart()
        self.queue = WorkQueue(lambda failures: 1.0)
        self.report = Report(store, self.bus, "node-1")
        cleanup = Cleanup(rig.engine, SimpleNamespace(enabled=False, sightings=3, interval=60))
        self.loop = Loop(
            rig.engine, threading.Lock(), store, self.queue, self.report, cleanup,
            SimpleNamespace(ovsdb_timeout=10), lambda: None,
        )  # fmt: skip

    def commit(self, verb: str, vif: Vif, message_id: str | None = None) -> None:
        self.store.commit([_request(verb, vif, message_id)])
        self.queue.add([vif["id"]], Reason.REQUEST)

    def turns(self) -> None:
        for _ in range(4):
            self.loop.turn()

    def links(self) -> dict[str, int]:
        there = self.rig.host.snapshot()
        return {key.name: found.index for key, found in there.items() if key.space == LINK}


def _request(verb: str, vif: Vif, message_id: str | None = None) -> PortRequest:
    return PortRequest(
        port_id=vif["id"], verb=verb, instance={}, vif=vif, vif_type=vif["type"],
        message_id=message_id,
    )  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state" / "store.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SlowDisk]:
    store = SlowDisk(path)
    yield store
    store.close()


@pytest.fixture
def vif(payload: Callable[[str], Vif]) -> Vif:
    return payload("tap")


@pytest.fixture
def agent(tmp_path: Path, path: Path, store: SlowDisk) -> Agent:
    return Agent(path, Rig(tmp_path), store)


def test_port_is_made_at_once_and_told_when_its_request_is_on_disk(
    agent: Agent, store: SlowDisk, vif: Vif
) -> None:
    answers: list[str] = []
    agent.report.answer_later(vif["id"], None, 600, lambda view: answers.append(view["state"]))
    store.away = True
    agent.commit(PLUG, vif)
    agent.turns()
    assert vif["devname"] in agent.links()
    assert (agent.bus.sent, answers) == ([], [])
    assert (agent.report.get(vif["id"]) or {})["state"] == PENDING
    assert agent.loop.next_due < float("inf")
    store.away = False
    agent.loop.turn()
    assert (agent.bus.sent, answers) == (["vif.plug.end"], [READY])
    agent.turns()
    assert agent.bus.sent == ["vif.plug.end"]


def test_start_after_a_kill_before_the_disk_had_it_goes_on_from_the_commit(
    tmp_path: Path, agent: Agent, path: Path, store: SlowDisk, vif: Vif
) -> None:
    """A commit is the kernel's; the cast was not acknowledged, comes again and is known."""
    store.away = True
    agent.commit(PLUG, vif, "m1")
    agent.turns()
    made = agent.links()
    after = Agent(path, agent.rig, Store(path))
    after.queue.add(after.store.live(), Reason.PROGRESS)
    after.turns()
    assert after.bus.sent == ["vif.plug.end"]
    after.commit(PLUG, vif, "m1")
    after.turns()
    assert after.bus.sent == ["vif.plug.end"]
    assert after.links() == made
    after.store.close()


@pytest.mark.parametrize("again", [True, False])
def test_what_a_cast_left_that_the_disk_never_had_is_used_again_or_stays_for_the_operator(
    tmp_path: Path, agent: Agent, path: Path, store: SlowDisk, vif: Vif, again: bool
) -> None:
    """As if the links had outlived the power cut that the store's last commit did not."""
    copy = tmp_path / "copy.sqlite"
    shutil.copy(path, copy)
    store.away = True
    agent.commit(PLUG, vif, "m1")
    agent.turns()
    made = agent.links()
    after = Agent(copy, agent.rig, Store(copy))
    after.queue.everything()
    after.turns()
    assert after.links() == made, "nobody may remove what he has not heard of"
    assert [orphan.port_id for orphan in agent.rig.engine.orphans or ()] == [vif["id"]]
    if again:
        after.commit(PLUG, vif, "m1")
        after.turns()
        assert after.bus.sent == ["vif.plug.end"]
        assert after.links() == made
        after.commit(UNPLUG, vif)
        after.turns()
        assert vif["devname"] not in after.links()
    after.store.close()


def test_results_wait_for_the_next_commit_or_a_moment(
    agent: Agent, path: Path, store: SlowDisk, payload: Callable[[str], Vif]
) -> None:
    first, second = (numbered(payload("tap"), n) for n in (1, 2))
    agent.commit(PLUG, first)
    agent.turns()
    assert store.ports([first["id"]])[first["id"]].state == READY
    assert _stored(path)[first["id"]].state == PENDING
    agent.commit(PLUG, second)
    assert _stored(path)[first["id"]].state == READY
    agent.turns()

    def saved() -> bool:
        agent.loop.turn()
        return not store.unsaved

    wait_for(saved, "the second one")
    assert {port.state for port in _stored(path).values()} == {READY}


def _stored(path: Path) -> dict[str, Port]:
    """By another process."""
    other = Store(path)
    ports = other.ports()
    other.close()
    return ports


def test_commit_outlives_a_kill(path: Path, store: SlowDisk) -> None:
    code = (
        "import os, pathlib, signal, sys; from vif_agent.ports.store import Store;"
        "from vif_agent.ports.port import PortRequest;"
        "s = Store(pathlib.Path(sys.argv[1]));"
        "s.commit([PortRequest(port_id=sys.argv[2], verb='plug', instance={}, vif={})]);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run((sys.executable, "-c", code, str(path), B), check=False)
    assert done.returncode == -signal.SIGKILL
    assert set(store.ports()) == {B}


def test_all_is_written_anew_when_a_sync_fails(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What the kernel could not write it may drop, and then say that all is well."""
    store = Store(path)
    store.put([PortRequest(port_id=A, verb=PLUG, instance={}, vif={"id": A})])
    store.commit([PortRequest(port_id=B, verb=PLUG, instance={}, vif={"id": B})])
    before = path.stat().st_ino
    reader, writer = os.pipe()
    os.dup2(writer, store._file._log)  # of a pipe nothing can be synced
    store.sync(1)  # that is on disk
    assert path.stat().st_ino == before
    store.sync()
    assert path.stat().st_ino != before
    assert "could not be written to disk: it was written anew" in caplog.text
    assert set(_stored(path)) == {A, B}
    store.sync()
    store.put([PortRequest(port_id=A, verb=UNPLUG, vif={"id": A})])
    assert _stored(path)[A].verb == UNPLUG
    store.close()
    os.close(reader)
    os.close(writer)
    assert caplog.text.count("written anew") == 1
