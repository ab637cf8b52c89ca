"""What goes wrong with the store under a running agent: told, seen, and nothing is lost."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.casting import CONTEXT, MODES, QUEUE, Site, Vif, numbered, wait_for
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost


@pytest.fixture(params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, request.param) as running:
        yield running


def _file(site: Site) -> Path:
    return Path(site.daemon.state_path, "vif-agent.sqlite")


def _status(site: Site) -> dict[str, Any]:
    return site.api.get_status(CONTEXT, HOST)


def test_store_that_takes_no_wish_is_seen_and_its_casts_come_when_it_does(
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
