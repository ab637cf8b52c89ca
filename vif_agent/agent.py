"""The loop: wake, gather, run a round, back off, tell.

The loop's thread alone changes the host. All others only take note, and wake it (``notes``).
"""

import contextlib
import logging
import shlex
import threading
import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import oslo_messaging

from vif_agent import __version__, service, store_file
from vif_agent.bus import admin, declared, joining, leaving
from vif_agent.bus.intake import Intake
from vif_agent.bus.notifications import Notifications
from vif_agent.bus.report import MOST_WAITING, Report
from vif_agent.cleanup import Cleanup
from vif_agent.drift import Drift
from vif_agent.engine import Engine
from vif_agent.errors import StoreUnavailable
from vif_agent.host import RealHost
from vif_agent.host.commands import Limits
from vif_agent.host.ovs_tls import use_certificates
from vif_agent.host.programs import Programs
from vif_agent.installed import loader
from vif_agent.installed.plugins import Plugins
from vif_agent.notes import Notes
from vif_agent.operations import Operations, unplugs_of
from vif_agent.outcome import Outcome
from vif_agent.ports_file import PortsFile
from vif_agent.resources import Key
from vif_agent.retries import Retries
from vif_agent.rounds import Rounds
from vif_agent.store import PLUG, Port, Store

LOG = logging.getLogger(__name__)

_LEFTOVERS_SECONDS = 30.0
_FORGET_SECONDS = 3600.0
_GUARD_SECONDS = 30.0
_PORTS_FILE_SECONDS = 1.0
_SAVE_SECONDS = 0.5
_LEAVE_SECONDS = 5.0
_LONGEST_PAUSE = 60.0
_CALLS_AT_ONCE = MOST_WAITING + 64  # oslo's own bound is 64


def store_path(conf: Any) -> Path:
    return Path(conf.state_path, "vif-agent.sqlite")


def host_and_engine(conf: Any, store: Store, plugins: Plugins) -> tuple[RealHost, Engine]:
    """As the configuration says; for vif-agentctl just so."""
    use_certificates(conf.ovs)
    timeout = conf.ovs.ovsdb_timeout
    limits, cards = _limits(conf.commands), conf.sriov.cards
    host = RealHost(conf.ovs.ovsdb_connection, timeout, limits=limits, cards=cards)
    return host, Engine(store, host, plugins, timeout, bridges=[conf.ovs.integration_bridge])


def _limits(options: Any) -> Limits:
    programs = Programs(options.allowed, shlex.split(options.prefix), options.timeout)
    return Limits(programs, options.at_once, options.check_lasts)


class Agent:
    """``conf`` is oslo.config's global CONF: oslo.messaging reads some options nowhere else."""

    def __init__(self, conf: Any) -> None:
        self._conf = conf
        store_file.recover(store_path(conf))
        self._store = Store(store_path(conf))
        self._plugins = loader.load(conf)
        self._host, self._engine = host_and_engine(conf, self._store, self._plugins)
        self._engine_lock = threading.Lock()
        self._rounds = Rounds(self._engine, self._engine_lock)
        self._notes = Notes()
        self._cleanup = Cleanup(self._engine, conf.cleanup)
        self._notifications = Notifications(conf, conf.host)
        self._report = Report(self._store, self._notifications, conf.host)
        self._messaging = oslo_messaging.get_rpc_transport(conf)
        self._intake = Intake(
            self._messaging,
            conf.host,
            self._store,
            self._notes.wake,
            self._report.refused,
            self._notes.set_taken,
            conf.cleanup.interval,
            self._report.waiting,
        )
        self._admin = admin.server(self._messaging, conf.host, self._calls())
        self._retries = Retries(conf.vif_agent)
        self._complete = False  # is what belongs to no wish to go, at the next look at everything?
        self._joined, self._left = threading.Event(), threading.Event()
        self._failure: Exception | None = None
        self._waiting: dict[str, frozenset[Key]] = {}
        self._unsaved: dict[str, Port] = {}
        path = conf.vif_agent.ports_file
        self._ports_file = PortsFile(path, self._store, conf.cleanup.interval) if path else None
        chores = [self._sweep_leftovers, self._forget, self._guard, self._check]
        chores += [self._read_ports_file] if path else []
        self._chores = dict.fromkeys(chores, 0.0)
        self._drift = Drift()
        self._watchdog = service.Watchdog()
        self._start_limit = service.StartLimit()
        self._status = ""

    def _calls(self) -> admin.Calls:
        operations = Operations(
            self._conf.host, self._store, self._engine, self._engine_lock, self._plugins,
            self._cleanup,
        )  # fmt: skip
        return admin.Calls(operations, self._notes.repair, self._store, self._report)

    def stop(self) -> None:
        """End the loop after the round that runs."""
        self._notes.end()

    def reconfigured(self) -> None:
        """Some options are others now: all is looked at, by them."""
        interval = self._conf.vif_agent.check_interval
        self._chores[self._check] = time.monotonic() + (interval or float("inf"))
        self._notes.everything()

    # -- the loop ----------------------------------------------------------------------------

    def run(self) -> None:
        """Until ``stop``. HelperGone: only a restart helps, and is safe at any line."""
        self._host.on_change(self._notes.host_changed)
        self._host.start()
        self._plugins.on_answer(self._notes.again)
        known = self._engine.load()
        self._notes.again(known)
        self._notes.everything()
        LOG.info("vif-agent %s on %s: %d ports known", __version__, self._conf.host, len(known))
        if self._store.notice:
            LOG.error("%s", self._store.notice)
        self._tell_missing()
        try:
            self._turn()
            threading.Thread(target=self._join_bus, name="join-bus", daemon=True).start()
            while not self._notes.ended:
                self._notes.wait(self._pause())
                self._turn()
        finally:
            self._end()
        if self._failure:
            raise self._failure

    def _tell_missing(self) -> None:
        """The wishes stay, and are carried out when their plugin is back after a restart."""
        ports = self._store.live().values()
        needed = Counter(port.vif_type for port in ports if port.verb == PLUG)
        for vif_type, count in sorted(needed.items()):
            if reason := self._plugins.why_not(vif_type):
                LOG.error("%d ports of vif_type %s: no plugin: %s", count, vif_type, reason)

    def _join_bus(self) -> None:
        """Blocks while the broker is away; the loop goes on meanwhile."""
        queues = declared.of_agent(self._conf.host)
        try:
            self._notifications.start()
            said = joining.patiently(lambda: declared.differing(self._messaging, queues))
            declared.must_be_as_asked([*said, *self._notifications.differing()])
            self._intake.begin()
            self._admin.start(override_pool_size=_CALLS_AT_ONCE)
        except Exception as error:
            self._failure = error
            self._notes.end()
            return
        self._joined.set()
        self._start_limit.over()
        service.notify(READY="1")
        LOG.info("Ready: the bus is joined")

    def _end(self) -> None:
        """Everything may be cut off here: what is not acknowledged comes again."""
        service.notify(STOPPING="1")
        threading.Thread(target=self._leave_bus, name="leave-bus", daemon=True).start()
        # not Thread.join: under eventlet on Python 3.13 that raises when its time is over
        self._left.wait(_LEAVE_SECONDS)
        self._host.stop()
        self._plugins.close()
        self._save()
        self._store.leave()
        LOG.info("Stopped")

    def _leave_bus(self) -> None:
        """Blocks while the broker is away."""
        try:
            if self._joined.is_set():
                self._report.end()
                self._intake.end()
                leaving.stop(self._admin)
                self._admin.wait()
            self._notifications.stop()
        finally:
            self._left.set()

    def _pause(self) -> float:
        dues = (self._retries.next_due(), self._drift.next_due(), self._watchdog.next_due)
        due = min(*dues, self._start_limit.next_due, *self._chores.values())
        longest = _SAVE_SECONDS if self._unsaved else _LONGEST_PAUSE
        return max(0.0, min(due - time.monotonic(), longest))

    def _turn(self) -> None:
        self._watchdog.feed()
        self._start_limit.extend()
        notes = self._notes.take()
        self._complete |= notes.complete  # before the look: it must know the set
        self._forgive(notes.wished)
        for port_id in notes.doubted:
            self._engine.doubt(port_id)
        ports = notes.wished | notes.again | self._retries.take() | self._awaiting(notes.changed)
        ports |= self._drift.take()
        busy = self._drift.fought_over()
        for key in notes.changed:
            self._drift.noticed(self._engine.ports_of({key}, busy) - ports, key)
        if notes.everywhere:
            ports |= self._store.live().keys()
        if ports or notes.everywhere:
            self._look(ports, notes.everywhere, notes.wished)
        if notes.everywhere:
            self._tidy()
        for chore, due in self._chores.items():
            if time.monotonic() >= due:
                chore()
        self._save()
        self._tell_status()

    def _look(self, ports: set[str], everywhere: bool, anew: Collection[str]) -> None:
        """What needs Open vSwitch has a round of its own, after all else is done: it may hang."""
        free = set() if everywhere else self._rounds.without_ovsdb(ports)
        again = self._round(free, anew=anew) if free else frozenset()
        if again and free != ports:
            again = self._round(again)
        if everywhere or free != ports:
            again |= self._round(ports - free, everywhere, anew)
        self._notes.again(again)

    def _round(
        self, ports: Collection[str], everywhere: bool = False, anew: Collection[str] = ()
    ) -> frozenset[str]:
        """Those that are to be looked at again at once."""
        self._watchdog.feed()
        outcome = self._rounds.look(ports, everywhere, anew)
        self._take(ports, outcome)
        return outcome.again

    def _tidy(self) -> None:
        """After a look at everything that could be seen: what belongs to no wish."""
        there = self._engine.orphans
        if there is None:
            return
        if self._complete and (unplugs := unplugs_of(there)):
            try:
                self._store.put(unplugs)
                self._notes.everything()
            except StoreUnavailable as error:
                LOG.warning("Cannot store what a complete set of ports leaves out: %s", error)
                return
        self._complete = False
        with self._engine_lock:
            self._cleanup.after_look()

    def _forgive(self, port_ids: Collection[str]) -> None:
        """A new wish, or an operator's: whatever went wrong before is over."""
        for port_id in port_ids:
            self._retries.forgive(port_id)
            self._drift.forgive(port_id)

    def _awaiting(self, keys: Collection[Key]) -> set[str]:
        return {port for port, waits in self._waiting.items() if not waits.isdisjoint(keys)}

    def _take(self, ports: Collection[str], outcome: Outcome) -> None:
        for port_id in ports:
            self._waiting.pop(port_id, None)
            self._retries.looked_at(port_id)
        self._waiting.update(outcome.waiting)
        for port_id in outcome.waiting.keys() - outcome.retry:
            self._retries.after(port_id, self._conf.ovs.ovsdb_timeout)
        for port_id in outcome.retry:
            self._retries.failed(port_id)
        self._drift.repaired(outcome.mended)
        for port in outcome.finished:
            if port.problem is None:
                self._retries.forgive(port.port_id)
            self._unsaved[port.port_id] = port
        # what OVS told of during the round was not awaited yet
        self._notes.again(self._awaiting(self._notes.changed()))
        self._save()
        self._report.finished(outcome.finished)

    def _save(self) -> None:
        if self._unsaved and self._engine.save(self._unsaved.values()):
            self._unsaved.clear()

    def _sweep_leftovers(self) -> None:
        self._chores[self._sweep_leftovers] = time.monotonic() + _LEFTOVERS_SECONDS
        if self._engine.leftovers:
            self._rounds.look(())

    def _check(self) -> None:
        """The whole host, now and then: for what no event has told."""
        interval = self._conf.vif_agent.check_interval
        first = not self._chores[self._check]
        self._chores[self._check] = time.monotonic() + (interval or float("inf"))
        if interval and not first:  # the start has just looked
            self._notes.everything()

    def _read_ports_file(self) -> None:
        self._chores[self._read_ports_file] = time.monotonic() + _PORTS_FILE_SECONDS
        refusals = self._ports_file.look() if self._ports_file else None
        if refusals is not None:
            self._report.refused(refusals)
            self._notes.set_taken(complete=False)

    def _forget(self) -> None:
        self._chores[self._forget] = time.monotonic() + _FORGET_SECONDS
        with contextlib.suppress(StoreUnavailable):
            self._store.forget()

    def _guard(self) -> None:
        """For a store that was taken away while nothing is written."""
        self._chores[self._guard] = time.monotonic() + _GUARD_SECONDS
        self._store.guard()

    def _tell_status(self) -> None:
        status = ", ".join(f"{n} {state}" for state, n in sorted(self._engine.states().items()))
        if status != self._status:
            self._status = status
            service.notify(STATUS=status or "no ports")
