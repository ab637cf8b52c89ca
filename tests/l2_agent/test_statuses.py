"""Of which ports Neutron has yet to hear, and what: values in, values out."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from vif_agent.errors import Problem
from vif_agent.l2_agent.statuses import MOST, Status, Statuses
from vif_agent.ports.port import (
    ERROR,
    PENDING,
    PLUG,
    READY,
    RETRYING,
    UNPLUG,
    UNPLUGGED,
    Port,
    Spec,
)  # fmt: skip
from vif_agent.wishes import NEUTRON

A, B = "a", "b"


def port(port_id: str = A, state: str = READY, **more: Any) -> Port:
    given: dict[str, Any] = {
        "port_id": port_id, "seq": 1, "since": 1, "verb": PLUG, "generation": 1,
        "spec": Spec("{}", "{}"), "vif_type": "tap", "request_id": "", "received_at": 0.0,
        "state": state, "source": NEUTRON,
    }  # fmt: skip
    return Port(**given | more)


class Neutron:
    """Is told what is due, and answers."""

    def __init__(self) -> None:
        self.waits: set[str] = set()
        self.now = 0.0
        self.failing: set[str] = set()
        self.statuses = Statuses(lambda port_id: port_id in self.waits, lambda: self.now)

    def hears(self, *ports: Port) -> dict[str, bool]:
        due = self.statuses.due(self.statuses.untold(ports))
        self.statuses.heard(due, self.failing & due.keys())
        return {port_id: status.up for port_id, status in due.items()}


@pytest.fixture
def neutron() -> Neutron:
    return Neutron()


@pytest.mark.parametrize("state", [PENDING, RETRYING, ERROR])
def test_new_port_that_is_not_well_yet_is_no_news(neutron: Neutron, state: str) -> None:
    neutron.waits = {A}
    assert neutron.hears(port(state=state)) == {}


def test_port_of_others_is_no_news(neutron: Neutron) -> None:
    assert neutron.hears(port(source=""), port(B, source="file")) == {}


def test_up_are_those_of_which_neutron_has_heard_so(neutron: Neutron) -> None:
    neutron.failing = {B}
    neutron.hears(port(), port(B))
    assert neutron.statuses.up == [A]
    neutron.hears(port(state=ERROR))
    assert neutron.statuses.up == []


def test_ready_port_is_told_once_for_each_request(neutron: Neutron) -> None:
    assert neutron.hears(port()) == {A: True}
    assert neutron.hears(port()) == {}
    again = port(seq=2, state=PENDING)
    assert neutron.hears(again) == {}
    assert neutron.hears(dataclasses.replace(again, state=READY)) == {A: True}


@pytest.mark.parametrize("state", [RETRYING, ERROR])
def test_port_that_was_well_is_told_to_be_down(neutron: Neutron, state: str) -> None:
    neutron.hears(port())
    assert neutron.hears(port(state=state)) == {A: False}
    assert neutron.hears(port(state=state, seq=2)) == {}
    assert neutron.hears(port()) == {A: True}


@pytest.mark.parametrize("state", [READY, PENDING])
def test_ready_port_whose_tap_has_gone_is_down(neutron: Neutron, state: str) -> None:
    neutron.hears(port())
    neutron.waits = {A}
    assert neutron.hears(port(state=state, seq=2)) == {A: False}
    neutron.waits = set()
    assert neutron.hears(port(state=READY, seq=2)) == {A: True}


@pytest.mark.parametrize("seen", [True, False], ids=["in the store", "gone from memory"])
def test_unplugged_port_is_down_when_nothing_is_left_of_it(neutron: Neutron, seen: bool) -> None:
    neutron.hears(port())
    going = port(verb=UNPLUG, state=PENDING, seq=2)
    assert neutron.hears(going) == {}
    gone = dataclasses.replace(going, state=UNPLUGGED)
    assert neutron.hears(*([gone] if seen else [])) == {A: False}
    assert neutron.hears() == {}
    assert neutron.hears(port(seq=3)) == {A: True}


def test_what_neutron_knows_after_a_start_is_not_known(neutron: Neutron) -> None:
    neutron.statuses.unsure([A, B, "gone"])
    assert neutron.hears(port(), port(B, RETRYING)) == {A: True, B: False, "gone": False}
    assert neutron.hears(port(), port(B, RETRYING)) == {}


def test_port_under_way_at_a_start_is_told_when_it_is_known(neutron: Neutron) -> None:
    neutron.statuses.unsure([A])
    assert neutron.hears(port(state=PENDING)) == {}
    assert neutron.hears(port(state=ERROR)) == {A: False}


def test_as_many_go_in_one_call_as_neutrons_own_agents_send(neutron: Neutron) -> None:
    ports = [port(str(number)) for number in range(MOST + 1)]
    assert len(neutron.hears(*ports)) == MOST
    assert neutron.statuses.waiting == MOST + 1
    assert len(neutron.hears(*ports)) == 1


def test_port_with_which_neutron_fails_comes_again_later_and_later(neutron: Neutron) -> None:
    neutron.failing = {A}
    assert neutron.hears(port(), port(B)) == {A: True, B: True}
    told = []
    for second in range(20):
        neutron.now = second
        heard = neutron.hears(port(), port(B))
        assert B not in heard
        told += [second] if heard else []
    assert told == [1, 3, 7, 15]
    untold = neutron.statuses.untold([port()])
    assert neutron.statuses.next_due(untold) == 31 - 19
    neutron.now, neutron.failing = 31, set()
    assert neutron.hears(port(), port(B)) == {A: True}
    assert neutron.statuses.next_due(neutron.statuses.untold([port()])) == 60


def test_port_that_is_up_is_told_again_now_and_then(neutron: Neutron) -> None:
    """Neutron may have put it DOWN, and the cast about that was lost."""
    neutron.hears(port(), port(B, RETRYING))
    neutron.now = 599
    assert neutron.hears(port(), port(B, RETRYING)) == {}
    neutron.now = 600
    assert neutron.hears(port(), port(B, RETRYING)) == {A: True}
    assert neutron.hears(port(), port(B, RETRYING)) == {}


def test_many_ports_are_told_again_less_often(neutron: Neutron) -> None:
    ports = [port(str(number)) for number in range(200)]
    while neutron.hears(*ports):
        pass
    neutron.now = 999
    assert neutron.hears(*ports) == {}
    neutron.now = 1000
    assert len(neutron.hears(*ports)) == MOST


def test_of_failed_ports_neutron_has_heard_that_they_are_down(neutron: Neutron) -> None:
    ports = [port(state=ERROR, problem=Problem("host_refused", "no", False)), port(B, RETRYING)]
    assert neutron.statuses.failed(ports).keys() == {A}
    neutron.hears(port())
    assert neutron.statuses.failed(ports) == {}
    neutron.hears(*ports)
    assert neutron.statuses.failed(ports).keys() == {A}


def test_status_of_another_request_that_came_meanwhile_is_told(neutron: Neutron) -> None:
    due = neutron.statuses.due(neutron.statuses.untold([port()]))
    assert due == {A: Status(1, True)}
    neutron.statuses.heard(due, set())
    assert neutron.hears(port(seq=2)) == {A: True}
