"""Faults, one at a time, each mended: SIGKILL of whoever takes part."""

from __future__ import annotations

import _thread
import os
import random
import signal
import threading
import time
import traceback
from collections.abc import Callable

from soak.tally import Tally, note_counts
from tests.support.casting import Site
from vif_agent.testing.processes import NotReadyError

_HELPER_GONE = 1  # the agent's exit status
_LONGEST_AWAY = 3.0  # seconds


class Faults:
    """A thread of its own, so that casts and drift go on meanwhile.

    Who holds ``peace`` is sure that nothing is broken; ``broker_kills`` counts since it was reset.
    """

    def __init__(self, site: Site, tally: Tally, dice: random.Random) -> None:
        self._site, self._tally, self._dice = site, tally, dice
        self._acts: dict[str, Callable[[], None]] = {
            "agent": self._agent,
            "helper": self._helper,
            "ovsdb-server": self._ovsdb,
            "ovs-vswitchd": self._vswitchd,
            "rabbitmq": self._rabbit,
        }
        self.peace = threading.Lock()
        self.broker_kills = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        bag: list[str] = []
        try:
            while not self._stopping.wait(self._dice.uniform(2, 7)):
                bag = bag or self._dice.sample(list(self._acts), len(self._acts))
                with self.peace:
                    self._acts[kind := bag.pop()]()
                    self._tally.faults[kind] += 1
        except Exception:
            traceback.print_exc()
            _thread.interrupt_main(signal.SIGTERM)  # it may wait for a broker that nobody starts

    def _away(self) -> None:
        time.sleep(self._dice.uniform(0, _LONGEST_AWAY))

    def _agent(self) -> None:
        note_counts(self._site, self._tally)
        self._site.daemon.kill()
        self._away()
        self._site.daemon.start()

    def _helper(self) -> None:
        daemon = self._site.daemon
        note_counts(self._site, self._tally)
        os.kill(daemon.helper_pid(), signal.SIGKILL)
        assert daemon.process
        status = daemon.process.wait(30)
        if status != _HELPER_GONE:
            self._tally.wrong.append(f"the agent ended with {status} when its helper was killed")
        daemon.start()

    def _ovsdb(self) -> None:
        self._site.host.ovs.kill_ovsdb()
        self._away()
        self._site.host.ovs.start_ovsdb()

    def _vswitchd(self) -> None:
        self._site.host.ovs.kill_vswitchd()
        self._away()
        try:
            self._site.host.ovs.start_vswitchd()
        except NotReadyError:
            self._site.host.ovs.sync(60)

    def _rabbit(self) -> None:
        self.broker_kills += 1
        self._site.rabbit.kill()
        self._away()
        self._site.rabbit.launch()
        self._site.rabbit.wait_ready()
