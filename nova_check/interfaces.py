"""The interfaces of ``scripts/demo --guests``: what nova's own driver writes for these VIFs.

They are recorded, so that the demo needs no nova. Several queues nova gives to guests of KVM alone,
with vhost: libvirt leaves that out for a guest that is emulated.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from demo.guests.guest import INTERFACES
from demo.guests.vifs import Nic, nics
from demo.show import Checks, heading
from nova_check.cases import Case
from nova_check.child import Compute
from tests.support.osvif_specs import linux_bridge

TITLE = "interfaces of the demo's guests"
_QUEUES = {1: 1, 2: 2}  # of each guest


def check(record: bool) -> Checks:
    """``record``: write them anew."""
    heading(TITLE)
    checks = Checks()
    for path, xml in _written():
        if record:
            path.write_text(xml)
        held = path.exists() and path.read_text() == xml
        checks.that(f"{path.name} is as nova writes it", not held and xml)
    return checks


def _written() -> Iterator[tuple[Path, str]]:
    nowhere: dict[str, Any] = {
        "url": "fake://",
        "ovsdb": "unix:/none",
        "own_bridge": False,
        "take_over": "",
    }
    with (
        TemporaryDirectory(prefix="vif-agent-") as directory,
        Compute(Path(directory) / "nova", **nowhere) as nova,
    ):
        for guest, queues in _QUEUES.items():
            for nic in nics(guest, queues):
                yield INTERFACES / f"{nic.kind.name}-{guest}.xml", _interface(nova, nic)


def _interface(nova: Compute, nic: Nic) -> str:
    """vif_type ``bridge``, which nova 34 refuses: what its code still makes of os-vif's object."""
    virt_type = "kvm" if nic.queues > 1 else "qemu"
    if nic.vif["type"] == "bridge":
        return nova.domain_of(linux_bridge(nic.vif), _case(nic), virt_type)
    return nova.domain(_case(nic), virt_type)


def _case(nic: Nic) -> Case:
    asked = {"hw:vif_multiqueue_enabled": "true"} if nic.queues > 1 else {}
    return Case(TITLE, nic.vif, vcpus=nic.queues, extra_specs=asked)
