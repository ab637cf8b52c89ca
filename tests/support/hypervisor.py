"""One of several hosts of a test."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Self

from tests.support import expected
from tests.support.real_host import KEPT, Ports, Vif, ip, real_host
from vif_agent.ports.port import READY, UNPLUGGED
from vif_agent.ports.store import Store
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.netns import Namespace


class Hypervisor:
    """A host in a network namespace of its own, with its own Open vSwitch; the agent in process."""

    ports: Ports

    def __enter__(self) -> Self:
        self.namespace = Namespace()
        with self.namespace.entered(), contextlib.ExitStack() as stack:
            self.ovs = stack.enter_context(scratch := ScratchHost()).ovs
            self._host = stack.enter_context(real_host(scratch))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self.namespace.entered():
            self._stack.close()
        self.namespace.close()

    def start_agent(self, store: Store, plugins: Mapping[str, Any] | None = None) -> None:
        self.ports = Ports(self._host, store, plugins)

    def plug(self, *vifs: Vif) -> None:
        with self.namespace.entered():
            assert {port.state for port in self.ports.plug(*vifs)} == {READY}

    def unplug(self, *vifs: Vif) -> None:
        with self.namespace.entered():
            assert {port.state for port in self.ports.unplug(*vifs)} == {UNPLUGGED}

    def differences(self, *vifs: Vif) -> list[str]:
        """From having just these ports."""
        with self.namespace.entered():
            found = expected.actual(self.ovs)
        return expected.differences(expected.expected(vifs), found, KEPT)


def wired(one: Hypervisor, other: Hypervisor, nic: str, *addresses: str) -> None:
    """A NIC of this name on each, joined; the first address goes to the first."""
    with one.namespace.entered():
        ip(
            *("link", "add", nic, "type", "veth"),
            *("peer", "name", nic, "netns", other.namespace.path),
        )
    for host, address in zip((one, other), addresses, strict=True):
        with host.namespace.entered():
            ip("address", "add", address, "dev", nic)
            ip("link", "set", nic, "up")
