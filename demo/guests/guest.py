"""A small guest of libvirt's: its domain, with the interfaces that nova writes, and its console."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from demo.guests.vifs import PEER, Nic
from vif_agent.testing.libvirt import EMULATOR

IMAGE = Path(os.environ.get("VIF_AGENT_GUEST") or Path(__file__).parents[2] / ".guest")
INTERFACES = Path(__file__).with_name("interfaces")
_INTERVAL = 0.2  # seconds between two pings of one NIC
_TOLD = re.compile(rb"pings ([0-9.]+) ([0-9]+) ([0-9]+)\r?\n")
_DOMAIN = """
<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>128</memory>
  <vcpu>{cpus}</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{image}/kernel</kernel>
    <initrd>{image}/initrd</initrd>
    <cmdline>console=ttyS0 quiet loglevel=1 panic=-1 interval={interval} {nics}</cmdline>
  </os>
  <features><acpi/></features>
  <clock offset='utc'/>
  <devices>
    <emulator>{emulator}</emulator>
    <controller type='usb' model='none'/>
    <serial type='file'><source path='{console}' append='on'/></serial>
    <memballoon model='none'/>
  </devices>
</domain>
"""


@dataclass(frozen=True)
class Guest:
    """``number`` is its address in each network; nova gives it a queue for each CPU."""

    number: int
    nics: Sequence[Nic]
    console: Path

    @property
    def name(self) -> str:
        return f"guest-{self.number}"

    @property
    def cpus(self) -> int:
        return self.nics[0].queues

    def domain(self) -> str:
        """What libvirt is given."""
        words = (f"nic={n.vif['address']},{n.address}/24,{n.kind.address(PEER[self.number])}"
                 for n in self.nics)  # fmt: skip
        root = ElementTree.fromstring(
            _DOMAIN.format(
                name=self.name,
                uuid=uuid.uuid5(uuid.NAMESPACE_OID, self.name),
                cpus=self.cpus,
                image=IMAGE,
                emulator=EMULATOR,
                console=self.console,
                interval=_INTERVAL,
                nics=" ".join(words),
            )
        )
        devices = root.find("devices")
        assert devices is not None
        devices.extend(interface(nic) for nic in self.nics)
        return ElementTree.tostring(root, encoding="unicode")

    def said(self) -> bytes:
        return self.console.read_bytes() if self.console.exists() else b""

    def boots(self) -> int:
        """It starts anew when its kernel has failed."""
        return self.said().count(b"guest: up")

    def answered(self) -> dict[str, tuple[int, int]]:
        """How many pings the peer has answered, and the number of the last of them (the first is
        0), by the peer's address."""
        found = {nic.kind.address(PEER[self.number]): (0, -1) for nic in self.nics}
        for address, answered, last in _TOLD.findall(self.said()):
            found[address.decode()] = int(answered), int(last)
        return found


def interface(nic: Nic) -> ElementTree.Element:
    """As nova's own code has written it: scripts/test-nova sees to that."""
    return ElementTree.parse(INTERFACES / f"{nic.kind.name}-{nic.guest}.xml").getroot()
