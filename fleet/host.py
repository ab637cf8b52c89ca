"""A host in memory for an agent that is real in all else."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from fleet.noted import Noted
from tests.support.fake_guards import FakeGuards
from tests.support.fake_host import FakeHost, OnChange
from vif_agent.errors import Problem
from vif_agent.firewall.guarded import Guarded
from vif_agent.health import WELL, Probe, Sign
from vif_agent.host.heard import Heard
from vif_agent.host.real import RealHost
from vif_agent.l2_agent.peers import Peers, peered
from vif_agent.ownership import Found
from vif_agent.plan.steps import Plan
from vif_agent.plugin_host.registry import PluginRegistry
from vif_agent.plugin_host.serialization import as_data, read
from vif_agent.ports.store import Store
from vif_agent.reconcile.engine import Engine
from vif_agent.resources import Key, OvsBridge

_DEVICES, _AGES = "devices", "ages"


class _Guards(FakeGuards):
    def check(self) -> None:
        """As the real one's, which ends an agent that is to guard and cannot."""


class LightHost(FakeHost):
    """Its devices outlive the agent that stops, as those of a real host do; with one that is killed
    they go, as when the power fails. ``clean``: what is there before any port."""

    def __init__(self, state: Path, bridge: str) -> None:
        super().__init__()
        self.guards: _Guards = _Guards(self)
        self._file = state / _DEVICES
        self.add_ovs(OvsBridge(name=bridge))
        self.clean = self.things.keys() | set()
        with contextlib.suppress(FileNotFoundError):
            kept = read(tuple[Found, ...], json.loads(self._file.read_text()))
            self._file.unlink()
            self.things = {found.resource.key: found for found in kept}
            highest = max(found.index or 0 for found in self.things.values())
            self._indexes = itertools.count(max(highest, 1) + 1)

    def stop(self) -> None:
        self._file.write_text(json.dumps([*self.things.values()], default=as_data))
        super().stop()

    def on_change(self, listener: OnChange, concerns: Callable[[Key], bool] | None = None) -> None:
        super().on_change(listener)

    def on_wait(self, call: Callable[[float], None]) -> None:
        """Nothing here takes long."""

    def on_death(self, call: Callable[[], None]) -> None:
        """Nothing here has a helper that could die."""

    def signs(self) -> Mapping[str, Probe]:
        return {"ovsdb": _well, "helper": _well}

    def apply(self, plan: Plan) -> dict[Key, Problem]:
        self.plans.clear()
        return super().apply(plan)


def _well() -> Sign:
    return WELL


def light(
    conf: Any, store: Store, plugins: PluginRegistry, heard: Heard, peers: Peers | None
) -> tuple[RealHost, Engine]:
    """What ``vif_agent.daemon.host`` makes, but of a host in memory; nobody guards ports there."""
    state, bridge = Path(conf.state_path), conf.ovs.integration_bridge
    host = LightHost(state, bridge)
    store.counted = Noted(state / _AGES)
    asked = peered(plugins, conf, peers)
    wanted = Guarded(asked, plugins.drivers.used, plugins.drivers.routed_taps)
    engine = Engine(store, host, wanted, conf.ovs.ovsdb_timeout, bridges=[bridge])
    return cast(RealHost, host), engine  # what an agent without metrics uses of one


def ages_file(state: Path) -> Path:
    return state / _AGES
