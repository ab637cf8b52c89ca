"""Casts to devices and back: engine, store, plugins and the real host, looked at from outside."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.examples import INSTANCE, PAYLOADS
from tests.support.expected import external_ids
from tests.support.real_host import (
    Ports,
    Vif,
    all_plugins,
    everything,
    everything_done,
    ip,
    links,
    new_vif,
    nothing_written,
    row,
    rows,
    sysctl,
    with_details,
)
from vif_agent.host.real import RealHost
from vif_agent.ports.port import ERROR, PLUG, READY, UNPLUGGED, PortRequest
from vif_agent.ports.store import Store
from vif_agent.testing.ovs import PrivateOvs
from vif_agent.testing.watch import WriteWatch

Load = Callable[[str], Vif]

PLUGGABLE = [
    "bridge", "ovs", "ovs_create_tap", "ovs_hybrid", "tap", "vhostuser_ovs", "vhostuser_ovs_client",
]  # fmt: skip
NOTHING = [
    "802.1qbg", "802.1qbh", "hostdev_physical", "noop", "ovs_remote_managed", "vhostuser_bare",
]  # fmt: skip
REFUSED = {
    "binding_failed": "binding_refused",
    "bridge_flat": "not_configured",
    "bridge_vxlan": "not_configured",
    "unbound": "binding_refused",
    **dict.fromkeys(("midonet", "iovisor", "ivs", "ivs_hybrid"), "command_not_allowed"),
    **dict.fromkeys(("vrouter", "ib_hostdev", "mlnx_direct"), "command_not_allowed"),
    **dict.fromkeys(("vrouter_direct", "vrouter_virtio_forwarder"), "command_not_allowed"),
    "vhostuser_fp_ovs": "command_not_allowed",
    "vhostuser_fp_hybrid": "command_not_allowed",
    "vhostuser_fp_bridge": "command_not_allowed",
    "vhostuser_vrouter": "command_not_allowed",
}
#: their card is not in this machine, and what the port waits for says so
AWAY = {
    "agilio_ovs_direct": "0000:05:08.1: this host has no such PCI device",
    "hw_veb_direct": "0000:03:10.1: no card of this host shows such a virtual function",
    "hw_veb_macvtap": "0000:03:10.2: this host has no such PCI device",
    "ovs_direct": "0000:81:00.2: this host has no such PCI device",
    "ovs_direct_netdev": "0000:81:00.3: this host has no such PCI device",
    "ovs_vdpa": "0000:81:00.4: this host has no such PCI device",
}
SHORT = "5843eca1-e1"  # of ovs_hybrid.json


def test_every_payload_is_tested() -> None:
    shipped = {path.stem for path in PAYLOADS.glob("*.json")}
    assert shipped == {*PLUGGABLE, *NOTHING, *REFUSED, *AWAY, "bridge_vlan", "macvtap"}


@pytest.mark.parametrize("name", PLUGGABLE)
def test_plug_and_unplug_leave_the_host_as_it_was(
    name: str, ports: Ports, payload: Load, ovs: PrivateOvs
) -> None:
    before, vif = everything(ovs), payload(name)
    assert [port.state for port in ports.plug(vif)] == [READY]
    assert everything(ovs) != before
    for _again in range(2):
        assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
        assert everything(ovs) == before


@pytest.mark.parametrize("name", PLUGGABLE)
def test_second_plug_writes_nothing(
    name: str, ports: Ports, payload: Load, ovs: PrivateOvs
) -> None:
    vif = payload(name)
    ports.plug(vif)
    with nothing_written(ovs):
        assert [port.state for port in ports.plug(vif)] == [READY]


@pytest.mark.parametrize("name", NOTHING)
def test_plug_of_what_others_do_is_ready_and_changes_nothing(
    name: str, ports: Ports, payload: Load, ovs: PrivateOvs
) -> None:
    before, vif = everything(ovs), payload(name)
    with WriteWatch(ovs) as watch:
        for _again in range(2):
            assert [port.state for port in ports.plug(vif)] == [READY]
        for _again in range(2):
            assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
        assert watch.events() == []
    assert everything(ovs) == before


@pytest.mark.parametrize("name", REFUSED)
def test_plug_of_what_we_cannot_plug_is_an_error_and_changes_nothing(
    name: str, ports: Ports, payload: Load, ovs: PrivateOvs
) -> None:
    before, vif = everything(ovs), payload(name)
    (port,) = ports.plug(vif)
    assert (port.state, port.problem and port.problem.code) == (ERROR, REFUSED[name])
    assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
    assert everything(ovs) == before


@pytest.mark.parametrize("name", AWAY)
def test_plug_for_a_card_that_is_not_there_waits_and_changes_nothing(
    name: str, host: RealHost, store: Store, payload: Load, ovs: PrivateOvs
) -> None:
    ports = Ports(host, store, ready_timeout=0)
    before, vif = everything(ovs), payload(name)
    (port,) = ports.plug(vif)
    assert port.problem
    assert (port.problem.code, port.problem.message) == ("not_yet", AWAY[name])
    assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
    assert everything(ovs) == before


def test_plug_of_a_macvtap_port(ports: Ports, payload: Load, ovs: PrivateOvs) -> None:
    """On a flat network the NIC is raised, and stays. This kernel may lack 8021q, as below."""
    ip("link", "add", "eth1", "type", "veth", "peer", "name", "far")
    vif = payload("macvtap")
    flat = with_details(vif, vlan=None)
    assert [port.state for port in ports.plug(flat)] == [READY]
    assert [port.state for port in ports.unplug(flat)] == [UNPLUGGED]
    assert "UP" in links()["eth1"]["flags"]
    before = everything(ovs)
    (port,) = ports.plug(vif)
    if port.problem:
        assert (port.problem.code, port.state) == ("host_refused", ERROR)
        assert port.problem.message.startswith("eth1.102: ")
    else:
        assert links()["eth1.102"]["link"] == "eth1"
    assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
    assert everything(ovs) == before


def test_plug_of_a_vlan_bridge(ports: Ports, payload: Load, ovs: PrivateOvs) -> None:
    """This kernel may lack 8021q: then the error says so and unplug still cleans up."""
    ip("link", "add", "eth1", "up", "type", "veth", "peer", "name", "far")
    before, vif = everything(ovs), payload("bridge_vlan")
    (port,) = ports.plug(vif)
    if port.problem:
        assert (port.problem.code, port.state) == ("host_refused", ERROR)
        assert port.problem.message.startswith("vlan101: ")
    else:
        assert links()["vlan101"]["master"] == "brq0ff69128-68"
    assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
    assert everything(ovs) == before


# The facts on the host


def test_hybrid_has_a_quiet_bridge(ports: Ports, payload: Load) -> None:
    ports.plug(payload("ovs_hybrid"))
    name = "qbr" + SHORT
    data = links()[name]["linkinfo"]["info_data"]
    assert {
        k: data[k] for k in ("forward_delay", "stp_state", "mcast_snooping", "ageing_time")
    } == {
        "forward_delay": 0,
        "stp_state": 0,
        "mcast_snooping": 0,
        "ageing_time": 0,
    }
    assert sysctl("ipv6", name, "disable_ipv6") == 1
    assert sysctl("ipv4", name, "arp_ignore") == 1
    assert sysctl("ipv4", name, "arp_announce") == 2


def test_hybrid_has_a_veth_pair_to_its_bridge(ports: Ports, payload: Load) -> None:
    ports.plug(payload("ovs_hybrid"))
    bridge, inner, outer = (links()[prefix + SHORT] for prefix in ("qbr", "qvb", "qvo"))
    assert (inner["link"], outer["link"]) == (outer["ifname"], inner["ifname"])
    assert (inner["master"], outer.get("master")) == (bridge["ifname"], None)
    for end in (inner, outer):
        assert {"UP", "PROMISC", "LOWER_UP"} <= set(end["flags"])
    assert [link["mtu"] for link in (bridge, inner, outer)] == [1450] * 3


@pytest.mark.parametrize(
    ("name", "device", "is_isolated"),
    [
        ("ovs_hybrid", "qvo5843eca1-e1", True),
        ("ovs", "tap7181b049-88", True),
        ("ovs_create_tap", "tap5e4179f1-1b", False),
    ],
)
def test_ovs_rows_of_a_port(
    name: str, device: str, is_isolated: bool, ports: Ports, payload: Load, ovs: PrivateOvs
) -> None:
    vif = payload(name)
    ports.plug(vif)
    interface, port = row(ovs, "interface", device), row(ovs, "port", device)
    assert interface["external_ids"] == external_ids(vif)
    assert (interface["mtu_request"], interface["type"]) == (1450, "")
    dead = (4095, "trunk", 4095) if is_isolated else ([], [], [])
    assert (port["tag"], port["vlan_mode"], port["trunks"]) == dead
    (qos,) = rows(ovs, "qos")
    assert (port["qos"], qos["type"]) == (qos["_uuid"], "linux-noop")
    assert ovs.vsctl("port-to-br", device) == "br-int\n"


def test_tap_of_a_linux_bridge_has_not_the_guests_mac(ports: Ports, payload: Load) -> None:
    vif = payload("bridge")
    ports.plug(vif)
    tap = links()[vif["devname"]]
    assert tap["address"] == "fe" + vif["address"][2:]
    assert (tap["master"], tap["mtu"], "UP" in tap["flags"]) == ("brq7151fa78-2a", 1500, True)


def test_linux_bridge_of_a_network(ports: Ports, payload: Load) -> None:
    ports.plug(payload("bridge"))
    name = "brq7151fa78-2a"
    data = links()[name]["linkinfo"]["info_data"]
    assert (data["forward_delay"], data["stp_state"], data["mcast_snooping"]) == (0, 0, 0)
    assert data["ageing_time"] == 30000  # hundredths: the kernel's own 300 s
    assert sysctl("ipv6", name, "disable_ipv6") == 1
    assert (sysctl("ipv4", name, "arp_ignore"), sysctl("ipv4", name, "arp_announce")) == (1, 2)
    assert links()[name]["mtu"] == 1500


@pytest.mark.parametrize("multi_queue", [True, False])
def test_ovs_tap_has_the_guests_mac_and_the_queues_asked_for(
    multi_queue: bool, ports: Ports, payload: Load
) -> None:
    vif = with_details(payload("ovs_create_tap"), multiqueue=multi_queue)
    ports.plug(vif)
    tap = links()[vif["devname"]]
    data = tap["linkinfo"]["info_data"]
    assert (tap["address"], tap["mtu"]) == (vif["address"], 1450)
    assert (data["type"], data["multi_queue"], data["persist"]) == ("tap", multi_queue, True)


def test_tap_for_a_router_has_the_mac_it_is_given(ports: Ports, payload: Load) -> None:
    vif = payload("tap")
    ports.plug(vif)
    tap = links()[vif["devname"]]
    assert (tap["address"], tap["mtu"]) == (vif["details"]["mac_address"], 1450)
    assert sysctl("ipv6", vif["devname"], "disable_ipv6") == 0  # Calico routes IPv6 over it


@pytest.mark.parametrize("name", ["bridge", "ovs_create_tap", "ovs_hybrid"])
def test_devices_have_no_ipv6_address(name: str, ports: Ports, payload: Load) -> None:
    """Nor had they one for a moment: the kernel would have told of it."""
    with WriteWatch() as watch:
        (port,) = ports.plug(payload(name))
        addresses = [event for event in watch.settle(0.3) if "ADDR" in event]
    assert [e for e in addresses if e.split()[1] in port.devices] == []
    for device in links().keys() & set(port.devices) - {"br-int"}:
        assert (sysctl("ipv6", device, "disable_ipv6"), links()[device]["addr_info"]) == (1, [])


# Shared bridges


def test_bridge_stays_until_its_last_port_has_gone(ports: Ports, payload: Load) -> None:
    one, two = payload("bridge"), new_vif(payload("bridge"), 2)
    ports.plug(one, two)
    index = links()["brq7151fa78-2a"]["ifindex"]
    ports.unplug(one)
    assert links()["brq7151fa78-2a"]["ifindex"] == index
    assert links()[two["devname"]]["master"] == "brq7151fa78-2a"
    ports.unplug(two)
    assert "brq7151fa78-2a" not in links()


def test_bridge_with_a_stranger_in_it_stays(ports: Ports, payload: Load) -> None:
    """And goes at a later look, when the stranger has left."""
    vif = payload("bridge")
    ports.plug(vif)
    ip("tuntap", "add", "dev", "stranger", "mode", "tap")
    ip("link", "set", "stranger", "master", "brq7151fa78-2a")
    ports.unplug(vif)
    assert "brq7151fa78-2a" in links()
    assert ports.engine.records.pending_deletes
    ip("link", "set", "stranger", "nomaster")
    ports.engine.reconcile([])
    assert "brq7151fa78-2a" not in links()


def test_bridge_made_by_the_operator_is_used_as_it_is(ports: Ports, payload: Load) -> None:
    options = ("forward_delay", "900", "ageing_time", "4200", "stp_state", "1")
    ip("link", "add", "brq7151fa78-2a", "type", "bridge", *options)
    ip("link", "set", "brq7151fa78-2a", "up")
    vif = payload("bridge")
    before = links()["brq7151fa78-2a"]
    assert [port.state for port in ports.plug(vif)] == [READY]
    during = links()["brq7151fa78-2a"]
    assert during["linkinfo"]["info_data"]["forward_delay"] == 900
    for field in ("ifindex", "mtu", "flags"):
        assert during[field] == before[field]
    for field in ("forward_delay", "ageing_time", "stp_state", "mcast_snooping"):
        data = during["linkinfo"]["info_data"]
        assert data[field] == before["linkinfo"]["info_data"][field]
    assert sysctl("ipv6", "brq7151fa78-2a", "disable_ipv6") == 0
    assert "ifalias" not in during
    assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
    assert links()["brq7151fa78-2a"]["ifindex"] == before["ifindex"]


def test_ovs_bridge_we_made_goes_with_its_last_port(
    ports: Ports, payload: Load, ovs: PrivateOvs
) -> None:
    one = with_details(payload("ovs_create_tap"), bridge_name="br-own", datapath_type="netdev")
    two = new_vif(one, 2)
    assert [port.state for port in ports.plug(one, two)] == [READY] * 2
    assert row(ovs, "bridge", "br-own")["external_ids"] == {"vif-agent": "shared"}
    ports.unplug(one)
    assert ovs.vsctl("list-ports", "br-own").split() == [two["devname"]]
    ports.unplug(two)
    assert ovs.vsctl("list-br").split() == ["br-int"]


@pytest.fixture
def on_trunk(payload: Load) -> Vif:
    vif = payload("ovs_hybrid")
    return with_details(vif, bridge_name="tbr-5843eca1-e", datapath_type="netdev")


def test_trunk_bridge_has_no_isolated_port(ports: Ports, on_trunk: Vif, ovs: PrivateOvs) -> None:
    assert [port.state for port in ports.plug(on_trunk)] == [READY]
    assert row(ovs, "port", "qvo" + SHORT)["tag"] == []
    assert row(ovs, "interface", "qvo" + SHORT)["external_ids"]["bridge_name"] == "tbr-5843eca1-e"


@pytest.mark.parametrize("there_before", [False, True])
def test_trunk_bridge_goes_with_its_port_and_what_neutron_has_put_into_it(
    there_before: bool, ports: Ports, on_trunk: Vif, ovs: PrivateOvs
) -> None:
    """Neutron's agent takes away its ends in br-int; and wires a trunk anew when its bridge comes
    anew, as it must at a hard reboot."""
    before = everything(ovs)
    if there_before:  # os-vif's
        ovs.add_bridge("tbr-5843eca1-e")
    ports.plug(on_trunk)
    assert row(ovs, "bridge", "tbr-5843eca1-e")["external_ids"] == {"vif-agent": on_trunk["id"]}
    for name, bridge, peer in (
        ("tpt-5843eca1-e1", "tbr-5843eca1-e", "tpi-5843eca1-e1"),
        ("tpi-5843eca1-e1", "br-int", "tpt-5843eca1-e1"),
    ):
        columns = ("type=patch", f"options:peer={peer}", f"external_ids:iface-id={on_trunk['id']}")
        ovs.vsctl("add-port", bridge, name, "--", "set", "interface", name, *columns)
    assert [port.state for port in ports.plug(on_trunk)] == [READY]
    assert "tpt-5843eca1-e1" in ovs.vsctl("list-ports", "tbr-5843eca1-e").split()
    assert [port.state for port in ports.unplug(on_trunk)] == [UNPLUGGED]
    assert ovs.vsctl("list-br").split() == ["br-int"]
    assert ovs.vsctl("list-ports", "br-int").split() == ["tpi-5843eca1-e1"]
    ovs.vsctl("del-port", "tpi-5843eca1-e1")
    assert everything_done(ovs) == before


def test_trunk_bridge_of_another_port_is_refused_and_untouched(
    ports: Ports, on_trunk: Vif, ovs: PrivateOvs
) -> None:
    ports.plug(on_trunk)
    before = everything(ovs)
    (port,) = ports.plug(new_vif(on_trunk, 2))
    assert (port.state, port.problem and port.problem.code) == (ERROR, "conflict")
    ports.unplug(new_vif(on_trunk, 2))
    assert everything(ovs) == before


# A new process


def test_start_with_everything_in_place_writes_nothing(
    ports: Ports, host: RealHost, store: Store, payload: Load, ovs: PrivateOvs
) -> None:
    vifs = [payload(name) for name in PLUGGABLE]
    ports.plug(*vifs)
    again = Ports(host, store)
    with nothing_written(ovs):
        again.reconcile(again.engine.load(), everywhere=True)


def test_start_after_an_unplug_was_stored_but_not_done(
    ports: Ports, host: RealHost, store: Store, payload: Load, ovs: PrivateOvs
) -> None:
    before = everything(ovs)
    vifs = [payload(name) for name in PLUGGABLE]
    ports.plug(*vifs)
    store.put(
        [PortRequest(port_id=v["id"], verb="unplug", vif=v, vif_type=v["type"]) for v in vifs]
    )
    again = Ports(host, store)
    again.reconcile(again.engine.load(), everywhere=True)
    assert everything(ovs) == before


def test_dry_run_changes_nothing_and_says_what_plug_then_does(
    ports: Ports, store: Store, payload: Load, ovs: PrivateOvs
) -> None:
    vif, before = payload("ovs_hybrid"), everything(ovs)
    request = PortRequest(port_id=vif["id"], verb=PLUG, instance=INSTANCE, vif=vif, vif_type="ovs")
    store.put([request])
    plan = ports.engine.dry_run([store.ports()[vif["id"]]])
    assert everything(ovs) == before
    (port,) = ports.plug(vif)
    assert {step.resource.name for step in plan} | {"br-int"} == set(port.devices)


def test_option_create_tap_never_leaves_the_tap_to_libvirt(
    host: RealHost, store: Store, payload: Load, ovs: PrivateOvs
) -> None:
    ports = Ports(host, store, all_plugins(create_tap="never"))
    vif = payload("ovs_create_tap")
    assert [port.state for port in ports.plug(vif)] == [READY]
    assert vif["devname"] not in links()
    assert ovs.vsctl("list-ports", "br-int").split() == [vif["devname"]]


@pytest.mark.parametrize("neighbour", [False, True])
def test_port_that_becomes_a_tap_leaves_its_networks_bridge(
    neighbour: bool, ports: Ports, payload: Load
) -> None:
    """A tap's bridge is others' to choose, but this one it has from the port's earlier request."""
    vif = payload("bridge")
    bridge, tap = vif["network"]["bridge"], vif["devname"]
    ports.plug(vif, *([new_vif(vif, 1)] if neighbour else []))
    assert [port.state for port in ports.plug({**vif, "type": "tap"})] == [READY]
    assert "master" not in links()[tap]
    assert (bridge in links()) is neighbour


def test_tap_stays_in_the_bridge_that_somebody_else_put_it_into(
    ports: Ports, payload: Load
) -> None:
    vif = payload("tap")
    ports.plug(vif)
    ip("link", "add", "br-other", "type", "bridge")
    ip("link", "set", vif["devname"], "master", "br-other")
    assert [port.state for port in ports.plug(vif)] == [READY]
    assert links()[vif["devname"]]["master"] == "br-other"
