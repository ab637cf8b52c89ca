"""The agent without bus and loop: intake, store, report, engine and calls in one process.

What would go out is put into JSON as oslo.messaging does it, by oslo.serialization."""

from __future__ import annotations

import itertools
import threading
import traceback
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import oslo_messaging
from oslo_serialization import jsonutils

from tests.support.rig import REGISTRY
from vif_agent.bus import admin
from vif_agent.bus.intake import Intake
from vif_agent.bus.report import Report
from vif_agent.daemon.operations import Operations
from vif_agent.daemon.topology import Topology
from vif_agent.firewall.guarded import Guarded
from vif_agent.firewall.nftables import NftablesDriver
from vif_agent.ports.port import PLUG, UNPLUG, PortRequest
from vif_agent.ports.store import Store
from vif_agent.reconcile.cleanup import Cleanup
from vif_agent.reconcile.engine import Engine
from vif_agent.testing.daemon import transport

#: not of routed taps: the witness has others' tables of the names that these would need
PLUGINS = Guarded(REGISTRY, NftablesDriver())
_ROUNDS = 12
_MESSAGES = itertools.count()


class Impatient(Report):
    """A thread that waits for nothing would hold all up; that it may be waited is seen before."""

    def wait(self, port_id: str, generation: int | None, timeout: float) -> dict[str, Any]:
        assert 0 <= timeout <= 600
        return super().wait(port_id, generation, 0)


class Place:
    """``host`` is one in memory or a real one; ``tally`` counts what became of it all."""

    def __init__(self, directory: Path, host: Any, bridges: Iterable[str] = ()) -> None:
        self.tally: Counter[str] = Counter()
        self.store = Store(directory / "store.sqlite")
        self.engine = Engine(self.store, host, PLUGINS, ready_timeout=0, bridges=[*bridges])
        self._report = Impatient(self.store, self, "fuzz")
        self._requested: set[str] = set()
        self._everywhere = False
        self.waits: list[str] = []
        self._intake = Intake(
            transport("kombu+memory://fuzz"), "fuzz", self.store, self._requested.update,
            self._refused, self._set_taken, 0.0, self.waits.append,
        )  # fmt: skip
        options = SimpleNamespace(enabled=True, sightings=1, interval=0.0, max_per_round=10)
        operations = Operations(
            "fuzz", self.store, self.engine, threading.Lock(), REGISTRY,
            cleanup := Cleanup(self.engine, options),
            Topology(host, self.store, self.engine.records, cleanup),
        )  # fmt: skip
        calls = admin.Calls(operations, self._repair, self.store, self._report)
        self._door = admin.Door([calls], None)

    # -- what is reported to the loop -----------------------------------------------------

    def send(self, event_type: str, payload: dict[str, Any]) -> None:
        """Notifications: each must be one that can be sent."""
        jsonutils.dumps({"event_type": event_type, "payload": payload})
        self.tally[f"told {event_type}"] += 1

    def _refused(self, refusals: Any) -> None:
        for refusal in refusals:
            self.tally[f"refused {refusal.error.code}"] += 1
        self._report.refused(refusals)

    def _set_taken(self, complete: bool) -> None:
        self._everywhere = True

    def _repair(self, port_id: str | None) -> None:
        assert port_id is None or port_id.encode()
        self.engine.force_recheck(port_id)
        self._requested |= {port_id} if port_id else set()
        self._everywhere |= port_id is None

    # -- casts, calls, reconciles ---------------------------------------------------------------

    def take(self, casts: Iterable[dict[str, Any]]) -> None:
        """As many messages as have gathered; all must be acknowledged."""
        acknowledged: list[object] = []
        messages = [_incoming(cast, acknowledged) for cast in casts]
        for message in messages:
            self._intake.came(message)
        self._intake.process()
        assert len(acknowledged) == len(messages), "not all casts were acknowledged"

    def ask(self, call: dict[str, Any]) -> None:
        """Answered or refused, by what can be sent; anything else is raised."""
        incoming = _incoming(call, [])
        try:
            answer = self._door.dispatch(incoming)
        except oslo_messaging.ExpectedException as refused:
            raised = refused.exc_info[1]
            said = jsonutils.dumps([str(raised), *raised.args, *traceback.format_exception(raised)])
            assert len(said) < 20_000, "an error of more than 20,000 characters"
            self.tally["calls refused"] += 1
        else:
            incoming.reply(answer)
            self.tally["calls answered"] += 1

    def rest(self) -> None:
        """Rounds until nothing is to be done at once."""
        ids, everywhere = set(self._requested), self._everywhere
        self._requested.clear()
        self._everywhere = False
        if everywhere:
            ids |= self.store.ports().keys()
        for _ in range(_ROUNDS):
            outcome = self.engine.reconcile(ids, everywhere=everywhere)
            self.tally["reconciles"] += 1
            assert self.engine.save(outcome.finished)
            for port in outcome.finished:
                self.tally[f"ports {port.problem.code if port.problem else port.state}"] += 1
            self._report.finished(outcome.finished)
            ids, everywhere = set(outcome.again), False
            if not ids:
                return

    def unplug_all(self) -> None:
        """And what was unplugged is forgotten, so that memory and time are those of a host."""
        ports = [p for p in self.store.ports().values() if p.verb == PLUG]
        self.store.put(
            [PortRequest(port_id=p.port_id, verb=UNPLUG, vif={"id": p.port_id}) for p in ports]
        )
        self._requested.update(port.port_id for port in ports)
        self._everywhere = True
        self.rest()
        for port_id, port in self.store.ports().items():
            if port.state == "unplugged":
                self.store.forget_port(port_id)

    def close(self) -> None:
        self._report.end()
        self.store.close()


def _incoming(message: dict[str, Any], acknowledged: list[object]) -> Any:
    """As oslo.messaging hands it over; the body is always a dict there."""
    body = message["message"]
    return SimpleNamespace(
        ctxt=message.get("context"),
        message=body,
        unique_id=f"fuzz-{next(_MESSAGES)}",
        listener=SimpleNamespace(acknowledge=acknowledged.extend),
        reply=lambda answer: jsonutils.dumps({"result": answer}),
        heartbeat=lambda: None,
        orig_msg_id="1",
        reply_q=message.get("reply_q", "reply_1"),
        client_timeout=message.get("timeout"),
    )
