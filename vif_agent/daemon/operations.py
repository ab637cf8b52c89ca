"""What operators ask of the agent, answered from store, engine and host: see docs/operations.md.

The daemon answers by the bus, ``vif-agentctl --local`` in its own process; the answers are the
same plain data.
"""

import contextlib
import datetime
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from vif_agent import __version__
from vif_agent.bus import casts, views
from vif_agent.bus.casts import Refusal, Sync
from vif_agent.daemon.explained import Explained, NextTry
from vif_agent.daemon.topology import Topology
from vif_agent.errors import NotYet, Problem, VifAgentError
from vif_agent.health import Health, view
from vif_agent.plan.steps import Plan
from vif_agent.plugin_host.registry import PluginRegistry
from vif_agent.ports.port import OLDEST, PLUG, UNPLUG, FullSet, Port, PortRequest
from vif_agent.ports.store import Store
from vif_agent.reconcile import orphans
from vif_agent.reconcile.cleanup import Cleanup
from vif_agent.reconcile.engine import Engine
from vif_agent.resources import Guard, Key
from vif_agent.vif import parse

_PLUGINS_SECONDS = 5.0
_OFF = "clean-up is off: nothing is removed until [cleanup] enabled is set; a dry run shows what is"


class Viewed(Protocol):
    """Who is asked how Neutron knows this host."""

    def view(self) -> dict[str, Any]:
        """Plain data."""


class Operations:
    """``lock`` is the engine's: held by whoever uses it. ``health``: where there is an agent;
    ``neutron``: where that is one of Neutron's."""

    def __init__(
        self,
        host: str,
        store: Store,
        engine: Engine,
        lock: threading.Lock,
        plugins: PluginRegistry,
        cleanup: Cleanup,
        topology: Topology,
        health: Health | None = None,
        next_try: NextTry = lambda port_id: None,
        neutron: Viewed | None = None,
    ) -> None:
        self._host = host
        self._store = store
        self._engine = engine
        self._lock = lock
        self._plugins = plugins
        self._cleanup = cleanup
        self._topology = topology
        self._health = health
        self._neutron = neutron
        self._explained = Explained(store, engine, lock, self._checked, next_try)
        self._started_at = datetime.datetime.now(datetime.UTC)

    def plan(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """What this cast would do now: the steps as text and as values; nothing is done."""
        if message["method"] == "cleanup":
            with self._lock:
                return _shown(self._cleanup.run(dry_run=True)[0])
        item = casts.read({}, message)
        if isinstance(item, Refusal):
            return {"text": f"refused: {item.error}", "steps": None}
        asked = item.full_set if isinstance(item, Sync) else item
        self._await_plugins(self._store.preview([asked]))
        with self._lock:
            if isinstance(item, Sync):
                return _shown(self._plan_of_set(item))
            ports = self._store.preview([item])
            if not ports:
                return {"text": "refused: generation: a newer request is stored", "steps": None}
            return _shown(self._engine.dry_run(ports))

    def check(self, port_id: str) -> dict[str, Any]:
        """How the host differs from the port's request. ``ok``: not at all, and all is ready.

        ``warnings``: what stops its frames all the same, by settings that no request speaks of.
        """
        port = self._store.ports([port_id]).get(port_id)
        if port is None:
            return {"port_id": port_id, "ok": False, "state": None, "error": None,
                    "text": "unknown port", "steps": None, "unready": [],
                    "warnings": []}  # fmt: skip
        self._await_plugins([port])
        with self._lock:
            return self._checked(port)

    def explain(self, port_id: str) -> dict[str, Any]:
        """What happened to the port, how the host is now, and whose turn it is."""
        return self._explained.explain(port_id)

    def _checked(self, port: Port) -> dict[str, Any]:
        plan, unready = self._engine.check(port)
        guard = self.guard(port.port_id)
        warnings = self._engine.warnings(port.port_id)
        waits = [f"{key.name}: {why}" for key, why in unready.items()]
        ok = not (plan or plan.problems or waits or port.problem)
        return {
            "port_id": port.port_id,
            "ok": ok,
            "state": port.state,
            "error": views.error(port.problem),
            "unready": waits,
            "warnings": warnings,
            **({"guard": guard} if guard else {}),
            **_shown(plan),
        }

    def guard(self, port_id: str) -> dict[str, Any] | None:
        """What the port's guest may say of itself, and how many frames of its were dropped, by
        reason; None where nothing guards it."""
        guard = self._engine.records.guard_of(port_id)
        if guard is None:
            return None
        drops: Mapping[str, int] | None = None
        with contextlib.suppress(NotYet):
            drops = self._engine.guards.port_drops().get(guard.name, {})
        return {**views.guard(guard), "drops": None if drops is None else dict(drops)}

    def firewall(self) -> dict[str, Any]:
        """As the kernel has it now. ``drops``: frames by reason, of all ports there were; of each
        guard its own. ``missing``: why the kernel can have none."""
        with self._lock:
            guards, found = self._engine.guards, self._engine.guards.read()
            drops, of_ports = dict(guards.drops()), guards.port_drops()
        return {
            "guards": [
                {
                    "port_id": thing.owner,
                    **views.guard(guard),
                    "enforced": guard.enforced,
                    "drops": dict(of_ports.get(guard.name, {})),
                }
                for _, thing in sorted(found.items())
                if isinstance(guard := thing.resource, Guard)
            ],
            "drops": drops,
            "missing": guards.missing,
        }

    def orphans(self) -> list[dict[str, Any]]:
        """As they were seen last; nothing is read anew."""
        return self._cleanup.views()

    def cleanup(self, dry_run: bool) -> dict[str, Any]:
        """Remove the orphans that are due. ``failed``: {name: error}."""
        if not (dry_run or self._cleanup.enabled):
            return {"text": _OFF, "steps": None, "failed": {}}
        with self._lock:
            plan, failures = self._cleanup.run(dry_run)
        return {**_shown(plan), "failed": _by_name(failures)}

    def topology(
        self,
        port_id: str | None = None,
        network: str | None = None,
        bridge: str | None = None,
        everything: bool = False,
    ) -> dict[str, Any]:
        """The picture of the host, or of a part of it. The engine's lock is not taken."""
        chosen = (port_id, network, bridge, everything)
        return self._topology.draw(self._host, *chosen).as_dict()

    def identity(self) -> dict[str, Any]:
        """See ``AdminOperations``."""
        return {"host": self._host, "version": __version__}

    def status(self) -> dict[str, Any]:
        """``orphans``: how many; None when the host could not be seen whole. ``round_lasts_s``: if
        one runs now; a reconcile of more than some seconds hangs."""
        there, lasts = self._engine.orphans, self._engine.reconciling_for
        looked_at, look_lasted = self._engine.full_look or (None, None)
        return {
            **self.identity(),
            "started_at": self._started_at.isoformat(timespec="seconds"),
            "ports": dict(self._store.states()),
            "waiting": self._engine.records.waiting(),
            "rounds": self._engine.reconciles,
            "last_round_at": views.iso(self._engine.reconciled_at),
            "round_lasts_s": lasts and round(lasts, 1),
            "last_full_look_at": views.iso(looked_at),
            "last_full_look_s": look_lasted and round(look_lasted, 3),
            "orphans": None if there is None else len(there),
            "cleanup_enabled": self._cleanup.enabled,
            "link_events": dict(self._engine.link_events),
            "neutron": self._neutron and self._neutron.view(),
        }

    def health(self) -> dict[str, Any] | None:
        """See ``AdminOperations``."""
        return view(self._health.look(), views.iso) if self._health else None

    def plugins(self) -> list[dict[str, Any]]:
        """Of all vif_types that are installed, or that a port is to be plugged with."""
        ports = self._store.live().values()
        return self._plugins.listed(port.vif_type for port in ports if port.verb == PLUG)

    def firewall_drivers(self) -> list[dict[str, Any]]:
        """Of those that are installed."""
        return self._plugins.drivers.listed()

    def _await_plugins(self, ports: Iterable[Port]) -> None:
        """Before the lock is taken: those in other processes must not hold up the loop."""
        vifs = []
        for port in ports:
            with contextlib.suppress(VifAgentError):  # the plan tells what is wrong with it
                if port.verb == PLUG:
                    vifs.append(parse(port.instance, port.vif))
        self._plugins.await_answers(vifs, _PLUGINS_SECONDS)

    def _plan_of_set(self, sync: Sync) -> Plan:
        """As if an empty set were seen for the second time: what it would come to."""
        items: list[PortRequest | FullSet] = [sync.deleting() if sync.whole else sync.full_set]
        if sync.whole:
            items += unplugs_of(self._engine.find_orphans(), sync.full_set.request_id)
        changed = {port.port_id: port for port in self._store.preview(items)}
        ports: dict[str, Port] = {**self._store.live(), **changed}
        return self._engine.dry_run(ports.values(), everywhere=True)


def unplugs_of(there: Iterable[orphans.Orphan], request_id: str = "") -> list[PortRequest]:
    """For what a complete set of ports leaves out and no request is known of."""
    return [
        PortRequest(
            port_id=orphan.port_id,
            verb=UNPLUG,
            vif={"id": orphan.port_id},
            generation=OLDEST,
            request_id=request_id,
        )
        for orphan in there
        if orphan.why == orphans.TAGGED and not orphan.in_use
    ]


def _shown(plan: Plan) -> dict[str, Any]:
    return {"text": plan.render(), "steps": plan.as_dict()}


def _by_name(failures: Mapping[Key, Problem]) -> dict[str, str]:
    return {key.name: problem.message for key, problem in failures.items()}
