"""A host: a network namespace with NICs, Open vSwitch, the agent and libvirt."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from demo.guests.guest import Guest
from demo.guests.vifs import Nic
from demo.ports import INSTANCE
from vif_agent.bus.api import VifAgentAPI
from vif_agent.testing.daemon import Daemon
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.libvirt import PrivateLibvirt
from vif_agent.testing.netns import Namespace
from vif_agent.testing.neutron.hypervisor import SEEING, AgentsHost
from vif_agent.testing.neutron.wires import Wires, ip

TRUNK = "trunk"  # a linux bridge outside of the hosts: what Open vSwitch of each is cabled to
_UPLINK = "eth2"
_PATIENCE = 60.0
_PROGRAM = str(Path(sys.executable).parent / "vif-agent")


class Host(AgentsHost):
    """To be entered; ``agents``: who casts."""

    libvirt: PrivateLibvirt

    def __init__(self, name: str, wires: Wires, url: str, agents: VifAgentAPI) -> None:
        self.name = name
        self._wires, self._url, self._agents = wires, url, agents

    def __enter__(self) -> Self:
        self.namespace = Namespace()
        with contextlib.ExitStack() as stack:
            stack.callback(self.namespace.close)
            self.address = stack.enter_context(self._wires.connected(self.namespace))
            uplink = f"{TRUNK}-{self.name}"
            ip("link", "add", uplink, "up", "master", TRUNK, "type", "veth",
               "peer", "name", _UPLINK, "netns", self.namespace.path)  # fmt: skip
            stack.callback(ip, "link", "delete", uplink)
            with self.entered():
                ip("link", "set", _UPLINK, "up")
                self.scratch = stack.enter_context(ScratchHost())
                self.scratch.ovs.vsctl("add-port", "br-int", _UPLINK)
                self.libvirt = stack.enter_context(self._libvirt())
            self.agent = self.another_agent("agent", _PROGRAM)
            stack.callback(self.stop_agent)
            self.start_agent()
            self._stack = stack.pop_all()
        return self

    def _libvirt(self) -> PrivateLibvirt:
        identity = str(uuid.uuid5(uuid.NAMESPACE_DNS, self.name))
        directory, ovs = self.scratch.directory / "libvirt", self.scratch.ovs.directory
        return PrivateLibvirt(directory, self.name, identity, ovs)

    def another_agent(self, directory: str, *argv: str) -> Daemon:
        """With the same state."""
        options = {
            "DEFAULT": {"host": self.name},
            "bridge": {"wire_taps": "true"},
            "network": {"physical_interface_mappings": "physnet1:eth1"},
            "ovs": {"isolate": "never"},  # nobody is here who would tag ports
        }
        state = self.scratch.directory / "state"
        return Daemon(self.scratch, self._url, options, (*SEEING, *argv), state, directory)

    def indexes(self) -> dict[str, int]:
        """A device that has been made anew has another."""
        return {name: link["ifindex"] for name, link in self.links().items()}

    def plug(self, nics: Iterable[Nic]) -> None:
        """As nova does it: one by one, and one that fails is raised."""
        for nic in nics:
            self._agents.plug_vif({}, self.name, INSTANCE, nic.sent, wait=_PATIENCE)

    def unplug(self, nics: Iterable[Nic]) -> None:
        for nic in nics:
            self._agents.unplug_vif({}, self.name, INSTANCE, nic.sent, wait=_PATIENCE)

    def make_taps(self, nics: Iterable[Nic]) -> None:
        """nova's own part, before the guest is there."""
        for nic in nics:
            if nic.kind.tap == "nova":
                queues = ("multi_queue",) if nic.queues > 1 else ()
                mac = "fe" + nic.vif["address"][2:]
                self.ip("tuntap", "add", "dev", nic.tap, "mode", "tap", *queues)
                self.ip("link", "set", nic.tap, "address", mac, "up")

    def remove_taps(self, nics: Iterable[Nic]) -> None:
        for nic in nics:
            if nic.kind.tap == "nova":
                self.ip("link", "delete", nic.tap)

    def start(self, guest: Guest) -> None:
        with _file(guest.domain()) as path:
            self.libvirt.virsh("create", path)

    def end(self, guest: Guest) -> None:
        self.libvirt.virsh("destroy", guest.name)


@contextlib.contextmanager
def _file(text: str) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(text)
        file.flush()
        yield file.name
