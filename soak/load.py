"""The sender: casts of every sort, and a hand that spoils what the agent has made."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable
from dataclasses import replace

from soak.ports import PortRecords, PortRequest
from soak.tally import Tally
from tests.support.casting import CONTEXT, Site
from vif_agent.testing import processes
from vif_agent.testing.daemon import HOST

RATE = 8.0  # acts a second, on average
BURST = 40
_WEIGHTS = {
    "plug": 34, "unplug": 24, "change": 12, "repeat": 8, "stale": 6, "spoil": 15,
    "burst": 0.7, "sync": 0.5,
}  # fmt: skip
#: not the owner tag: what has lost it and is no longer requested is not ours to remove
_LINK = {
    "deleted": ("del", "{}"),
    "down": ("set", "{}", "down"),
    "mtu": ("set", "{}", "mtu", "1300"),
    "no master": ("set", "{}", "nomaster"),
    "renamed": ("set", "{}", "down", "name", "soak{n}"),
}
_OVS = {
    "row deleted": ("del-port", "{}"),
    "no iface-id": ("remove", "interface", "{}", "external_ids", "iface-id"),
    "mtu_request": ("set", "interface", "{}", "mtu_request=1300"),
    "no qos": ("clear", "port", "{}", "qos"),
}


class Load:
    """One thread's work; blocks while the broker is away."""

    def __init__(
        self, site: Site, requests: PortRecords, tally: Tally, dice: random.Random
    ) -> None:
        self._site, self._records, self._tally, self._dice = site, requests, tally, dice
        self._acts: dict[str, Callable[[], None]] = {
            "plug": self._plug,
            "unplug": self._unplug,
            "change": self._change,
            "repeat": self._repeat,
            "stale": self._stale,
            "spoil": self._spoil,
            "burst": self._burst,
            "sync": self.sync,
        }
        self._renamed = 0

    def run(self, until: float) -> None:
        """``until`` by time.monotonic()."""
        while time.monotonic() < until:
            (act,) = self._dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
            self._acts[act]()
            time.sleep(min(self._dice.expovariate(RATE), 1.0))

    def plug_all(self) -> None:
        for number, request in enumerate(self._records):
            self._cast(number, replace(request, plugged=True))

    def unplug_all(self) -> None:
        for number, request in enumerate(self._records):
            self._cast(number, replace(request, plugged=False))

    def sync(self) -> None:
        """The whole view, as a sender repeats it from time to time."""
        self._tally.casts["sync"] += 1
        vifs = [request.vif for request in self._records.plugged()]
        self._site.patient.sync_vifs(CONTEXT, HOST, vifs, complete=True)

    def _any(self) -> int:
        return self._dice.randrange(len(self._records))

    def _plug(self) -> None:
        number = self._any()
        self._cast(number, replace(self._records[number], plugged=True))

    def _unplug(self) -> None:
        number = self._any()
        self._cast(number, replace(self._records[number], plugged=False))

    def _change(self) -> None:
        number = self._any()
        self._cast(number, replace(self._records.changed(number, self._dice), plugged=True))

    def _burst(self) -> None:
        for _ in range(BURST):
            self._dice.choice((self._plug, self._plug, self._unplug))()

    def _repeat(self) -> None:
        """The last cast once more, with its own generation."""
        if (request := self._records[self._any()]).generation:
            self._send(request)

    def _stale(self) -> None:
        """The contrary of the last cast, but older: to be refused."""
        if (request := self._records[self._any()]).generation:
            self._tally.casts["stale"] += 1
            contrary = not request.plugged
            self._send(replace(request, plugged=contrary, generation=request.generation - 1))

    def _cast(self, number: int, request: PortRequest) -> None:
        """Noted before it is sent, so that a view sent from now on says the same."""
        self._records[number] = replace(request, generation=time.time_ns())
        self._send(self._records[number])

    def _send(self, request: PortRequest) -> None:
        self._tally.casts["plug" if request.plugged else "unplug"] += 1
        cast = self._site.plug if request.plugged else self._site.unplug
        cast(request.vif, wait=None, generation=request.generation)

    def _spoil(self) -> None:
        """What is not there just now, or cannot be asked, is left alone."""
        plugged = self._records.plugged()
        if not plugged:
            return
        request = self._dice.choice(plugged)
        names = [device.name for device in request.devices]
        names += [request.bridge] if request.bridge else []
        with contextlib.suppress(RuntimeError):
            if request.ovs_port and self._dice.random() < 0.4:
                what = self._dice.choice(list(_OVS))
                argv = [word.format(request.ovs_port) for word in _OVS[what]]
                self._site.host.ovs.vsctl("--no-wait", *argv)
            else:
                what = self._dice.choice(list(_LINK))
                self._spoil_link(_LINK[what], self._dice.choice(names))
            self._tally.spoils[what] += 1

    def _spoil_link(self, words: tuple[str, ...], name: str) -> None:
        self._renamed += 1
        argv = [word.format(name, n=self._renamed) for word in words]
        processes.run(("ip", "link", *argv), os.environ)
