"""What guards drop is told once for each port and look."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.examples import INSTANCE
from tests.support.rig import Rig
from vif_agent.bus.report import Report
from vif_agent.daemon.drops import Drops
from vif_agent.errors import NotYet

Told = list[tuple[str, dict[str, Any]]]

DEVICE = "tapcb0042fb-c1"


class Bus:
    def __init__(self) -> None:
        self.told: Told = []

    def send(self, event_type: str, payload: dict[str, Any]) -> None:
        self.told.append((event_type, payload))


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def vif(payload: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    return payload("bridge")


@pytest.fixture
def drops(rig: Rig, bus: Bus, vif: dict[str, Any]) -> Drops:
    rig.plug(vif)
    return Drops(rig.engine, Report(rig.store, bus, "node-1"))


def dropped(rig: Rig, **by_reason: int) -> None:
    rig.host.guards.dropped = {DEVICE: by_reason} if by_reason else {}


def test_what_was_dropped_since_the_last_look_is_told_once(
    rig: Rig, drops: Drops, bus: Bus, vif: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    drops.look()
    dropped(rig, mac=2, arp_address=3)
    drops.look()
    drops.look()
    dropped(rig, mac=7, arp_address=3)
    drops.look()
    assert [event for event, _ in bus.told] == ["vif.guard.drops"] * 2
    assert bus.told[1][1] == {
        "port_id": vif["id"],
        "instance_uuid": INSTANCE["uuid"],
        "vif_type": "bridge",
        "device": DEVICE,
        "new_drops": {"mac": 5},
        "drops": {"mac": 7, "arp_address": 3},
        "host": "node-1",
    }
    assert [(r.levelno, r.getMessage()) for r in caplog.records if "dropped" in r.getMessage()] == [
        (logging.WARNING, f"dropped frames of port={vif['id']} device={DEVICE}: {words}")
        for words in ("3 arp_address, 2 mac", "5 mac")
    ]


def test_what_was_dropped_before_the_agent_started_is_not_told(
    rig: Rig, drops: Drops, bus: Bus
) -> None:
    dropped(rig, mac=2)
    drops.look()
    drops.look()
    assert bus.told == []


def test_guard_that_was_made_anew_counts_from_nothing(rig: Rig, drops: Drops, bus: Bus) -> None:
    dropped(rig, mac=5)
    drops.look()
    dropped(rig, mac=3)
    drops.look()
    dropped(rig)
    drops.look()
    dropped(rig, mac=4)
    drops.look()
    assert [payload["new_drops"] for _, payload in bus.told] == [{"mac": 3}, {"mac": 4}]


def test_port_that_may_not_have_the_device_is_not_told_of_its_guard(
    rig: Rig, drops: Drops, bus: Bus, vif: dict[str, Any]
) -> None:
    rig.plug({**vif, "id": f"f{vif['id'][1:]}", "devname": DEVICE})
    drops.look()
    dropped(rig, mac=1)
    drops.look()
    assert [payload["port_id"] for _, payload in bus.told] == [vif["id"]]


def test_port_that_nobody_knows_any_more_is_not_told(
    rig: Rig, drops: Drops, bus: Bus, vif: dict[str, Any]
) -> None:
    drops.look()
    rig.unplug(vif)
    dropped(rig, mac=1)
    drops.look()
    assert bus.told == []


def test_drops_that_cannot_be_read_are_told_the_next_time(rig: Rig, drops: Drops, bus: Bus) -> None:
    drops.look()
    dropped(rig, mac=1)
    rig.host.guards.unreadable = NotYet("no memory")
    drops.look()
    assert bus.told == []
    rig.host.guards.unreadable = None
    drops.look()
    assert [payload["new_drops"] for _, payload in bus.told] == [{"mac": 1}]
