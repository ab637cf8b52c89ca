"""One port that breaks a reconcile: the others go on, and it does not take a reconcile for each of
them."""

from __future__ import annotations

import threading
from collections.abc import Collection

import pytest

from vif_agent.errors import HelperGone, Problem, StoreUnavailable
from vif_agent.ports.port import Port
from vif_agent.reconcile.bisecting import BisectingReconciler
from vif_agent.reconcile.outcome import Outcome

PORTS = [f"{n:04}" for n in range(1000)]


class Looks:
    """An engine that breaks on some ports: each look of it, and whom it has given up."""

    def __init__(self, error: Exception, *bad: str) -> None:
        self.error, self.bad = error, frozenset(bad)
        self.looks: list[frozenset[str]] = []
        self.asked_anew: set[str] = set()
        self.given_up: list[str] = []

    def reconcile(
        self, port_ids: Collection[str], *, everywhere: bool = False, anew: Collection[str] = ()
    ) -> Outcome:
        self.looks.append(frozenset(port_ids))
        if self.bad.intersection(port_ids):
            raise self.error
        self.asked_anew.update(anew)
        return Outcome(again=frozenset(port_ids))

    def without_ovsdb(self, port_ids: Collection[str]) -> set[str]:
        raise self.error

    def give_up(self, port_id: str, problem: Problem) -> Port | None:
        self.given_up.append(port_id)
        return None


@pytest.mark.parametrize("bad", [("0000",), ("0499", "0500"), ("0999", "0000", "0500")])
def test_reconcile_that_breaks_is_tried_in_halves(bad: tuple[str, ...]) -> None:
    looks = Looks(ValueError("a bug"), *bad)
    fed: list[int] = []
    outcome = BisectingReconciler(
        looks, threading.Lock(), lambda: fed.append(len(looks.looks))
    ).reconcile(PORTS, everywhere=True, anew=PORTS)
    assert fed == [*range(len(looks.looks))], "the watchdog, before each look"
    assert outcome.retry == {*bad}
    assert sorted(looks.given_up) == sorted(bad)
    assert outcome.again == {*PORTS} - {*bad}
    assert looks.asked_anew == {*PORTS}
    assert len(looks.looks) <= 1 + 20 * len(bad), "each halving is two looks, of 1000 ports ten"


def test_reconcile_of_no_port_that_breaks_is_told_and_over() -> None:
    class Broken(Looks):
        def reconcile(self, port_ids: Collection[str], **_: object) -> Outcome:
            raise self.error

    looks = Broken(ValueError("a bug"))
    assert BisectingReconciler(looks, threading.Lock()).reconcile(()) == Outcome()


def test_store_that_is_away_puts_the_whole_reconcile_off() -> None:
    looks = Looks(StoreUnavailable("disk full"), "0000")
    assert BisectingReconciler(looks, threading.Lock()).reconcile(PORTS) == Outcome(
        retry=frozenset(PORTS)
    )
    assert len(looks.looks) == 1


def test_dead_helper_ends_it_and_what_cannot_be_told_apart_stays_together() -> None:
    reconciler = BisectingReconciler(Looks(HelperGone("gone"), "0000"), threading.Lock())
    assert reconciler.without_ovsdb(PORTS) == set()
    with pytest.raises(HelperGone):
        reconciler.reconcile(PORTS)
