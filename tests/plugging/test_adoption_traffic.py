"""Two running guests, plugged by others before: the agent comes, works and goes, and no frame
between them is lost."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support import peers
from tests.support.casting import Site
from tests.support.real_host import TUN, Vif, ip, links, new_vif, row, sweep
from tests.support.traffic import Traffic
from vif_agent.testing.frames import TapEnd
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.ovs import PrivateOvs

Load = Callable[[str], Vif]

BRIDGE = "brq7151fa78-2a"
INTERVALS = (0.002, 0.005, 0.02)  # the first that a machine carries without the agent


@dataclasses.dataclass(frozen=True)
class Peer:
    """``tagged``: the devices of a port that the agent takes over; ``row``: its OVS port."""

    payload: str
    make: Callable[[PrivateOvs, Vif], None]
    tagged: tuple[str, ...] = ()
    row: str = ""


def _hybrid(ovs: PrivateOvs, vif: Vif) -> None:
    peers.os_vif_hybrid(ovs, vif)
    peers.settle_as_os_vif(ovs, vif)
    peers.libvirt_tap(vif, peers.names(vif)[0])


def _old_hybrid(ovs: PrivateOvs, vif: Vif) -> None:
    peers.os_vif_hybrid(ovs, vif)
    peers.libvirt_tap(vif, peers.names(vif)[0])


def _direct(ovs: PrivateOvs, vif: Vif) -> None:
    peers.libvirt_tap(vif)
    peers.os_vif_row(ovs, vif, vif["devname"])
    ovs.vsctl("set", "interface", vif["devname"], "external_ids:vm-id=domain")


def _nova(_: PrivateOvs, vif: Vif) -> None:
    if BRIDGE not in links():
        peers.nova_bridge(BRIDGE, vif)
    peers.libvirt_tap(vif, BRIDGE)


def _neutron(_: PrivateOvs, vif: Vif) -> None:
    if BRIDGE not in links():
        peers.neutron_bridge(BRIDGE)
    peers.libvirt_tap(vif, BRIDGE)


PEERS = {
    "os-vif hybrid": Peer("ovs_hybrid", _hybrid, ("qbr", "qvb", "qvo"), "qvo"),
    "old os-vif hybrid": Peer("ovs_hybrid", _old_hybrid, ("qbr", "qvb", "qvo"), "qvo"),
    "libvirt on Open vSwitch": Peer("ovs", _direct, row="tap"),
    "nova and libvirt": Peer("bridge", _nova, ("tap",)),
    "linux bridge agent": Peer("bridge", _neutron, ("tap",)),
}


@pytest.fixture
def clean(scratch_with_bus: ScratchHost) -> Iterator[ScratchHost]:
    sweep(scratch_with_bus)  # a guard holds by its device's name
    yield scratch_with_bus
    sweep(scratch_with_bus)


def lossless_interval(one: tuple[TapEnd, str], two: tuple[TapEnd, str]) -> float:
    """By control runs, without the agent."""
    for interval in INTERVALS:
        with Traffic(one, two, interval) as traffic:
            time.sleep(0.5)
        if not traffic.wrong:
            return interval
    pytest.fail(f"this machine loses frames without the agent: {traffic.wrong}")


def whole_life(site: Site, *vifs: Vif) -> None:
    """Plugged, plugged again, restarted in order and by a crash, plugged; stopped and forgotten."""
    for _ in range(2):
        for vif in vifs:
            assert site.plug(vif)["state"] == "ready"
    site.daemon.stop()
    site.daemon.start()
    site.daemon.kill()
    site.daemon.start()
    for vif in vifs:
        assert site.plug(vif)["state"] == "ready"
    site.daemon.stop()
    shutil.rmtree(site.daemon.state_path)


def owners(peer: Peer, vif: Vif, ovs: PrivateOvs) -> set[object]:
    short, there = vif["id"][:11], links()
    found: set[object] = {there[prefix + short].get("ifalias") for prefix in peer.tagged}
    if peer.row:
        ids = row(ovs, "interface", peer.row + short)["external_ids"]
        found.add(f"vif-agent {ids.get('vif-agent')}")
    return found


@pytest.mark.parametrize("name", PEERS)
def test_ports_of_others_are_taken_over_without_a_lost_frame(
    name: str, clean: ScratchHost, payload: Load, figures: Callable[[str], None]
) -> None:
    peer = PEERS[name]
    vifs = [new_vif(payload(peer.payload), number) for number in (1, 2)]
    for vif in vifs:
        peer.make(clean.ovs, vif)
        ip("link", "set", vif["devname"], "txqueuelen", "10000")  # a reader may be late
    before = {link: facts["ifindex"] for link, facts in links().items()}
    a, b = vifs
    with TapEnd(a["devname"], TUN) as guest, TapEnd(b["devname"], TUN) as other:
        ends = ((guest, a["address"]), (other, b["address"]))
        interval = lossless_interval(*ends)
        with Traffic(*ends, interval) as traffic, Site(clean, "threading") as site:
            whole_life(site, *vifs)
    assert traffic.wrong == []
    assert {link: facts["ifindex"] for link, facts in links().items()} == before
    for vif in vifs:
        assert owners(peer, vif, clean.ovs) == {f"vif-agent {vif['id']}"}
    figures(f"adoption, {name}: {traffic.sent} frames, one every {interval} s each way, 0 lost")
