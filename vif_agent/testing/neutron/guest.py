"""A guest with a network stack: what a guest of nova's is to its network, without a virtual
machine."""

from __future__ import annotations

import contextlib
import os
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from vif_agent.testing import processes
from vif_agent.testing.netns import Namespace
from vif_agent.testing.neutron.hypervisor import Hypervisor, tap_of
from vif_agent.testing.neutron.wires import ip

#: what a DHCP client does with its lease: the classless routes (RFC 3442), or else the router
_BOUND = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip address replace "$ip/$mask" dev eth0
ip link set eth0 mtu "${mtu:-1500}"
if [ "$staticroutes" ]; then
    set -- $staticroutes
    while [ $# -gt 1 ]; do
        [ "$2" = 0.0.0.0 ] || ip route replace "$1" via "$2"
        shift 2
    done
elif [ "$router" ]; then
    ip route replace default via "$router"
fi
echo "$ip"
"""


class Machine:
    """A network stack of its own with one device, eth0. ``joined``: as ``ip link add`` has it,
    what becomes of the device's other end, in the namespace of the caller."""

    def __init__(self, outer: str, mac: str = "", *joined: str) -> None:
        self._outer, self._mac, self._joined = outer, mac, joined

    def __enter__(self) -> Self:
        self.namespace = Namespace()
        try:
            ip("link", "add", self._outer, *self._joined, "type", "veth",
               "peer", "name", "eth0", "netns", self.namespace.path)  # fmt: skip
        except BaseException:
            self.namespace.close()
            raise
        address = ("address", self._mac) if self._mac else ()
        self.run("ip", "link", "set", "eth0", *address, "up")
        ip("link", "set", self._outer, "up")
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(RuntimeError):
            ip("link", "delete", self._outer)
        self.namespace.close()

    def run(self, *argv: str) -> str:
        """What a command prints there."""
        with self.namespace.entered():
            return processes.run(argv, os.environ)

    def lease(self, tries: int = 30) -> str:
        """The address that DHCP gives, a try a second; raises RuntimeError when it gives none."""
        with tempfile.TemporaryDirectory(prefix="vif-agent-lease-") as directory:
            script = Path(directory) / "script"
            script.write_text(_BOUND)
            script.chmod(0o700)
            said = self.run(
                *("busybox", "udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", str(tries), "-T", "1"),
                *("-O", "staticroutes", "-O", "mtu", "-s", str(script)),
            )
        return said.split()[-1]

    def reaches(self, address: str) -> bool:
        """By ping, within some seconds."""
        try:
            self.run("busybox", "ping", "-c", "1", "-W", "1", address)
        except RuntimeError:
            return False
        return True

    def get(self, url: str) -> str:
        """What a web server answers; OSError."""
        with self.namespace.entered(), urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())


class Guest(Machine):
    """On a hypervisor, with a port; its tap is no tap but has the name of one."""

    def __init__(self, host: Hypervisor, port: Mapping[str, Any]) -> None:
        super().__init__(tap_of(port["id"]), port["mac_address"])
        self._host = host

    def __enter__(self) -> Self:
        with self._host.entered():
            return super().__enter__()

    def __exit__(self, *_: object) -> None:
        with self._host.entered():
            super().__exit__()
