"""The same answers without agent and bus: from the agent's store, and from the host itself.

What stands here is only what a process lacks that is there for a moment: the loop that looks again.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import oslo_messaging

from vif_agent.bus import admin, views
from vif_agent.bus.report import Report
from vif_agent.cmd.ctl.failures import Failed
from vif_agent.config import checks
from vif_agent.daemon import systemd
from vif_agent.daemon.host import host_and_engine
from vif_agent.daemon.operations import Operations
from vif_agent.daemon.topology import Topology, physnets
from vif_agent.errors import NotYet, VifAgentError
from vif_agent.health import Health, sign, view
from vif_agent.helper.allowed import Allowed, allow
from vif_agent.helper.process import context
from vif_agent.plan.steps import Plan
from vif_agent.plugin_host import loader
from vif_agent.ports import store_file
from vif_agent.ports.port import Port
from vif_agent.ports.store import Store
from vif_agent.reconcile.cleanup import Cleanup

_RUNS = "the agent runs on this host and puts right by itself what differs; nothing was done"
_ROOT = "this changes the host, and so takes root"
_PAUSE_SECONDS = 0.05
#: what only a running agent can tell of itself
_OF_THE_AGENT = (
    "started_at", "waiting", "rounds", "last_round_at", "round_lasts_s", "told", "casts_wait",
    "casts_queue",
    "link_events", "last_full_look_at", "last_full_look_s", "health", "neutron",
)  # fmt: skip


class Local:
    """``repair`` and ``cleanup`` are for when no agent runs: they take its lock."""

    def __init__(self, conf: Any) -> None:
        self._conf = conf
        self._state = Path(conf.state_path)
        file = store_file.path(conf)
        _must_exist(file)
        context.set_client_mode(False)  # reading takes no capability
        allow(Allowed.from_conf(conf, checks.tap_owner(conf)))
        try:
            self._store = Store(file)
            plugins = loader.load(conf)
            self._host, self._engine = host_and_engine(conf, self._store, plugins)
        except VifAgentError as error:
            raise Failed(str(error)) from error
        self._cleanup = Cleanup(self._engine, conf.cleanup)
        topology = Topology(
            self._host, self._store, self._engine.records, self._cleanup, physnets(conf.network)
        )
        operations = Operations(
            conf.host, self._store, self._engine, threading.Lock(), plugins, self._cleanup, topology
        )
        self._report = Report(self._store, _Nobody(), conf.host)
        self._calls = admin.Calls(operations, lambda port_id: None, self._store, self._report)
        self._host.start()
        self._engine.load()

    def ask(self, call: str, /, **arguments: Any) -> Any:
        """As ``Remote.ask``; Failed says why not."""
        own = {
            "repair": self._repair,
            "plan": self._plan,
            "list_orphans": self._orphans,
            "get_topology": self._topology,
            "explain_vif": self._explain,
            "cleanup": self._clean,
            "get_status": self._status,
            "get_health": self._health,
            "forget_vif": self._forget,
        }
        try:
            if call in own:
                return own[call](**arguments)  # type: ignore[operator]
            return getattr(self._calls, call)({}, **arguments)
        except VifAgentError as error:
            raise Failed(str(error)) from error
        except oslo_messaging.ExpectedException as error:
            raise Failed(str(error.exc_info[1])) from error

    def close(self) -> None:
        """The host's threads end with the process: to wait for them would take half a second."""
        self._store.close()

    def _orphans(self) -> list[dict[str, Any]]:
        self._cleanup.refresh()
        return self._calls.list_orphans({})

    def _topology(self, **arguments: Any) -> dict[str, Any]:
        with contextlib.suppress(NotYet):  # then nobody knows of orphans
            self._cleanup.refresh()
        return dict(self._calls.get_topology({}, **arguments))

    def _explain(self, port_id: str) -> dict[str, Any]:
        """A plugin of another package has begun to load just now, and is waited for."""
        self._calls.check_vif({}, port_id=port_id)
        answer = dict(self._calls.explain_vif({}, port_id=port_id))
        return {**answer, "agent": self._agent()}

    def _status(self) -> dict[str, Any]:
        with contextlib.suppress(NotYet):  # then their number is not known
            self._cleanup.refresh()
        answer = {**self._calls.get_status({}), **dict.fromkeys(_OF_THE_AGENT)}
        return {**answer, "agent": self._agent()}

    def _health(self) -> dict[str, Any]:
        """As far as it can be seen without the agent."""
        probes = {
            "agent": lambda: sign("" if self._agent() == "runs" else "it does not run"),
            "store": lambda: sign(self._store.notice or ""),
            "ovsdb": self._host.signs()["ovsdb"],
        }
        return view(Health(probes).look(), views.iso)

    def _repair(self, port_id: str | None) -> list[dict[str, Any]]:
        """Reconciles until nothing is to be done now; the ports whose result has changed."""
        with self._alone():
            self._engine.force_recheck(port_id)
            results = self._settle(
                self._engine.load() if port_id is None else {port_id}, not port_id
            )
            if not self._engine.save(results.values()):
                raise Failed("what became of the ports could not be stored")
        self._report.finished(results.values())
        return [views.port(port) for port in results.values()]

    def _forget(self, port_id: str) -> str:
        with self._alone():
            return self._store.forget_port(port_id)

    def _settle(self, ports: set[str], everywhere: bool) -> dict[str, Port]:
        results: dict[str, Port] = {}
        while ports or everywhere:
            outcome = self._engine.reconcile(ports, everywhere=everywhere)
            results |= {port.port_id: port for port in outcome.finished}
            if not outcome.again:
                time.sleep(_PAUSE_SECONDS)
            ports = set(outcome.again | (outcome.waiting.keys() - outcome.retry))
            everywhere = False
        return results

    def _plan(self, cast: str, **arguments: Any) -> dict[str, Any]:
        if cast == "cleanup":
            return self._clean(dry_run=True)
        return self._calls.plan({}, cast=cast, **arguments)

    def _clean(self, dry_run: bool) -> dict[str, Any]:
        """Never removes: it takes more than one confirmation, and here is only one."""
        with contextlib.nullcontext() if dry_run else self._alone():
            orphans = self._orphans()
        options = self._conf.cleanup
        says = (
            f"nothing is removed without the agent: it takes {options.sightings} confirmations of "
            f"an orphan, {options.interval:g} s apart, and this process has looked once"
        )
        text = "\n".join([says, *map(_confirmed, orphans)])
        return {"text": text, "steps": Plan().as_dict() if dry_run else None, "failed": {}}

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if os.geteuid() != 0:
            raise Failed(_ROOT)
        try:
            with systemd.lock(self._state, timeout=0) as lock:
                _give_to_the_owner(lock.file.fileno(), self._state)
                yield
        except BlockingIOError:
            raise Failed(_RUNS) from None

    def _agent(self) -> str:
        return "runs" if systemd.locked(self._state) else "does not run"


class _Nobody:
    """Notifications are the agent's."""

    def send(self, event_type: str, payload: dict[str, Any]) -> None:
        pass


def _confirmed(orphan: Mapping[str, Any]) -> str:
    stays = f"; stays, because {orphan['in_use']}" if orphan["in_use"] else ""
    names = ", ".join(orphan["devices"])
    return f"orphan {names} of port {orphan['port_id']}: seen {orphan['sightings']} time(s){stays}"


def _must_exist(path: Path) -> None:
    """SQLite would make one, and an empty store says that no port is known."""
    try:
        path.open("rb+").close()
    except OSError as error:
        raise Failed(f"the agent's store cannot be opened: {error.strerror}: {path}") from error


def _give_to_the_owner(file: int, directory: Path) -> None:
    """Root has perhaps made it just now; the agent is not root."""
    owner = directory.stat()
    os.fchown(file, owner.st_uid, owner.st_gid)
