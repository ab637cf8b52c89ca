"""The host as `ip` and `ovs-vsctl` see it: views that share no code with the agent."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vif_agent.testing import processes
from vif_agent.testing.daemon import Daemon
from vif_agent.testing.host import ScratchHost

NIC = "eth1"  # what the payload bridge_vlan names


def run(*argv: str) -> str:
    return processes.run(argv, os.environ)


class MachineLinks:
    """The machine's own namespace, kept in sight; to be made before leaving it."""

    def __init__(self) -> None:
        self._fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def names(self) -> set[str]:
        path = f"/proc/{os.getpid()}/fd/{self._fd}"
        answer = run("nsenter", f"--net={path}", "ip", "-j", "link", "show")
        return {link["ifname"] for link in json.loads(answer)}


def add_nic() -> None:
    """A stand-in for the physical network's device."""
    run("ip", "tuntap", "add", NIC, "mode", "tap")
    run("ip", "link", "set", NIC, "up")


def makes_vlan_devices() -> bool:
    """Not every kernel does: some are built without 8021q."""
    try:
        run("ip", "link", "add", "link", NIC, "name", "probe", "type", "vlan", "id", "4000")
    except RuntimeError:
        return False
    run("ip", "link", "delete", "probe")
    return True


@contextlib.contextmanager
def guest_tap(name: str, bridge: str) -> Iterator[str]:
    """The tap of a guest behind a hybrid port, put into its bridge as libvirt does."""
    run("ip", "tuntap", "add", name, "mode", "tap")
    try:
        run("ip", "link", "set", name, "master", bridge, "up")
        yield name
    finally:
        run("ip", "link", "delete", name)


def capabilities(agent: Daemon) -> list[str]:
    """The lines of /proc/PID/status that show any (the bounding set gives none by itself)."""
    assert agent.process
    lines = Path(f"/proc/{agent.process.pid}/status").read_text().splitlines()
    sets = [line for line in lines if line.startswith(("CapInh", "CapPrm", "CapEff", "CapAmb"))]
    return [line for line in sets if int(line.split()[1], 16)]


def tagged(links: dict[str, dict[str, Any]]) -> int:
    return sum(link.get("ifalias", "").startswith("vif-agent") for link in links.values())


def ovs_ports(host: ScratchHost, bridge: str = "br-int") -> list[str]:
    return host.ovs.vsctl("list-ports", bridge).split()


def iface_ids(host: ScratchHost) -> dict[str, str]:
    """Interface name: the port's UUID, for those with an ofport."""
    answer = json.loads(
        host.ovs.vsctl("--format=json", "--columns=name,ofport,external_ids", "list", "interface")
    )
    rows = [(name, ofport, dict(ids[1])) for name, ofport, ids in answer["data"]]
    return {
        name: ids["iface-id"]
        for name, ofport, ids in rows
        if "iface-id" in ids and isinstance(ofport, int)
    }
