"""The floor: the fewest processes that can do the work, one `ip -batch` and one `ovs-vsctl`.

It keeps no record, checks nothing, writes no sysctl and could repair nothing. It is a measure of
what the kernel and Open vSwitch themselves cost, with the stock tools.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from bench import usage
from bench.cases import OVS_BRIDGE, Case, Vif, instance, mtu, named

BRIDGE = "type bridge forward_delay 0 stp_state 0 mcast_snooping 0"
GROUP = 4242


class Floor:
    """Bridges of the networks are made with their first port and, as by os-vif, left there."""

    name = "floor"

    def __init__(self, case: Case, db: str) -> None:
        self.case = case
        self.db = db
        self.bridges: set[str] = set()
        self._used = 0.0
        self.create = {"hybrid": _hybrid, "tap": _tap, "bridge": self._bridged}[case.name]

    def plug(self, vifs: Sequence[Vif]) -> float:
        with self._counted():
            begin = time.perf_counter()
            _ip(line for vif in vifs for line in self.create(vif))
            self._vsctl(_add, vifs)
            return time.perf_counter() - begin

    def unplug(self, vifs: Sequence[Vif]) -> float:
        """One link group and one message for all: several times faster than one by one."""
        with self._counted():
            begin = time.perf_counter()
            self._vsctl(_delete, vifs)
            doomed = [name for vif in vifs for name in self._doomed(vif)]
            _ip([*(f"link set {name} group {GROUP}" for name in doomed), f"link del group {GROUP}"])
            return time.perf_counter() - begin

    def cpu(self) -> float:
        """Of the tools alone: the bench looks at the host with other children."""
        return self._used

    def close(self) -> None:
        """Nothing runs between two calls."""

    @contextmanager
    def _counted(self) -> Iterator[None]:
        before = usage.ended_children()
        yield
        self._used += usage.ended_children() - before

    def _doomed(self, vif: Vif) -> list[str]:
        """A veth's other end goes with it."""
        names = [device.name for device in self.case.devices(vif)]
        return [name for name in names if not name.startswith("qvb")]

    def _bridged(self, vif: Vif) -> list[str]:
        bridge = vif["network"]["bridge"]
        made = [] if bridge in self.bridges else [f"link add {bridge} up {BRIDGE}"]
        self.bridges.add(bridge)
        mac = "fe" + vif["address"][2:]
        return made + _tap_lines(vif, f"address {mac} master {bridge}")

    def _vsctl(self, command: Callable[[Vif, str], list[str]], vifs: Sequence[Vif]) -> None:
        """One transaction, then wait until ovs-vswitchd has carried it out."""
        pairs = [(vif, self.case.ovs_port(vif)) for vif in vifs]
        words = [word for vif, port in pairs if port for word in command(vif, port)]
        if words:
            subprocess.run(["ovs-vsctl", f"--db={self.db}", *words], check=True)


def _ip(lines: Iterable[str]) -> None:
    text = "\n".join(lines)
    subprocess.run(["ip", "-batch", "-"], input=text, text=True, check=True)


def _hybrid(vif: Vif) -> list[str]:
    qbr, qvb, qvo = (named(prefix, vif["id"]) for prefix in ("qbr", "qvb", "qvo"))
    size = mtu(vif)
    return [
        f"link add {qbr} up {BRIDGE} ageing_time 0",
        f"link add {qvb} mtu {size} master {qbr} type veth peer name {qvo} mtu {size}",
        f"link set {qvb} up promisc on",
        f"link set {qvo} up promisc on",
    ]


def _tap(vif: Vif) -> list[str]:
    return _tap_lines(vif, f"address {vif['address']}")


def _tap_lines(vif: Vif, more: str) -> list[str]:
    tap = vif["devname"]
    return [
        f"tuntap add dev {tap} mode tap vnet_hdr",
        f"link set {tap} mtu {mtu(vif)} {more} up",
    ]


def _add(vif: Vif, port: str) -> list[str]:
    ids = {
        "iface-id": vif["id"],
        "iface-status": "active",
        "attached-mac": vif["address"].replace(":", r"\:"),
        "vm-uuid": instance(vif)["uuid"],
    }
    columns = [f"external_ids:{key}={value}" for key, value in ids.items()]
    size = f"mtu_request={mtu(vif)}"
    add = ["--", "add-port", OVS_BRIDGE, port]
    return [*add, "--", "set", "Interface", port, size, *columns]


def _delete(_: Vif, port: str) -> list[str]:
    return ["--", "del-port", OVS_BRIDGE, port]
