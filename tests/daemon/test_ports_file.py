"""A file of ports that is not as it should be: said once, and nothing is lost or held up by it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vif_agent.daemon.ports_file import PortsFile
from vif_agent.ports.port import PLUG, UNPLUG
from vif_agent.ports.store import Store

Vif = dict[str, Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ports.json"


@pytest.fixture
def ports(path: Path, store: Store) -> PortsFile:
    return PortsFile(str(path), store, interval=60)


@pytest.mark.parametrize("text", ['[1, null, "x", []]', '[{"id": NaN}]', '[{"type": "tap"}]'])
def test_file_in_which_no_item_names_a_port_is_taken_in_once(
    ports: PortsFile, path: Path, text: str
) -> None:
    path.write_text(text)
    refused = ports.read_if_changed() or ()
    assert {r.port_id for r in refused} == {None}
    assert [ports.read_if_changed() for _ in range(3)] == [None] * 3


def test_fifo_is_no_file(ports: PortsFile, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """To open it would wait for whoever writes, and all ports with it."""
    os.mkfifo(path)
    with caplog.at_level(logging.ERROR, "vif_agent.daemon.ports_file"):
        assert [ports.read_if_changed() for _ in range(3)] == [None] * 3
    assert caplog.messages == [
        f"Ports file {path}: expected a regular file; its ports stay as they are"
    ]


def test_list_of_no_port_is_no_news_until_it_is_believed(
    path: Path, store: Store, payload: Callable[[str], Vif], caplog: pytest.LogCaptureFixture
) -> None:
    """Notices is a look at the whole host: not one each second."""
    vif = payload("tap")
    patient, hasty = (PortsFile(str(path), store, interval) for interval in (60, 0))
    path.write_text(json.dumps([vif]))
    assert (patient.read_if_changed(), hasty.read_if_changed()) == ((), ())
    path.write_text("[]")
    with caplog.at_level(logging.ERROR, "vif_agent.daemon.ports_file"):
        assert [patient.read_if_changed() for _ in range(3)] == [None] * 3
    assert caplog.messages == [f"Ports file {path}: no port in it: believed in 60 s"]
    assert [port.verb for port in store.ports().values()] == [PLUG]
    assert [hasty.read_if_changed() for _ in range(3)] == [None, (), None]
    assert [port.verb for port in store.ports().values()] == [UNPLUG]


def test_port_that_is_in_it_twice_is_what_comes_first(
    ports: PortsFile, path: Path, store: Store, payload: Callable[[str], Vif]
) -> None:
    vif = payload("tap")
    path.write_text(json.dumps([vif, {**vif, "address": "fa:16:3e:00:00:99"}, vif]))
    (refused,) = ports.read_if_changed() or ()
    assert refused.port_id == vif["id"]
    assert str(refused.error) == f"vif.id: expected each port once, got '{vif['id']}'"
    (port,) = store.ports().values()
    assert port.vif == vif


def test_file_that_vanishes_and_comes_back_is_told_once_each_time(
    ports: PortsFile, path: Path, store: Store, payload: Callable[[str], Vif],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    for _ in range(2):
        path.write_text(json.dumps([payload("tap")]))
        assert ports.read_if_changed() == ()
        path.unlink()
        assert [ports.read_if_changed() for _ in range(3)] == [None] * 3
    assert len(store.ports()) == 1
    assert [m.partition(": ")[0] for m in caplog.messages] == [f"Ports file {path}"] * 2
