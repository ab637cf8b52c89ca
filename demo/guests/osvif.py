"""The same without an agent: os-vif plugs, in a process like nova-compute's on each host."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from demo.guests.host import Host
from demo.guests.vifs import Nic
from tests.support.nova_side import NovaSide
from tests.support.osvif_specs import Spec, ovs, ovs_hybrid
from vif_agent.testing.neutron.hypervisor import SEEING


class OsVif:
    """On several hosts."""

    def __init__(self, sides: dict[str, NovaSide]) -> None:
        self._sides = sides

    def plug(self, host: Host, nics: Sequence[Nic]) -> None:
        self._sides[host.name].plug(*map(_spec, nics))

    def unplug(self, host: Host, nics: Sequence[Nic]) -> None:
        self._sides[host.name].unplug(*map(_spec, nics))


def plugs(kind: str) -> bool:
    """nova 34 sends it nothing of linux bridges."""
    return kind not in ("tap", "bridge")


@contextlib.contextmanager
def on(hosts: Sequence[Host]) -> Iterator[OsVif]:
    with contextlib.ExitStack() as stack:
        yield OsVif({host.name: stack.enter_context(_side(host)) for host in hosts})


@contextlib.contextmanager
def _side(host: Host) -> Iterator[NovaSide]:
    directory = host.scratch.directory / "osvif"
    directory.mkdir()
    more = f"[os_vif_ovs]\novsdb_connection = {host.scratch.ovs.connection}\n"
    side = NovaSide(directory, "fake://", take_over=(), host=host.name, more=more, seeing=SEEING)
    with host.entered():
        side.start()
    try:
        side.initialize()
        side.ask("privileged_here")
        yield side
    finally:
        side.close()


def _spec(nic: Nic) -> Spec:
    spec = (ovs_hybrid if nic.kind.name == "hybrid" else ovs)(nic.vif)
    spec["port_profile"]["multiqueue"] = nic.queues > 1
    return spec
