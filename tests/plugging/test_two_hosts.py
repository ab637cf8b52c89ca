"""Two hosts joined by a wire: ports of one network hear each other, and nobody else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.hypervisor import Hypervisor, wired
from tests.support.peers import libvirt_tap, neutron_bridge, neutron_vxlan
from tests.support.real_host import TUN, all_plugins, ip, links, new_vif
from vif_agent.network_types.flat import FlatDriver
from vif_agent.network_types.loader import NetworkTypes
from vif_agent.network_types.physical import Physical
from vif_agent.network_types.vlan import VlanDriver
from vif_agent.network_types.vxlan import VxlanDriver
from vif_agent.plugins.bridge import BridgePlugin
from vif_agent.ports.store import Store
from vif_agent.testing.frames import BROADCAST, End, TapEnd, crosses, frame

Vif = dict[str, Any]
Load = Callable[[str], Vif]

NIC = "eth1"
ADDRESSES = ("192.0.2.1", "192.0.2.2")
FRAMES = 50

WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "flat": ({}, {"network_type": "flat", "physical_network": "physnet1"}),
    "vxlan by group": ({}, {"network_type": "vxlan", "segmentation_id": 70007}),
    "vxlan by a range of groups": (
        {"group": "239.0.0.0/8"},
        {"network_type": "vxlan", "segmentation_id": 70007},
    ),
    "vxlan with peers": (
        {"peers": ADDRESSES, "port": 4789},
        {"network_type": "vxlan", "segmentation_id": 70007},
    ),
}


@pytest.fixture(scope="module")
def two_hosts() -> Iterator[tuple[Hypervisor, Hypervisor]]:
    with Hypervisor() as one, Hypervisor() as other:
        yield one, other


@pytest.fixture
def hosts(two_hosts: tuple[Hypervisor, Hypervisor]) -> Iterator[tuple[Hypervisor, Hypervisor]]:
    one, other = two_hosts
    wired(one, other, NIC, *(address + "/24" for address in ADDRESSES))
    yield two_hosts
    with one.namespace.entered():
        ip("link", "delete", NIC)


PHYSICAL = Physical({"physnet1": NIC})


def plugins(local: str, vxlan: dict[str, Any]) -> dict[str, Any]:
    settings = {**vxlan, "peers": tuple(p for p in vxlan.get("peers", ()) if p != local)}
    drivers = NetworkTypes(
        {
            "flat": FlatDriver(PHYSICAL),
            "vlan": VlanDriver(PHYSICAL),
            "vxlan": VxlanDriver(local_ip=local, **settings),
        }
    )
    return {**all_plugins(), "bridge": BridgePlugin(create_tap=True, network_types=drivers)}


@pytest.fixture
def start(
    hosts: tuple[Hypervisor, Hypervisor], tmp_path: Path
) -> Iterator[Callable[[dict[str, Any]], None]]:
    """An agent on each host, with these settings of VXLAN."""
    with contextlib.ExitStack() as stack:

        def start(vxlan: dict[str, Any]) -> None:
            for number, host in enumerate(hosts):
                store = Store(tmp_path / f"{number}.sqlite")
                stack.callback(store.close)
                host.start_agent(store, plugins(ADDRESSES[number], vxlan))

        yield start


def of_network(vif: Vif, number: int, **meta: object) -> Vif:
    network = {**vif["network"], "meta": {**vif["network"]["meta"], "mtu": 1450, **meta}}
    return {**new_vif(vif, number), "network": network}


@contextlib.contextmanager
def guests(*plugged: tuple[Hypervisor, Vif]) -> Iterator[list[End]]:
    with contextlib.ExitStack() as stack:
        ends: list[End] = []
        for host, vif in plugged:
            with host.namespace.entered():
                ends.append(stack.enter_context(TapEnd(vif["devname"], TUN)))
        yield ends


def heard(sender: End, source: str, target: str, listener: End) -> list[bytes]:
    """Which of some frames arrive, each as often as it does."""
    mark = b"counted " + source.encode() + target.encode()
    for number in range(FRAMES):
        sender.send(frame(source, target, mark + number.to_bytes(2, "big")))
    arrived: list[bytes] = []
    while got := listener.receive(mark, 10 if len(arrived) < FRAMES else 0.2):
        arrived.append(got)
    return arrived


@pytest.mark.parametrize("way", WAYS)
def test_ports_of_one_network_hear_each_other_on_two_hosts(
    way: str,
    hosts: tuple[Hypervisor, Hypervisor],
    start: Callable[[dict[str, Any]], None],
    payload: Load,
    figures: Callable[[str], None],
) -> None:
    settings, meta = WAYS[way]
    start(settings)
    vifs = [of_network(payload("bridge"), number, **meta) for number in (1, 2)]
    for host, vif in zip(hosts, vifs, strict=True):
        host.plug(vif)
    counts: list[int] = []
    with guests(*zip(hosts, vifs, strict=True)) as (a, b):
        assert crosses(a, b, source_mac=vifs[0]["address"])
        assert crosses(b, a, source_mac=vifs[1]["address"])
        for sender, listener, source, target in (
            (a, b, *(vif["address"] for vif in vifs)),
            (b, a, *(vif["address"] for vif in reversed(vifs))),
            (a, b, vifs[0]["address"], BROADCAST),
        ):
            arrived = heard(sender, source, target, listener)
            assert len(arrived) == len(set(arrived)) == FRAMES
            counts.append(len(arrived))
    figures(f"{way}: {sum(counts)} frames of {3 * FRAMES} between two hosts, none twice")
    _verify_nothing_left(hosts, vifs)


def _verify_nothing_left(hosts: Sequence[Hypervisor], vifs: Sequence[Vif]) -> None:
    for host, vif in zip(hosts, vifs, strict=True):
        host.unplug(vif)
        with host.namespace.entered():
            assert set(links()) == {"lo", "br-int", "ovs-netdev", NIC}
            assert "master" not in links()[NIC]
            assert ADDRESSES[hosts.index(host)] in {a["local"] for a in links()[NIC]["addr_info"]}


@pytest.mark.parametrize("settings", [{}, {"peers": ADDRESSES}], ids=["group", "peers"])
def test_ports_of_two_vxlan_networks_do_not_hear_each_other(
    settings: dict[str, Any],
    hosts: tuple[Hypervisor, Hypervisor],
    start: Callable[[dict[str, Any]], None],
    payload: Load,
) -> None:
    start(settings)
    one = of_network(payload("bridge"), 1, network_type="vxlan", segmentation_id=70007)
    same = of_network(payload("bridge"), 2, network_type="vxlan", segmentation_id=70007)
    other = of_network(payload("bridge"), 3, network_type="vxlan", segmentation_id=70008)
    other["network"]["bridge"] = "brq-other"
    hosts[0].plug(one)
    hosts[1].plug(same, other)
    with guests((hosts[0], one), (hosts[1], same), (hosts[1], other)) as (a, b, c):
        assert crosses(a, b, source_mac=one["address"])
        assert not crosses(a, c, timeout=0.4)
    hosts[0].unplug(one)
    hosts[1].unplug(same, other)


def test_port_hears_a_host_that_neutrons_agent_still_serves(
    hosts: tuple[Hypervisor, Hypervisor],
    start: Callable[[dict[str, Any]], None],
    payload: Load,
) -> None:
    """By multicast, with the linux bridge agent's defaults."""
    start({})
    ours = of_network(payload("bridge"), 1, network_type="vxlan", segmentation_id=70007)
    theirs = new_vif(ours, 2)
    hosts[0].plug(ours)
    with hosts[1].namespace.entered():
        neutron_bridge("brq-theirs")
        neutron_vxlan("brq-theirs", 70007, NIC)
        libvirt_tap(theirs, "brq-theirs")
    with hosts[0].namespace.entered():
        a = TapEnd(ours["devname"], TUN)
    with hosts[1].namespace.entered():
        b = TapEnd(theirs["devname"], TUN, vnet_hdr=True)
    with a, b:
        assert crosses(a, b, source_mac=ours["address"])
        assert crosses(b, a, source_mac=theirs["address"])
    hosts[0].unplug(ours)
    with hosts[1].namespace.entered():
        for name in ("brq-theirs", "vxlan-70007", theirs["devname"]):
            ip("link", "delete", name)


def test_ports_of_one_vlan_hear_each_other_on_two_hosts(
    hosts: tuple[Hypervisor, Hypervisor],
    start: Callable[[dict[str, Any]], None],
    payload: Load,
) -> None:
    with hosts[0].namespace.entered():
        try:
            ip("link", "add", "link", NIC, "name", "probe", "type", "vlan", "id", "7")
        except RuntimeError as error:
            pytest.skip(f"this kernel has no VLAN devices: {error}")
        ip("link", "delete", "probe")
    start({})
    text = {"should_create_vlan": True, "vlan": 101, "bridge_interface": NIC}
    vifs = [of_network(payload("bridge"), number, **text) for number in (1, 2)]
    for host, vif in zip(hosts, vifs, strict=True):
        host.plug(vif)
    with guests(*zip(hosts, vifs, strict=True)) as (a, b):
        assert crosses(a, b, source_mac=vifs[0]["address"])
        arrived = heard(a, vifs[0]["address"], vifs[1]["address"], b)
        assert len(arrived) == len(set(arrived)) == FRAMES
    _verify_nothing_left(hosts, vifs)
