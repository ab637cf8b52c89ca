"""What joins the hosts of a cloud: a network for management and tunnels, and a physical one."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from typing import Self

from vif_agent.testing import processes
from vif_agent.testing.netns import Namespace

#: where the broker listens
CONTROL = "192.0.2.254"
MANAGEMENT, PHYSICAL = "eth0", "eth1"
_PLAIN = ("forward_delay", "0", "mcast_snooping", "0")
_BRIDGES = {MANAGEMENT: "management", PHYSICAL: "physical"}


class Wires:
    """Two linux bridges in this namespace. The physical network has no address here; a device that
    is put into the bridge ``physical`` is a machine on it."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        for bridge in _BRIDGES.values():
            ip("link", "add", bridge, "up", "type", "bridge", *_PLAIN)
        ip("address", "add", f"{CONTROL}/24", "dev", _BRIDGES[MANAGEMENT])
        return self

    def __exit__(self, *_: object) -> None:
        for bridge in _BRIDGES.values():
            ip("link", "delete", bridge)

    @contextlib.contextmanager
    def connected(self, namespace: Namespace) -> Iterator[str]:
        """It has eth0 and eth1 meanwhile; answers eth0's address."""
        number = next(self._numbers)
        outer = {nic: f"{nic}-{number}" for nic in _BRIDGES}
        for nic, bridge in _BRIDGES.items():
            ip("link", "add", outer[nic], "up", "master", bridge, "type", "veth",
               "peer", "name", nic, "netns", namespace.path)  # fmt: skip
        with namespace.entered():
            ip("address", "add", f"192.0.2.{number}/24", "dev", MANAGEMENT)
            for nic in _BRIDGES:
                ip("link", "set", nic, "up")
        yield f"192.0.2.{number}"
        for name in outer.values():  # at once, not when the kernel cleans the namespace up
            ip("link", "delete", name)


def ip(*arguments: str) -> str:
    """What ip(8) prints, in the calling thread's namespace."""
    return processes.run(("ip", *arguments), os.environ)
