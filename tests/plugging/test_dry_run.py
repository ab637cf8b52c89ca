"""What a dry run prints is what is then done: the very same value, on the real host."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.examples import INSTANCE
from tests.support.real_host import OTHER, Ports, Vif, everything, ip, make, running
from vif_agent.bus import casts
from vif_agent.bus.casts import Sync
from vif_agent.daemon.operations import Operations
from vif_agent.daemon.topology import Topology
from vif_agent.errors import Problem
from vif_agent.host.real import RealHost
from vif_agent.plan.steps import Plan
from vif_agent.plugin_host.registry import PluginRegistry
from vif_agent.ports.store import Store
from vif_agent.reconcile.cleanup import Cleanup
from vif_agent.resources import Key, Tap
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.ovs import PrivateOvs

Load = Callable[[str], Vif]

LEFT = "tap" + OTHER[:11]
OPTIONS = SimpleNamespace(enabled=True, sightings=2, interval=0, max_per_round=10)


class Recording(RealHost):
    """Keeps what it was given to carry out."""

    plans: list[Plan]

    def apply(self, plan: Plan) -> dict[Key, Problem]:
        self.plans.append(plan)
        return super().apply(plan)


class Bench:
    """A real host with an engine, and the operators' calls on it."""

    def __init__(self, host: Recording, store: Store) -> None:
        self.host = host
        self.ports = Ports(host, store)
        engine = self.ports.engine
        self.cleanup = Cleanup(engine, OPTIONS)
        self.operations = Operations(
            "here", store, engine, threading.Lock(), PluginRegistry({}), self.cleanup,
            Topology(host, store, engine.records, self.cleanup),
        )  # fmt: skip

    def planned(self, method: str, **args: Any) -> dict[str, Any]:
        return self.operations.plan({"method": method, "args": args})

    def done(self, act: Callable[[], object]) -> dict[str, Any]:
        """What is carried out first when this is done, as plain data."""
        self.host.plans = []
        act()
        return self.host.plans[0].as_dict()


@pytest.fixture
def bench(scratch: ScratchHost, store: Store) -> Iterator[Bench]:
    host = Recording(scratch.ovs.connection, 10)
    host.plans = []
    with running(host, scratch):
        yield Bench(host, store)


def checked(bench: Bench, ovs: PrivateOvs, method: str, **args: Any) -> dict[str, Any]:
    """The plan; it was made without a write, and its text and its values tell the same."""
    before = everything(ovs)
    planned = bench.planned(method, **args)
    assert everything(ovs) == before
    assert planned["text"] != "nothing to do"
    names = [s["name"] for phase in ("grow", "wire", "shrink") for s in planned["steps"][phase]]
    lines = planned["text"].splitlines()
    assert [line.split()[3].rstrip(":") for line in lines] == names
    steps: dict[str, Any] = json.loads(json.dumps(planned["steps"]))
    return steps


def plain(steps: dict[str, Any]) -> dict[str, Any]:
    """As it comes over the bus."""
    reported: dict[str, Any] = json.loads(json.dumps(steps))
    return reported


KINDS = ["bridge", "ovs", "ovs_create_tap", "ovs_hybrid", "tap"]


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_plug_and_of_its_unplug(
    kind: str, bench: Bench, payload: Load, ovs: PrivateOvs
) -> None:
    vif = payload(kind)
    planned = checked(bench, ovs, "plug_vif", instance=INSTANCE, vif=vif)
    assert plain(bench.done(lambda: bench.ports.plug(vif))) == planned
    planned = checked(bench, ovs, "unplug_vif", instance=INSTANCE, vif=vif)
    assert plain(bench.done(lambda: bench.ports.unplug(vif))) == planned


def test_of_a_change_of_type(bench: Bench, payload: Load, ovs: PrivateOvs) -> None:
    vif = payload("ovs_hybrid")
    bench.ports.plug(vif)
    direct = {**vif, "details": {**vif["details"], "ovs_hybrid_plug": False}}
    planned = checked(bench, ovs, "plug_vif", instance=INSTANCE, vif=direct)
    assert plain(bench.done(lambda: bench.ports.plug(direct))) == planned


def test_of_a_repair(bench: Bench, payload: Load, ovs: PrivateOvs) -> None:
    vif = payload("ovs_hybrid")
    bench.ports.plug(vif)
    ip("link", "del", "qvo" + vif["id"][:11])
    planned = checked(bench, ovs, "plug_vif", instance=INSTANCE, vif=vif)
    assert plain(bench.done(lambda: bench.ports.reconcile({vif["id"]}))) == planned


def test_of_a_complete_set(bench: Bench, payload: Load, store: Store, ovs: PrivateOvs) -> None:
    """The tests of the bus (test_sync.py) have one with an orphan in it."""
    stays, goes, comes = (payload(kind) for kind in ("tap", "ovs_hybrid", "ovs_create_tap"))
    bench.ports.plug(stays, goes)
    args = {
        "vifs": [{"instance": INSTANCE, "vif": vif} for vif in (stays, comes)],
        "complete": True,
    }
    planned = checked(bench, ovs, "sync_vifs", **args)

    def carry_out() -> None:
        sync = casts.read({}, {"method": "sync_vifs", "args": args})
        assert isinstance(sync, Sync)
        store.put([sync.deleting()])
        bench.ports.reconcile(set(store.ports()), everywhere=True)

    assert plain(bench.done(carry_out)) == planned


def test_of_a_clean_up(bench: Bench, ovs: PrivateOvs) -> None:
    make(bench.host, Tap(name=LEFT), port=OTHER)
    bench.ports.engine.reconcile([], everywhere=True)
    bench.cleanup.after_reconcile()
    planned = checked(bench, ovs, "cleanup")
    assert plain(bench.done(bench.cleanup.run)) == planned
