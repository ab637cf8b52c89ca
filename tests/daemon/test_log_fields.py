"""What a line of the log is about, as fields: in the journal, and in JSON."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.casting import CONTEXT, Site, Vif, wait_for
from tests.support.examples import INSTANCE
from tests.support.journald import JOURNALD, Journal
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]

AGENT = str(Path(sys.executable).parent / "vif-agent")


@pytest.fixture
def as_json(scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, "threading", {"DEFAULT": {"use_json": True}}) as running:
        yield running


def test_json_has_port_instance_and_request(as_json: Site, payload: Payload) -> None:
    vif = payload("tap")
    as_json.plug(vif)
    as_json.cast("plug_vif", instance=INSTANCE, vif={**vif, "type": 7})
    records = wait_for(lambda: _records(as_json, vif["id"], 2), "two lines of the port")
    for record, level in zip(records, ("INFO", "WARNING"), strict=True):
        assert record["levelname"] == level
        assert record["extra"] == {
            "port_id": vif["id"],
            "instance_uuid": INSTANCE["uuid"],
            "request_id": CONTEXT["request_id"],
        }


def _records(site: Site, port_id: str, number: int) -> list[dict[str, Any]]:
    records = []
    for line in site.daemon.log().splitlines():
        with contextlib.suppress(ValueError):
            records.append(json.loads(line))
    found = [record for record in records if record["extra"].get("port_id") == port_id]
    return found if len(found) == number else []


@pytest.fixture
def journal() -> Iterator[Journal]:
    if not JOURNALD.exists():
        pytest.skip(f"no {JOURNALD}")
    with Journal() as journal:
        yield journal


def test_journal_has_port_instance_and_request_as_fields(
    scratch_with_bus: ScratchHost, journal: Journal, payload: Payload
) -> None:
    """systemd-journald's own, and journalctl's search."""
    options: dict[str, dict[str, object]] = {"DEFAULT": {"use_journal": True}}
    with Site(scratch_with_bus, "threading", options, argv=(*journal.within, AGENT)) as site:
        vif = payload("tap")
        site.plug(vif)
        site.plug({**payload("unbound"), "id": vif["id"]}, wait=None)
        match = f"PORT_ID={vif['id']}"
        wait_for(lambda: len(journal.entries(match)) == 2, "two entries")
        done, failed = journal.entries(match)
    assert "plugged port=" in done["MESSAGE"]
    assert (done["PRIORITY"], failed["PRIORITY"]) == ("6", "3")
    for entry in (done, failed):
        assert entry["INSTANCE_UUID"] == INSTANCE["uuid"]
        assert entry["REQUEST_ID"] == CONTEXT["request_id"]
        assert entry["SYSLOG_IDENTIFIER"] == "vif-agent"
    traced = journal.entries(f"REQUEST_ID={CONTEXT['request_id']}")
    assert traced[:2] == [done, failed]
