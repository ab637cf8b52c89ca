"""VXLAN devices on the real kernel: kept as wanted, and those of others used as they are."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.peers import neutron_bridge, neutron_vxlan
from tests.support.real_host import (
    Ports,
    all_plugins,
    bridge_fdb,
    everything,
    ip,
    links,
    network_types,
    new_vif,
    nothing_written,
)
from tests.support.wire import HOST, NIC, Wire
from vif_agent.host.real import RealHost
from vif_agent.network_types.vxlan import VxlanDriver
from vif_agent.plugins.bridge import BridgePlugin
from vif_agent.ports.port import ERROR, READY, RETRYING, UNPLUGGED
from vif_agent.ports.store import Store
from vif_agent.resources import LINK, Key
from vif_agent.testing.ovs import PrivateOvs
from vif_agent.testing.watch import WriteWatch

Vif = dict[str, Any]
Load = Callable[[str], Vif]
Start = Callable[..., Ports]

DEVICE = "vxlan-70007"
FLOOD = "00:00:00:00:00:00"
PEERS = ("192.0.2.7", "192.0.2.8")
GROUP, BY_PEERS, IPV6 = (
    {"local_ip": HOST[0]},
    {"local_ip": HOST[0], "peers": PEERS},
    {"local_ip": HOST[1], "group": "ff05::7", "ttl": 9},
)


@pytest.fixture
def start(wire: Wire, host: RealHost, store: Store) -> Start:
    def start(**settings: Any) -> Ports:
        drivers = network_types(vxlan=VxlanDriver(**settings))
        plugins = {**all_plugins(), "bridge": BridgePlugin(create_tap=True, network_types=drivers)}
        return Ports(host, store, plugins)

    return start


@pytest.fixture
def vif(payload: Load) -> Vif:
    vif = payload("bridge")
    text = {"network_type": "vxlan", "segmentation_id": 70007, "mtu": 1430}
    return {**vif, "network": {**vif["network"], "meta": {**vif["network"]["meta"], **text}}}


def bridge(vif: Vif) -> str:
    return str(vif["network"]["bridge"])


def shown() -> dict[str, Any]:
    link = links()[DEVICE]
    data: dict[str, Any] = link["linkinfo"]["info_data"]
    return {**data, "mtu": link["mtu"], "master": link.get("master")}


@pytest.mark.parametrize("settings", [GROUP, BY_PEERS, IPV6], ids=["group", "peers", "IPv6"])
def test_plug_twice_and_unplug_twice(
    settings: dict[str, Any], start: Start, vif: Vif, ovs: PrivateOvs
) -> None:
    before, ports = everything(ovs), start(**settings)
    assert [port.state for port in ports.plug(vif)] == [READY]
    there = shown()
    assert (there["id"], there["port"], there["mtu"]) == (70007, 8472, 1430)
    assert there["master"] == bridge(vif)
    with nothing_written(ovs):
        assert [port.state for port in ports.plug(vif)] == [READY]
    for _again in range(2):
        assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
        assert everything(ovs) == before


def test_group_is_heard_by_the_device_of_the_local_address(start: Start, vif: Vif) -> None:
    start(**IPV6).plug(vif)
    there = shown()
    assert (there["link"], there["group6"], there["local6"], there["ttl"]) == (
        NIC, "ff05::7", HOST[1], 9,
    )  # fmt: skip


def test_group_is_that_of_the_range_with_the_vni(start: Start, vif: Vif) -> None:
    ports = start(**GROUP, ranges=(("239.1.1.1", range(1, 70008)),))
    assert [port.state for port in ports.plug(vif)] == [READY]
    assert shown()["group"] == "239.1.1.1"
    ports.unplug(vif)


def test_device_stays_until_its_last_port_has_gone(start: Start, vif: Vif) -> None:
    ports, other = start(**GROUP), new_vif(vif, 2)
    ports.plug(vif, other)
    index = links()[DEVICE]["ifindex"]
    ports.unplug(vif)
    assert links()[DEVICE]["ifindex"] == index
    ports.unplug(other)
    assert {DEVICE, bridge(vif)}.isdisjoint(links())


@pytest.mark.parametrize("act", ["delete", "append"])
def test_peers_are_put_right(act: str, start: Start, vif: Vif) -> None:
    ports = start(**BY_PEERS)
    (port,) = ports.plug(vif)
    index = links()[DEVICE]["ifindex"]
    bridge_fdb(act, FLOOD, "dev", DEVICE, "dst", PEERS[0] if act == "delete" else "192.0.2.9")
    assert ports.reconcile({port.port_id})[port.port_id].repaired
    assert links()[DEVICE]["ifindex"] == index
    entries = [e for e in bridge_fdb("show", "dev", DEVICE).splitlines() if e.startswith(FLOOD)]
    assert sorted(entry.split()[2] for entry in entries) == list(PEERS)


@pytest.mark.parametrize("act", ["delete", "append"])
def test_change_of_the_peers_wakes_the_port(
    act: str, start: Start, host: RealHost, vif: Vif
) -> None:
    ports = start(**BY_PEERS)
    ports.plug(vif)
    reported = threading.Event()
    host.on_change(
        lambda keys: reported.set() if keys and ports.engine.records.ports_of(keys) else None
    )
    bridge_fdb(act, FLOOD, "dev", DEVICE, "dst", PEERS[0] if act == "delete" else "192.0.2.9")
    assert reported.wait(5)


def test_what_is_learned_wakes_nobody(
    start: Start, host: RealHost, vif: Vif, ovs: PrivateOvs
) -> None:
    """Thousands a second on a hypervisor: by guests' frames, and by the host's own ARP."""
    start(**BY_PEERS).plug(vif)
    with WriteWatch(ovs) as watch:
        watch.settle(quiet=1.1)
    reported: list[frozenset[Key] | None] = []
    ended = threading.Event()
    host.on_change(reported.append)
    host.on_change(lambda keys: ended.set() if keys and Key(LINK, "the-last") in keys else None)
    for number in range(20):
        mac = f"02:00:00:00:00:{number:02x}"
        bridge_fdb("add", mac, "dev", DEVICE, "dst", "192.0.2.9", "dynamic")
        bridge_fdb("add", mac, "dev", DEVICE, "master", "dynamic")
        ip("neighbour", "add", f"192.0.2.{number + 100}", "lladdr", mac, "dev", NIC)
    ip("link", "add", "the-last", "type", "bridge")
    assert ended.wait(5)
    keys = frozenset().union(*(keys for keys in reported if keys))
    assert keys == {Key(LINK, "the-last")}


def test_learned_entries_are_nobodys_to_judge(start: Start, vif: Vif, ovs: PrivateOvs) -> None:
    ports = start(**BY_PEERS)
    ports.plug(vif)
    bridge_fdb("append", "02:00:00:00:00:07", "dev", DEVICE, "dst", "192.0.2.9")
    with nothing_written(ovs):
        ports.plug(vif)


def test_other_settings_make_it_anew(start: Start, vif: Vif) -> None:
    start(**GROUP).plug(vif)
    assert [port.state for port in start(**BY_PEERS).plug(vif)] == [READY]
    assert "group" not in shown()
    assert [port.state for port in start(**GROUP, port=4789).plug(vif)] == [READY]
    assert (shown()["group"], shown()["port"]) == ("224.0.0.1", 4789)


def test_without_its_address_the_port_waits_for_it(start: Start, vif: Vif) -> None:
    ports = start(local_ip="192.0.2.99")
    (port,) = ports.plug(vif)
    assert (port.state, port.problem and port.problem.message) == (
        RETRYING, f"{DEVICE}: no device carries 192.0.2.99 [ENODEV]",
    )  # fmt: skip
    ip("address", "add", "192.0.2.99/24", "dev", NIC)
    assert ports.reconcile({port.port_id})[port.port_id].state == READY


def test_group_follows_the_address_into_a_flat_bridge_and_back(
    start: Start, vif: Vif, payload: Load
) -> None:
    """On the NIC itself, which is in a bridge then, nothing would hear the group any more."""
    ports, flat = start(**GROUP), new_vif(payload("bridge"), 2)
    flat["network"] = {
        **flat["network"], "bridge": "brq-flat", "meta": {"bridge_interface": NIC, "mtu": 1500},
    }  # fmt: skip
    (port,) = ports.plug(vif)
    ports.plug(flat)
    ports.reconcile({port.port_id})
    assert shown()["link"] == "brq-flat"
    ports.unplug(flat)
    ports.reconcile({port.port_id})
    assert shown()["link"] == NIC
    ports.unplug(vif)


def test_change_of_the_device_wakes_its_port(start: Start, host: RealHost, vif: Vif) -> None:
    ports = start(**GROUP)
    (port,) = ports.plug(vif)
    reported = threading.Event()
    host.on_change(
        lambda keys: reported.set() if keys and ports.engine.records.ports_of(keys) else None
    )
    ip("link", "set", DEVICE, "down")
    assert reported.wait(30)
    assert ports.reconcile({port.port_id})[port.port_id].repaired


def test_device_of_neutrons_agent_is_used_as_it_is(start: Start, vif: Vif, ovs: PrivateOvs) -> None:
    """In the network's bridge, as the linux bridge agent leaves both; and it outlives our ports."""
    neutrons(bridge(vif))
    before, ports = everything(ovs), start(**GROUP)
    assert [port.state for port in ports.plug(vif)] == [READY]
    assert links()[vif["devname"]]["master"] == bridge(vif)
    assert shown()["master"] == bridge(vif)
    ports.unplug(vif)
    assert everything(ovs) == before


@pytest.mark.parametrize(
    ("commands", "differs"),
    [
        ([("link", "set", DEVICE, "nomaster")], "master  -> brq7151fa78-2a"),
        (
            [("link", "add", "br-x", "type", "bridge"), ("link", "set", DEVICE, "master", "br-x")],
            "master br-x -> brq7151fa78-2a",
        ),
    ],
)
def test_device_of_others_that_leads_elsewhere_is_a_conflict(
    commands: list[tuple[str, ...]], differs: str, start: Start, vif: Vif, ovs: PrivateOvs
) -> None:
    neutrons(bridge(vif))
    for command in commands:
        ip(*command)
    before, ports = everything(ovs), start(**GROUP)
    (port,) = ports.plug(vif)
    assert (port.state, port.problem and port.problem.message) == (
        ERROR, f"{DEVICE} exists, is not ours and differs: {differs}",
    )  # fmt: skip
    ports.unplug(vif)
    assert everything(ovs) == before


def neutrons(name: str) -> None:
    neutron_bridge(name)
    neutron_vxlan(name, 70007, NIC)
