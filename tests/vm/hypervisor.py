"""The guest as a host of OpenStack's: asked over its bus, looked at by its shell, with guests that
say something."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from tests.support.casting import CONTEXT, wait_for
from tests.support.examples import INSTANCE
from tests.vm import disk, qemu
from tests.vm.guest import Guest
from tests.vm.ports import Plugged
from tests.vm.wire import Wire, mark
from vif_agent.bus.api import VifAgentAPI
from vif_agent.testing.daemon import transport

NAME = "hypervisor"  # as in files/vif-agent.conf
WAIT = 600.0  # seconds: for what takes some there, on a busy machine
_SOON = 30.0  # seconds: for a frame

_LOOK = (
    "ip -d -j link; printf '\\x01';"
    " ovs-vsctl -t 60 -f json --columns=name,tag list Port"
    " -- --columns=name,type,external_ids list Interface; printf '\\x01';"
    " nft list table bridge vif_agent 2>/dev/null | grep -o 'tap[0-9a-f-]*' | sort -u"
)


class Hypervisor:
    """``wires``: where its NICs lead to."""

    def __init__(self, image: Path, directory: Path, release: str) -> None:
        self.wires = {name: Wire(directory, name) for name in ("flat", "trunk", "card")}
        self._bus_port = _free_port()
        self.url = f"rabbit://guest:guest@127.0.0.1:{self._bus_port}/"
        self.console = directory / "console"
        self.guest = Guest(image, self.console, release, self._nics())

    def _nics(self) -> list[str]:
        """The host's own, by which we reach its broker; those of a flat network, with a DHCP server
        there, and of VLANs; the card."""
        wires = (word for wire in self.wires.values() for word in ("-netdev", wire.netdev))
        return [
            *wires,
            *("-netdev", f"user,id=own,hostfwd=tcp:127.0.0.1:{self._bus_port}-:5672"),
            *("-device", f"virtio-net-pci,netdev=own,mac={disk.MANAGEMENT}"),
            *(
                "-netdev",
                "user,id=dhcp,net=10.0.3.0/24",
                "-netdev",
                "hubport,id=h1,hubid=1,netdev=dhcp",
            ),
            *("-netdev", "hubport,id=h2,hubid=1,netdev=flat", "-netdev", "hubport,id=h3,hubid=1"),
            *("-device", f"virtio-net-pci,netdev=h3,mac={disk.FLAT}"),
            *("-device", f"virtio-net-pci,netdev=trunk,mac={disk.TRUNK}"),
            *qemu.card("card"),
        ]

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for wire in self.wires.values():
                stack.enter_context(wire)
            stack.enter_context(self.guest)
            self._started = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._started.close()

    # -- the agent, over the bus

    def join_bus(self) -> None:
        """When the broker is there."""
        self._transport = transport(self.url)
        self.api = VifAgentAPI(transport=self._transport, timeout=60)

    def leave_bus(self) -> None:
        self._transport.cleanup()

    def plug(self, ports: Iterable[Plugged]) -> None:
        """Cast all, and wait until all are ready."""
        for port in ports:
            self.api.plug_vif(CONTEXT, NAME, INSTANCE, port.vif)
        self.all_ready()

    def unplug(self, ports: Iterable[Plugged]) -> None:
        for port in ports:
            self.api.unplug_vif(CONTEXT, NAME, INSTANCE, port.vif)
        wait_for(lambda: not self.api.list_vifs(CONTEXT, NAME), "nothing plugged", WAIT)

    def all_ready(self) -> None:
        def ready() -> bool:
            unready = [p for p in self.api.list_vifs(CONTEXT, NAME) if p["state"] != "ready"]
            if unready:
                raise LookupError([(p["vif_type"], p["state"], p["error"]) for p in unready])
            return True

        wait_for(ready, "all ready", WAIT)

    # -- the host, by its shell

    def look(self, indexes: bool = False) -> set[str]:
        """A line for each thing of the host that ports are made of. ``indexes``: by which a device
        that was made anew is told from the one before."""
        links, rows, guards = self.guest.run(_LOOK, WAIT).split("\x01")
        found = {_described(link, indexes) for link in json.loads(links)}
        ports, interfaces = (json.loads(line)["data"] for line in rows.strip().splitlines())
        tags = {name: f" tag {tag}" for name, tag in ports if isinstance(tag, int)}
        for name, kind, (_, ids) in interfaces:
            words = " ".join(value for key, value in ids if key == "iface-id")
            found.add(f"ovs-port {name} {kind}{tags.get(name, '')} {words}".strip())
        return found | {f"guard {name}" for name in guards.split()}

    def agent(self, field: str) -> str:
        """What systemd shows of the service."""
        return self.guest.run(f"systemctl show -P {field} vif-agent")

    def restarted(self, before: str) -> float:
        """Wait for the agent that another main process than this one is; seconds."""
        asked = self.guest.uptime()
        another = f"[ $(systemctl show -P MainPID vif-agent) != {before} ]"
        self.guest.wait(f"systemctl is-active -q vif-agent && {another}")
        return self.guest.uptime() - asked

    def since_boot(self, unit: str, field: str = "ActiveEnterTimestampMonotonic") -> float:
        """Seconds from the kernel's start until systemd counted it so."""
        return int(self.guest.run(f"systemctl show -P {field} {unit}")) / 1e6

    def await_boot(self) -> None:
        self.guest.wait("systemctl is-active -q vif-agent || systemctl is-failed -q vif-agent")
        if self.agent("ActiveState") != "active":
            raise RuntimeError(self.guest.run("journalctl -b -u vif-agent --no-pager | tail -50"))

    def start_guests(self, ports: Iterable[Plugged]) -> None:
        """What libvirt makes, and every guest begins to listen."""
        ports = list(ports)
        for port in ports:
            if command := port.kind.libvirt(port.vif):
                self.guest.run(command)
        self.probe("hold", *(port.end for port in ports if port.kind.payload not in SILENT))

    def stop_guests(self, ports: Iterable[Plugged]) -> None:
        self.probe("release")
        for port in ports:
            if port.kind.libvirt(port.vif):
                gone = "set down" if port.kind.end == "device" else "del"
                self.guest.run(f"ip link {gone} dev {port.device}")

    # -- frames

    def probe(self, method: str, *arguments: Any, timeout: float = WAIT) -> Any:
        return self.guest.ask(method, *arguments, timeout=timeout)

    def crosses(self, one: Plugged, other: Plugged) -> bool:
        """A frame each way."""
        return all(
            self.probe("crosses", a.end, b.end, a.vif["address"], _SOON)
            for a, b in ((one, other), (other, one))
        )

    def arrives(self, port: Plugged, wire: str) -> set[int]:
        """In which VLANs what its guest says comes out there."""
        text = mark()
        self.probe("shout", port.end, port.vif["address"], text.hex(), 2)
        wait_for(lambda: self.wires[wire].vlans(text), f"frame of {port.kind.name}", _SOON)
        return self.wires[wire].vlans(text)

    def hears(self, port: Plugged, wire: str, vlan: int) -> bool:
        """What comes in there in this VLAN."""
        text = mark()
        with self.wires[wire].shouting(text, vlan):
            return bool(self.probe("hears", port.end, text.hex(), _SOON))


SILENT = ("vhostuser_ovs_client",)  # Open vSwitch without DPDK has no such port


def _described(link: dict[str, Any], indexes: bool) -> str:
    name, info = link["ifname"], link.get("linkinfo", {})
    words = [info.get("info_kind", "device"), name, f"mtu {link['mtu']}"]
    words += [f"in {link['master']}"] if "master" in link else []
    words += ["up" if "UP" in link["flags"] else "down", link.get("ifalias", "")]
    words += [f"index {link['ifindex']}"] if indexes else []
    words += [
        f"vf {vf['vf']} {vf['address']} {vf.get('vlan_list')}" for vf in link.get("vfinfo_list", ())
    ]
    return " ".join(words).strip()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
