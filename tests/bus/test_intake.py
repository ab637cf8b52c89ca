"""From bus to store: what goes wrong with one cast, or with the store, holds up no other."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import oslo_messaging
import pytest

from tests.support.casting import CONTEXT, Vif, numbered, wait_for
from tests.support.examples import INSTANCE
from vif_agent import bus
from vif_agent.bus.casts import Refusal
from vif_agent.bus.gathered import Gathered
from vif_agent.bus.intake import Intake
from vif_agent.errors import StoreUnavailable
from vif_agent.ports.port import FullSet, PortRequest
from vif_agent.ports.store import Store
from vif_agent.testing.daemon import HOST, transport

NUMBERS = itertools.count()


class BadStore(Store):
    """Raises ``error`` for what names ``poison``, or for all."""

    poison = ""
    error: Exception | None = None

    def commit(self, items: Sequence[PortRequest | FullSet]) -> list[PortRequest]:
        hit = any(self.poison in (getattr(item, "port_id", ""), "*") for item in items)
        if self.error and hit:
            raise self.error
        return super().commit(items)


class Taken:
    """What the intake has told of."""

    def __init__(self, directory: Path) -> None:
        self.store = BadStore(directory / "store.sqlite")
        self.refusals: list[Refusal] = []
        self.requested: set[str] = set()
        self.waits: list[str] = []
        self.messaging = transport(f"kombu+memory://intake{next(NUMBERS)}")
        self.intake = Intake(
            self.messaging, HOST, self.store, self.requested.update, self.refusals.extend,
            lambda complete: None, 60, self.waits.append,
        )  # fmt: skip
        target = oslo_messaging.Target(exchange=bus.EXCHANGE, topic=bus.CAST_TOPIC, server=HOST)
        self.client = oslo_messaging.get_rpc_client(self.messaging, target)

    def cast(self, *vifs: Vif) -> None:
        for vif in vifs:
            self.client.cast(CONTEXT, "plug_vif", instance=INSTANCE, vif=vif)


@pytest.fixture
def taken(tmp_path: Path) -> Iterator[Taken]:
    taken = Taken(tmp_path)
    taken.intake.begin()
    yield taken
    taken.intake.end()
    taken.messaging.cleanup()
    taken.store.close()


def test_cast_that_meets_a_bug_is_refused_alone(
    taken: Taken, payload: Callable[[str], Vif]
) -> None:
    vifs = [numbered(payload("tap"), n) for n in range(5)]
    taken.store.poison, taken.store.error = vifs[2]["id"], OverflowError("too large")
    taken.cast(*vifs)
    good = {vif["id"] for vif in vifs} - {vifs[2]["id"]}
    wait_for(lambda: taken.requested >= good, "the good ones")
    wait_for(lambda: taken.refusals, "the bad one")
    (refusal,) = taken.refusals
    assert (refusal.port_id, refusal.error.code) == (vifs[2]["id"], "internal")
    assert "too large" in str(refusal.error)
    assert set(taken.store.ports()) == good


def test_store_that_is_away_is_told_and_tried_again(
    taken: Taken, payload: Callable[[str], Vif]
) -> None:
    taken.store.poison, taken.store.error = "*", StoreUnavailable("store: NOT NULL: later")
    taken.cast(vif := payload("tap"))
    wait_for(lambda: taken.waits, "a word")
    assert set(taken.waits) == {"store: NOT NULL: later"}
    assert not taken.requested
    taken.store.error = None
    wait_for(lambda: taken.requested == {vif["id"]}, "the port")
    assert taken.waits[-1] == ""
    assert taken.refusals == []


def _message(size: int) -> Any:
    raw = SimpleNamespace(body=json.dumps("x" * (size - 2)).encode())
    return SimpleNamespace(message=SimpleNamespace(_raw_message=raw))


def test_no_more_is_gathered_than_is_allowed() -> None:
    gathered = Gathered(most=1000)
    messages = [_message(600) for _ in range(3)]
    # what is too much by itself is let in all the same; who takes must be called for the first only
    assert [gathered.put(message) for message in messages[:2]] == [True, False]
    third = threading.Thread(target=gathered.put, args=(messages[2],))
    third.start()
    third.join(0.2)
    assert third.is_alive()
    assert gathered.take() == messages[:2]
    third.join(60)
    assert gathered.take() == messages[2:]


def test_nobody_waits_for_room_when_the_agent_ends() -> None:
    gathered = Gathered(most=10)
    gathered.put(_message(10))
    waiting = threading.Thread(target=gathered.put, args=(_message(10),))
    waiting.start()
    gathered.close()
    waiting.join(60)
    assert not waiting.is_alive()
