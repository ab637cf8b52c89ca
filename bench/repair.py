"""From a deletion by hand to its repair, on a host full of ports and otherwise idle.

Seen from outside the agent: by the kernel's answers and OVSDB's.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle, islice

from bench.agent_side import Agent
from bench.cases import CASES, OVS_BRIDGE, Case, Vif, named
from bench.check import Host
from bench.ovsdb import Ovsdb
from bench.place import Place
from bench.repair_table import Repairs, Took
from vif_agent.host.netlink import decode, iflink
from vif_agent.host.netlink.rtnetlink import DELETE, GET, LinkRequest, Socket, text

PATIENCE = 10.0
PAUSE = 0.3  # seconds between two deletions, for the echoes of the last one to fade
POLL = 0.001


@dataclass(frozen=True)
class Deletion:
    """``device`` is the link to delete; None: the row of the OVS port."""

    title: str
    case: Case
    device: Callable[[Vif], str] | None


DELETIONS = (
    Deletion("linux bridge's tap", CASES["bridge"], lambda vif: str(vif["devname"])),
    Deletion("OVS port's tap", CASES["tap"], lambda vif: str(vif["devname"])),
    Deletion("hybrid's veth pair", CASES["hybrid"], lambda vif: named("qvo", vif["id"])),
    Deletion("OVS port's row", CASES["hybrid"], None),
)


class Hand:
    """Deletes, and sees what is there."""

    def __init__(self, db: str) -> None:
        self._netlink = Socket()
        self._ovsdb = Ovsdb(db)

    def delete(self, deletion: Deletion, vif: Vif) -> None:
        if deletion.device is None:
            self._ovsdb.delete_port(OVS_BRIDGE, str(deletion.case.ovs_port(vif)))
            return
        index = self._link(deletion.device(vif))["index"]
        (answer,) = self._netlink.ask([LinkRequest(DELETE, index=index)])
        if answer.errno:
            raise RuntimeError(f"{deletion.title} of {vif['id']}: {answer.text}")

    def there(self, case: Case, vif: Vif) -> bool:
        port = case.ovs_port(vif)
        if port and self._ovsdb.carries(port) is None:
            return False
        for device in case.devices(vif):
            link = self._link(device.name)
            master = self._link(device.master)["index"] if device.master else 0
            if (link["up"], link["mtu"], link["master"]) != (True, device.mtu, master):
                return False
        return True

    def wired(self, case: Case, vif: Vif) -> bool:
        if not self.there(case, vif):
            return False
        port = case.ovs_port(vif)
        return port is None or self._ovsdb.carries(port) == self._link(port)["index"]

    def close(self) -> None:
        self._netlink.close()
        self._ovsdb.close()

    def _link(self, name: str) -> Mapping[str, int] | decode.LinkState:
        (answer,) = self._netlink.ask([LinkRequest(GET, text(iflink.IFNAME, name))])
        nothing = {"index": -1, "up": False, "mtu": 0, "master": 0}
        return decode.link(answer.links[0]) if answer.links else nothing


def measure(here: Place, count: int, times: int) -> Repairs:
    """``count`` ports, a third of each case; ``times`` deletions, of each sort in turn."""
    shares = {name: (count + n) // len(CASES) for n, name in enumerate(CASES)}
    ports = {name: CASES[name].vifs(share) for name, share in shares.items()}
    vifs = [vif for some in ports.values() for vif in some]
    host, agent, hand = Host(here.db), Agent(here), Hand(here.db)
    try:
        print(f"  repair: {len(vifs)} ports, {times} deletions", file=sys.stderr, flush=True)
        agent.plug(vifs)
        for name, some in ports.items():
            if (settled := host.settle(CASES[name], some)).wrong:
                raise RuntimeError(f"not plugged: {settled.wrong[:3]}")
        taken = _all(hand, {name: iter(some) for name, some in ports.items()}, times)
        agent.unplug(vifs)
        for name, some in ports.items():
            host.drain(CASES[name], some)
    finally:
        hand.close()
        agent.close()
    host.sweep({vif["network"]["bridge"] for vif in ports["bridge"]})
    return taken


def _all(hand: Hand, ports: dict[str, Iterator[Vif]], times: int) -> Repairs:
    taken: Repairs = {deletion.title: [] for deletion in DELETIONS}
    for deletion in islice(cycle(DELETIONS), times):
        time.sleep(PAUSE)
        taken[deletion.title].append(_one(hand, deletion, next(ports[deletion.case.name])))
    return taken


def _one(hand: Hand, deletion: Deletion, vif: Vif) -> Took:
    hand.delete(deletion, vif)
    begin = time.perf_counter()
    there = _until(hand.there, deletion.case, vif)
    wired = _until(hand.wired, deletion.case, vif)
    return Took(there - begin, wired - begin)


def _until(done: Callable[[Case, Vif], bool], case: Case, vif: Vif) -> float:
    deadline = time.perf_counter() + PATIENCE
    while not done(case, vif):
        if time.perf_counter() > deadline:
            raise RuntimeError(f"{case.title}: {vif['id']} is not repaired after {PATIENCE} s")
        time.sleep(POLL)
    return time.perf_counter()
