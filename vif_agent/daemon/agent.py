"""The daemon: its threads, its life, and what is done now and then. What a turn does: ``loop``."""

import contextlib
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from vif_agent import __version__, health
from vif_agent.bus import admin, connections, views
from vif_agent.bus.intake import Intake
from vif_agent.bus.membership import Membership
from vif_agent.bus.notifications import Notifications
from vif_agent.bus.replies import Replies
from vif_agent.bus.report import Report
from vif_agent.config.shown import shown
from vif_agent.daemon import state_dump, systemd, threads
from vif_agent.daemon.chores import NEVER, Chore, Chores
from vif_agent.daemon.host import Build, host_and_engine
from vif_agent.daemon.introduction import introduce
from vif_agent.daemon.loop import Loop
from vif_agent.daemon.operations import Operations
from vif_agent.daemon.ports_file import PortsFile
from vif_agent.daemon.pulse import LONGEST_PAUSE, Pulse, reconcile
from vif_agent.daemon.topology import Topology, physnets
from vif_agent.errors import HelperGone, StoreUnavailable
from vif_agent.host.heard import NOTHING, Heard
from vif_agent.l2_agent.agent import L2Agent
from vif_agent.l2_agent.peers import Peers
from vif_agent.metrics import service
from vif_agent.metrics.sources import Sources
from vif_agent.plugin_host import loader
from vif_agent.ports import store_file
from vif_agent.ports.port import PLUG
from vif_agent.ports.store import Store
from vif_agent.reconcile.backoff import RetryBackoff
from vif_agent.reconcile.cleanup import Cleanup
from vif_agent.reconcile.engine import Engine
from vif_agent.reconcile.work_queue import Reason, WorkQueue, sizes

LOG = logging.getLogger(__name__)

_PENDING_DELETES_SECONDS = 30.0
_FORGET_SECONDS = 3600.0
_GUARD_SECONDS = 30.0
_PORTS_FILE_SECONDS = 1.0
_LEAVE_SECONDS = 5.0


class Agent:
    """``conf`` is oslo.config's global CONF: oslo.messaging reads some options nowhere else.

    ``heard``: of the kernel, opened before the capabilities were dropped. ``build``: makes the
    host, and the engine on it; scripts/fleet has hosts in memory.
    """

    def __init__(self, conf: Any, heard: Heard = NOTHING, build: Build = host_and_engine) -> None:
        self._conf = conf
        store_file.recover(store_file.path(conf))
        self._store = Store(store_file.path(conf))
        self._plugins = loader.load(conf)
        peers = Peers.of(conf)
        self._host, engine = build(conf, self._store, self._plugins, heard, peers)
        self._host.guards.check()
        self._queue = WorkQueue(RetryBackoff(conf.vif_agent).pause)
        self.pulse = Pulse()
        self._failure: BaseException | None = None
        lock, cleanup = threading.Lock(), Cleanup(engine, conf.cleanup)
        notifications = Notifications(conf, conf.host)
        report = Report(self._store, notifications, conf.host, kind=self._plugins.kind)
        self._loop = Loop(
            engine, lock, self._store, self._queue, report, cleanup, conf.ovs, self.pulse.beat
        )
        messaging = connections.rpc(conf)
        l2_agent = L2Agent.of(
            conf, messaging, self._store, engine.records, self._plugins.drivers, peers,
            lambda: self._queue.everything(renewed=True),
        )  # fmt: skip
        self._health = health.Health(self._probes(engine, report, l2_agent))
        topology = Topology(
            self._host, self._store, engine.records, cleanup, physnets(conf.network)
        )
        operations = Operations(
            conf.host, self._store, engine, lock, self._plugins, cleanup, topology, self._health,
            self._queue.next_try, l2_agent,
        )  # fmt: skip
        calls = admin.Calls(operations, self._queue.repair, self._store, report)
        self._bus = self._membership(messaging, notifications, report, calls, l2_agent)
        self._monitoring = service.Monitoring(conf.metrics, Sources(
            conf, self._store, self._plugins, self._host, engine, cleanup, self._loop, report,
            notifications, self._health, l2_agent,
        ))  # fmt: skip
        self._chores = Chores(self._paces(report))

    def _membership(
        self,
        messaging: Any,
        notifications: Notifications,
        report: Report,
        calls: admin.Calls,
        l2_agent: L2Agent | None,
    ) -> Membership:
        host = self._conf.host

        told = (report.refused, *((l2_agent.refused,) if l2_agent else ()))
        intake = Intake(
            messaging,
            host,
            self._store,
            lambda port_ids: self._queue.add(port_ids, Reason.REQUEST),
            lambda refusals: [tell(refusals) for tell in told],
            self._queue.set_taken,
            self._conf.cleanup.interval,
            report.waiting,
        )
        replies = Replies()
        server = admin.server(messaging, host, calls, replies)
        return Membership(messaging, host, notifications, report, intake, server, replies, l2_agent)

    def _probes(
        self, engine: Engine, report: Report, l2_agent: L2Agent | None
    ) -> dict[str, health.Probe]:
        signs = self._host.signs()

        def ovsdb() -> health.Sign:
            """It is missed where a port needs it."""
            sign = signs["ovsdb"]()
            missed = sign.ok is None and engine.records.need_ovsdb()
            return health.Sign(False, sign.why, sign.since) if missed else sign

        return {
            "loop": self.pulse.loop,
            "threads": threads.living,
            "helper": signs["helper"],
            "reconcile": lambda: reconcile(engine.reconciling_for),
            "bus": lambda: self._bus.sign(),  # noqa: PLW0108  # it is made later
            "casts": lambda: health.sign(report.casts_wait or ""),
            "store": lambda: health.sign(report.casts_wait or self._store.notice or ""),
            "ovsdb": ovsdb,
            "watchdog": self.pulse.watchdog,
            **({"neutron": l2_agent.sign} if l2_agent else {}),
        }

    def _paces(self, report: Report) -> dict[Chore, Callable[[], float]]:
        """What is done now and then, and how often."""
        chores: dict[Chore, Callable[[], float]] = {
            self._loop.sweep: lambda: _PENDING_DELETES_SECONDS,
            self._forget: lambda: _FORGET_SECONDS,
            self._store.guard: lambda: _GUARD_SECONDS,
            self._queue.everything: lambda: self._conf.vif_agent.check_interval or NEVER,
        }
        if self._monitoring.wanted:
            chores[self._monitoring.turn] = lambda: service.SECONDS
        if path := self._conf.vif_agent.ports_file:
            file = PortsFile(path, self._store, self._conf.cleanup.interval)
            chores[lambda: self._read(file, report)] = lambda: _PORTS_FILE_SECONDS
        return chores

    def stop(self) -> None:
        """End the loop after the turn that runs."""
        self._queue.end()

    def reconfigured(self) -> None:
        """Some options are others now: all is reconciled, by them."""
        self._chores.put_off(self._queue.everything)
        self._queue.everything()

    def sections(self) -> state_dump.Sections:
        """What it is at; waits for nobody."""
        look = self._health.look
        return {
            "agent": lambda: f"vif-agent {__version__} on {self._conf.host}, process {os.getpid()}",
            "health": lambda: state_dump.lines(health.view(look(), views.iso)["parts"]),
            "work queue": lambda: state_dump.lines(sizes(self._queue)),
            "ports": lambda: state_dump.lines(Counter(p.state for p in self._store.glance())),
            "plugins": lambda: "\n".join(map(str, self._plugins.listed())),
            "configuration": lambda: shown(self._conf),
        }

    def run(self) -> None:
        """Until ``stop``. HelperGone: only a restart helps, and is safe at any line."""
        self._host.on_change(self._queue.host_changed, self._loop.concerns)
        self._host.on_wait(self.pulse.allow)
        self._host.on_death(lambda: self._fail(HelperGone("the privileged helper has died")))
        threads.on_failure(self._fail)
        self._bus.watch(self._health.look)
        self._monitoring.begin()
        self._host.start()
        self._plugins.on_answer(lambda port_ids: self._queue.add(port_ids, Reason.PROGRESS))
        self._loop.begin()
        self._chores.put_off(self._queue.everything)  # the start has just looked
        introduce(self._conf, self._plugins, self._store)
        if self._store.notice:
            LOG.error("Store: %s", self._store.notice)
        self._tell_missing()
        try:
            self._turn()
            threading.Thread(target=self._join_bus, name="join-bus", daemon=True).start()
            while not self._queue.ended:
                self._queue.wait(self._pause())
                self._turn()
        finally:
            self._end()
        if self._failure:
            raise self._failure

    def _turn(self) -> None:
        self.pulse.beat()
        self._loop.turn()
        self._bus.look()
        self._chores.run()

    def _pause(self) -> float:
        """The longest, while nobody wakes the loop."""
        due = min(self._loop.next_due, self.pulse.next_due, self._chores.next_due)
        return max(0.0, min(due - time.monotonic(), LONGEST_PAUSE))

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        self._queue.end()

    def _tell_missing(self) -> None:
        """The requests stay, and are carried out when their plugin is back after a restart."""
        ports = self._store.live().values()
        needed = Counter(port.vif_type for port in ports if port.verb == PLUG)
        for vif_type, count in sorted(needed.items()):
            if reason := self._plugins.why_not(vif_type):
                LOG.error("%d ports of vif_type %s: no plugin: %s", count, vif_type, reason)

    def _join_bus(self) -> None:
        """Blocks while the broker is away; the loop goes on meanwhile."""
        try:
            self._bus.join()
        except Exception as error:
            self._fail(error)
            return
        self.pulse.started()
        self._health.look()
        LOG.info("Ready: the bus is joined")

    def _end(self) -> None:
        systemd.notify(STOPPING="1")
        self._bus.leave(_LEAVE_SECONDS)
        self._host.stop()
        self._plugins.close()
        self._monitoring.end()
        self._loop.save()
        self._store.leave()
        LOG.info("Stopped")

    def _read(self, file: PortsFile, report: Report) -> None:
        refusals = file.read_if_changed()
        if refusals is not None:
            report.refused(refusals)
            self._queue.set_taken(complete=False)

    def _forget(self) -> None:
        with contextlib.suppress(StoreUnavailable):
            self._store.forget()
