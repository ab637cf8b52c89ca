"""Ports unplugged in the last seven days may be ten times those that are there: nobody reads them
who has not asked for them."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.rig import REGISTRY, Rig
from vif_agent.bus import admin
from vif_agent.bus.report import Report
from vif_agent.daemon.operations import Operations
from vif_agent.daemon.topology import Topology
from vif_agent.ports.port import PLUG, READY, UNPLUG, UNPLUGGED, FullSet, PortRequest
from vif_agent.ports.store import Store
from vif_agent.reconcile.cleanup import Cleanup
from vif_agent.resources import LINK, Key, Tap

MANY = 17_000


def _unplugged(vif: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    for n in range(MANY):
        port_id = f"{n:08x}-0000-4000-8000-000000000000"
        spec = json.dumps({**vif, "id": port_id})
        yield (port_id, n + 1, n + 1, UNPLUG, 1, "{}", spec, "tap", "", 1.0, UNPLUGGED)


@pytest.fixture
def rig(tmp_path: Path, payload: Callable[[str], dict[str, Any]]) -> Rig:
    """With a store as an agent of a busy week has left it."""
    path = tmp_path / "store.sqlite"
    Store(path).close()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("DROP INDEX ports_unplugged")  # earlier releases had none
        database.executemany(
            "INSERT INTO ports (port_id, seq, since, verb, generation, instance, vif, vif_type,"
            " request_id, received_at, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            _unplugged(payload("tap")),
        )
        database.commit()
    rig = Rig(tmp_path)
    rig.plug(payload("tap"))
    return rig


class Counted:
    """How many rows the store has handed over to Python."""

    def __init__(self, store: Store) -> None:
        self.rows = 0
        store._file.db.row_factory = self._row

    def _row(self, cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> sqlite3.Row:
        self.rows += 1
        return sqlite3.Row(cursor, values)


def _calls(rig: Rig) -> admin.Calls:
    cleanup = Cleanup(rig.engine, SimpleNamespace(enabled=False, sightings=3, interval=60))
    topology = Topology(rig.host, rig.store, rig.engine.records, cleanup)
    operations = Operations(
        "node-1", rig.store, rig.engine, threading.Lock(), REGISTRY, cleanup, topology
    )
    report = Report(rig.store, SimpleNamespace(send=lambda *_: None), "node-1")
    return admin.Calls(operations, lambda port_id: None, rig.store, report)


def test_status_list_and_a_reconcile_at_all_read_only_what_is_there(rig: Rig) -> None:
    calls, counted = _calls(rig), Counted(rig.store)
    assert calls.get_status({})["ports"] == {READY: 1, UNPLUGGED: MANY}
    assert len(calls.list_vifs({})) == 1
    assert calls.list_plugins({})
    rig.settle(*rig.store.live(), everywhere=True)
    assert counted.rows < 50
    rig.restart()
    assert counted.rows < 100
    assert len(calls.list_vifs({}, unplugged=True)) == MANY + 1  # who asks for them gets them
    assert counted.rows > MANY


def test_full_set_reads_only_what_is_there_and_what_it_names(
    rig: Rig, payload: Callable[[str], dict[str, Any]]
) -> None:
    counted = Counted(rig.store)
    vif = payload("ovs")
    plug = PortRequest(port_id=vif["id"], verb=PLUG, instance={}, vif=vif, vif_type="ovs")
    rig.store.put([FullSet(plugs=(plug,), named=frozenset({vif["id"]}), deletes=True)])
    assert counted.rows < 50
    verbs = {port_id: port.verb for port_id, port in rig.store.live().items()}
    assert verbs == {vif["id"]: PLUG, payload("tap")["id"]: UNPLUG}


def test_what_is_there_of_an_unplugged_port_goes_at_the_next_reconcile_at_all(
    rig: Rig, payload: Callable[[str], dict[str, Any]]
) -> None:
    gone = f"{5:08x}-0000-4000-8000-000000000000"
    rig.host.add_link(Tap(name="tapgone"), owner=gone)
    rig.settle(*rig.store.live(), everywhere=True)
    assert Key(LINK, "tapgone") not in rig.host.snapshot()
    assert rig.engine.orphans == ()
    assert Key(LINK, payload("tap")["devname"]) in rig.host.snapshot()
