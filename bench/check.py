"""Looking at the host with the stock tools, outside every timed part: equal work, clean ends."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.cases import OVS_BRIDGE, Case, Device, Vif

PATIENCE = 10.0
PACKET_SOCKETS = Path("/proc/net/packet")


@dataclass(frozen=True)
class Wait:
    """Seconds, 0 if there was nothing to wait for, and what was still wrong when we gave up."""

    seconds: float
    wrong: tuple[str, ...] = ()


class Host:
    """The namespace we are in and its OVS."""

    def __init__(self, db: str) -> None:
        self.db = db
        self.found = frozenset(_links())
        self.sockets = _packet_sockets()

    def settle(self, case: Case, vifs: Sequence[Vif]) -> Wait:
        """Until all are truly wired."""
        return _until(lambda: self.wrong(case, vifs))

    def drain(self, case: Case, vifs: Sequence[Vif]) -> Wait:
        """Until all are truly gone.

        ovs-vswitchd's userspace datapath closes a port's packet socket, and the kernel takes an RCU
        grace period for each, after it has reported the port as removed. Whoever came next would
        pay for that.
        """
        return _until(lambda: self.present(case, vifs))

    def wrong(self, case: Case, vifs: Sequence[Vif]) -> list[str]:
        links, ports = _links(), self._ofports()
        devices = [device for vif in vifs for device in case.devices(vif)]
        wired = [port for vif in vifs if (port := case.ovs_port(vif))]
        faults = [problem for device in devices if (problem := fault(device, links))]
        return faults + [f"{port} has no ofport" for port in wired if ports.get(port, -1) <= 0]

    def present(self, case: Case, vifs: Sequence[Vif]) -> list[str]:
        """Devices, OVS ports and packet sockets of these that are there."""
        names = {device.name for vif in vifs for device in case.devices(vif)}
        ports = {port for vif in vifs if (port := case.ovs_port(vif))}
        left = sorted(names & set(_links()) | ports & set(self._ofports()))
        return left or ["packet socket"] * (_packet_sockets() - self.sockets)

    def sweep(self, gone: set[str]) -> list[str]:
        """Remove what the networks' bridges left behind; anything else left is an error."""
        left = set(_links()) - self.found
        ports = set(self._ofports()) - {OVS_BRIDGE}
        if ports or left - gone:
            raise RuntimeError(f"left behind: ports {ports}, links {left - gone}")
        for name in left:
            subprocess.run(["ip", "link", "del", name], check=True)
        return sorted(left)

    def wipe(self) -> None:
        """All that came since this was made, whoever left it: ports first, for they hold links."""
        vsctl = ["ovs-vsctl", f"--db={self.db}"]
        for port in _output([*vsctl, "list-ports", OVS_BRIDGE]).split():
            subprocess.run([*vsctl, "--if-exists", "del-port", OVS_BRIDGE, port], check=True)
        for name in set(_links()) - self.found:
            subprocess.run(["ip", "link", "del", name], check=False, capture_output=True)

    def _ofports(self) -> dict[str, int]:
        columns = "--columns=name,ofport"
        command = ["ovs-vsctl", f"--db={self.db}", "--format=json", columns, "list", "Interface"]
        rows = json.loads(_output(command))["data"]
        return {name: port for name, port in rows if isinstance(port, int)}


def _until(wrong: Callable[[], list[str]]) -> Wait:
    """Patience is for the count of what is wrong to shrink: it starts anew whenever it does."""
    begin = better = time.perf_counter()
    faults = wrong()
    if not faults:
        return Wait(0.0)
    while time.perf_counter() - better < PATIENCE:
        time.sleep(0.005)
        before, faults = len(faults), wrong()
        if not faults:
            return Wait(time.perf_counter() - begin)
        if len(faults) < before:
            better = time.perf_counter()
    return Wait(better - begin, tuple(faults))


def _packet_sockets() -> int:
    """Those bound to a device; ovs-vswitchd has one more for all, which it opens when it likes."""
    rows = [line.split() for line in PACKET_SOCKETS.read_text().splitlines()[1:]]
    return sum(row[4] != "0" for row in rows)


def fault(device: Device, links: dict[str, dict[str, Any]]) -> str | None:
    link = links.get(device.name)
    if link is None:
        return f"{device.name} is missing"
    if "UP" not in link["flags"]:
        return f"{device.name} is down"
    if link.get("master") != device.master:
        return f"{device.name} has master {link.get('master')}"
    return None if link["mtu"] == device.mtu else f"{device.name} has MTU {link['mtu']}"


def _links() -> dict[str, dict[str, Any]]:
    return {link["ifname"]: link for link in json.loads(_output(["ip", "-json", "link"]))}


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
