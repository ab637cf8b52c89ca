"""A flat network: the NIC goes into the bridge with all that belongs to it, and comes back."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.real_host import (
    Ports,
    all_plugins,
    everything,
    ip,
    links,
    new_vif,
    nothing_written,
    set_sysctl,
    sysctl,
)
from tests.support.wire import (
    HOST,
    NEIGHBOUR,
    NIC,
    Conversation,
    Wire,
    belongings,
    furnish,
    unfurnish,
)
from vif_agent.host.real import RealHost
from vif_agent.network_types.loader import NetworkTypes
from vif_agent.plugins.bridge import BridgePlugin
from vif_agent.ports.port import ERROR, READY, RETRYING, UNPLUGGED
from vif_agent.ports.store import Store
from vif_agent.resources import LINK, Key
from vif_agent.testing.ovs import PrivateOvs

Vif = dict[str, Any]
Load = Callable[[str], Vif]

NOTHING: dict[str, Any] = {"addresses": [], "routes": [], "neighbours": []}


@pytest.fixture
def furnished(wire: Wire) -> Iterator[None]:
    furnish()
    yield
    unfurnish()


@pytest.fixture
def vif(payload: Load) -> Vif:
    return on_nic(payload("bridge"), NIC)


def on_nic(vif: Vif, nic: str) -> Vif:
    meta = {**vif["network"]["meta"], "bridge_interface": nic}
    return {**vif, "network": {**vif["network"], "meta": meta}}


def bridge(vif: Vif) -> str:
    return str(vif["network"]["bridge"])


def without_rules(found: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in found.items() if k != "rules"}


@pytest.mark.usefixtures("furnished")
def test_nic_takes_all_that_belongs_to_it_along_and_back(ports: Ports, vif: Vif) -> None:
    before = belongings(NIC)
    for _again in range(2):
        assert [port.state for port in ports.plug(vif)] == [READY]
        assert belongings(bridge(vif)) == before
        assert without_rules(belongings(NIC)) == NOTHING
        assert links()[bridge(vif)]["address"] == links()[NIC]["address"]
        assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
        assert belongings(NIC) == before
        assert bridge(vif) not in links()


@pytest.mark.usefixtures("furnished")
def test_addresses_keep_their_lifetimes(ports: Ports, vif: Vif) -> None:
    ports.plug(vif)
    assert 890 <= _valid(bridge(vif), "2001:db8:1::1") <= 900
    assert 990 <= _valid(bridge(vif), "203.0.113.1") <= 1000
    ports.unplug(vif)
    assert 880 <= _valid(NIC, "2001:db8:1::1") <= 900


def _valid(device: str, address: str) -> int:
    (found,) = [a for a in links()[device]["addr_info"] if a["local"] == address]
    return int(found["valid_life_time"])


@pytest.mark.usefixtures("furnished")
def test_what_is_of_link_scope_stays_with_the_nic(ports: Ports, vif: Vif) -> None:
    ports.plug(vif)
    own = {a["local"] for a in links()[NIC]["addr_info"]}
    assert "169.254.7.7" in own
    assert all(a.startswith(("169.254.", "fe80:")) for a in own)
    assert "169.254.0.0/16" in ip("route", "show", "dev", NIC)
    ports.unplug(vif)


@pytest.mark.usefixtures("furnished")
def test_second_plug_and_second_unplug_write_nothing(
    ports: Ports, vif: Vif, ovs: PrivateOvs
) -> None:
    for act, state in ((ports.plug, READY), (ports.unplug, UNPLUGGED)):
        act(vif)
        found = everything(ovs), belongings(NIC)
        with nothing_written(ovs):
            assert [port.state for port in act(vif)] == [state]
        assert (everything(ovs), belongings(NIC)) == found


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("from_here", [True, False], ids=["ours", "theirs"])
@pytest.mark.parametrize("strict", [False, True], ids=["", "rp_filter"])
def test_tcp_connection_lives_on(
    family: int,
    from_here: bool,
    strict: bool,
    ports: Ports,
    wire: Wire,
    vif: Vif,
    figures: Callable[[str], None],
) -> None:
    """Into the bridge and back, three times, while bytes go to and fro."""
    set_sysctl("ipv4", NIC, "rp_filter", int(strict))
    with Conversation(wire, HOST[family], NEIGHBOUR[family], from_here) as talk:
        assert talk.goes_on()
        for _ in range(3):
            ports.plug(vif)
            assert talk.goes_on(), f"into the bridge: {talk.error}"
            ports.unplug(vif)
            assert talk.goes_on(), f"out of it: {talk.error}"
    assert talk.error is None
    whose = "ours" if from_here else "theirs"
    figures(
        f"TCP over a moved NIC, {'IPv6' if family else 'IPv4'}, {whose}: {talk.turns} turns, "
        f"the longest {1000 * talk.longest:.0f} ms"
    )


@pytest.mark.parametrize(
    ("family", "address"), [("-4", "192.0.2.77/24"), ("-6", "2001:db8::77/64")]
)
def test_address_that_a_dhcp_client_puts_back_moves_again(
    family: str, address: str, ports: Ports, host: RealHost, vif: Vif, wire: Wire
) -> None:
    (port,) = ports.plug(vif)
    reported = threading.Event()
    host.on_change(lambda keys: reported.set() if keys and Key(LINK, NIC) in keys else None)
    ip(family, "address", "add", address, "dev", NIC)
    assert reported.wait(30)
    assert ports.reconcile({port.port_id})[port.port_id].repaired
    plain = address.split("/")[0]
    assert plain in {a["local"] for a in links()[bridge(vif)]["addr_info"]}
    assert plain not in {a["local"] for a in links()[NIC]["addr_info"]}
    ports.unplug(vif)
    assert plain in {a["local"] for a in links()[NIC]["addr_info"]}


@pytest.mark.usefixtures("wire")
@pytest.mark.parametrize(
    ("family", "address"), [("-4", "192.0.2.77/24"), ("-6", "2001:db8::77/64")]
)
def test_lease_that_a_dhcp_client_renews_on_the_nic_is_renewed_on_the_bridge(
    family: str, address: str, ports: Ports, vif: Vif
) -> None:
    """Else the bridge would lose the address when the first lease ends."""
    for lease in ("100", "1000"):
        lifetime = ("valid_lft", lease, "preferred_lft", lease)
        ip(family, "address", "add", address, "dev", NIC, *lifetime)
        ports.plug(vif)
    assert 900 <= _valid(bridge(vif), address.split("/")[0]) <= 1000
    ports.unplug(vif)


@pytest.mark.usefixtures("furnished")
def test_nic_that_somebody_took_out_is_put_back(ports: Ports, vif: Vif) -> None:
    before = belongings(NIC)
    (port,) = ports.plug(vif)
    ip("link", "set", NIC, "nomaster")
    assert ports.reconcile({port.port_id})[port.port_id].repaired
    assert links()[NIC]["master"] == bridge(vif)
    ports.unplug(vif)
    assert belongings(NIC) == before


@pytest.mark.usefixtures("furnished")
def test_mac_of_the_bridge_that_somebody_changed_is_put_back(ports: Ports, vif: Vif) -> None:
    """udev does, with MACAddressPolicy=persistent. (The kernel then forgets the neighbours.)"""
    before = {**belongings(NIC), "neighbours": []}
    (port,) = ports.plug(vif)
    ip("link", "set", bridge(vif), "address", "02:00:00:00:00:77")
    assert ports.reconcile({port.port_id})[port.port_id].repaired
    assert links()[bridge(vif)]["address"] == links()[NIC]["address"]
    assert belongings(bridge(vif)) == before
    ports.unplug(vif)
    assert belongings(NIC) == before


@pytest.mark.usefixtures("wire")
def test_mac_of_an_operators_bridge_is_his(ports: Ports, vif: Vif) -> None:
    mac = "02:00:00:00:00:77"
    ip("link", "add", bridge(vif), "address", mac, "type", "bridge")
    ip("link", "set", bridge(vif), "up")
    assert [port.state for port in ports.plug(vif)] == [READY]
    assert links()[bridge(vif)]["address"] == mac
    ports.unplug(vif)


@pytest.mark.usefixtures("furnished")
def test_bridge_that_somebody_deletes_comes_back_with_all_that_was_its_nics(
    ports: Ports, wire: Wire, vif: Vif
) -> None:
    before = belongings(NIC)
    (port,) = ports.plug(vif)
    with Conversation(wire, HOST[0], NEIGHBOUR[0]) as talk:
        assert talk.goes_on()
        for _again in range(2):
            ip("link", "delete", bridge(vif))
            assert ports.reconcile({port.port_id})[port.port_id].state == READY
            assert by_text(belongings(bridge(vif))) == by_text(before)
            assert talk.goes_on(), talk.error
    assert 880 <= _valid(bridge(vif), "2001:db8:1::1") <= 900
    ports.unplug(vif)
    assert by_text(belongings(NIC)) == by_text(before)


def by_text(found: dict[str, Any]) -> dict[str, list[str]]:
    """Whatever their order."""
    return {kind: sorted(map(str, things)) for kind, things in found.items()}


@pytest.mark.parametrize("everywhere", [False, True])
def test_what_was_taken_from_a_bridge_before_it_was_deleted_does_not_come_back(
    everywhere: bool, ports: Ports, wire: Wire, vif: Vif
) -> None:
    (port,) = ports.plug(vif)
    ip("address", "delete", HOST[0] + "/24", "dev", bridge(vif))
    ip("address", "add", "192.0.2.44/24", "dev", bridge(vif))
    ports.reconcile({port.port_id}, everywhere=everywhere)
    ip("link", "delete", bridge(vif))
    ports.reconcile({port.port_id}, everywhere=everywhere)
    there = {a["local"] for a in links()[bridge(vif)]["addr_info"] if a["scope"] != "link"}
    assert there == {"192.0.2.44", HOST[1]}
    ports.unplug(vif)


def test_address_that_somebody_has_given_the_nic_meanwhile_is_what_counts(
    ports: Ports, wire: Wire, vif: Vif
) -> None:
    (port,) = ports.plug(vif)
    ip("link", "delete", bridge(vif))
    ip("address", "add", "192.0.2.44/24", "dev", NIC)
    ports.reconcile({port.port_id})
    there = {a["local"] for a in links()[bridge(vif)]["addr_info"] if a["scope"] != "link"}
    assert there == {"192.0.2.44"}
    ports.unplug(vif)


@pytest.mark.usefixtures("furnished")
def test_move_that_was_interrupted_is_completed(ports: Ports, vif: Vif) -> None:
    """Killed after the NIC has joined: its addresses are on it and, the first ones, on both."""
    before = belongings(NIC)
    ports.plug(vif)
    ports.unplug(vif)
    name = bridge(vif)
    ip("link", "add", name, "type", "bridge", "forward_delay", "0")
    ip("link", "set", name, "alias", "vif-agent shared", "up")
    ip("address", "add", HOST[0] + "/24", "dev", name)
    ip("link", "set", NIC, "master", name)
    assert [port.state for port in ports.plug(vif)] == [READY]
    assert belongings(name) == before
    ports.unplug(vif)
    assert belongings(NIC) == before


@pytest.mark.usefixtures("furnished")
def test_way_back_that_was_interrupted_is_completed(ports: Ports, vif: Vif) -> None:
    """Killed when the addresses are on both and the NIC has not left yet."""
    before = belongings(NIC)
    ports.plug(vif)
    ip("address", "add", HOST[0] + "/24", "dev", NIC)
    ip("-6", "address", "add", HOST[1] + "/64", "dev", NIC, "nodad")
    assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
    after = belongings(NIC)
    assert sorted(map(str, after["addresses"])) == sorted(map(str, before["addresses"]))
    assert after["routes"] == before["routes"]


def test_nic_stays_until_the_last_port_has_gone_and_comes_back_after_a_restart(
    ports: Ports, host: RealHost, store: Store, vif: Vif, wire: Wire
) -> None:
    other = new_vif(vif, 2)
    ports.plug(vif, other)
    ports.unplug(vif)
    assert links()[NIC]["master"] == bridge(vif)
    anew = Ports(host, store)
    anew.reconcile(anew.engine.load(), everywhere=True)
    assert links()[NIC]["master"] == bridge(vif)
    assert [port.state for port in anew.unplug(other)] == [UNPLUGGED]
    assert HOST[0] in {a["local"] for a in links()[NIC]["addr_info"]}
    assert bridge(vif) not in links()


def test_nic_whose_bridge_cannot_go_leaves_it_all_the_same(
    ports: Ports, vif: Vif, wire: Wire
) -> None:
    ports.plug(vif)
    ip("link", "add", "guest", "type", "veth", "peer", "name", "guest-end")
    ip("link", "set", "guest", "master", bridge(vif))
    ports.unplug(vif)
    assert HOST[0] in {a["local"] for a in links()[NIC]["addr_info"]}
    assert links()["guest"]["master"] == bridge(vif)


@pytest.mark.parametrize("ipv6", [False, True])
def test_bridge_whose_nic_has_gone_keeps_the_hosts_addresses(
    ipv6: bool, ports: Ports, host: RealHost, vif: Vif
) -> None:
    with contextlib.closing(Wire(ipv6=ipv6)):
        ports.plug(vif)
        ip("link", "delete", NIC)
        ports.unplug(vif)
        assert HOST[0] in {a["local"] for a in links()[bridge(vif)]["addr_info"]}


def test_ipv6_is_on_the_bridge_only_while_the_nic_needs_it(
    ports: Ports, vif: Vif, host: RealHost
) -> None:
    with contextlib.closing(Wire(ipv6=False)):
        (port,) = ports.plug(vif)
        assert sysctl("ipv6", bridge(vif), "disable_ipv6") == 1
        ip("-6", "address", "add", HOST[1] + "/64", "dev", NIC, "nodad")
        ports.reconcile({port.port_id})
        assert sysctl("ipv6", bridge(vif), "disable_ipv6") == 0
        ip("-6", "address", "delete", HOST[1] + "/64", "dev", bridge(vif))
        ports.reconcile({port.port_id})
        assert sysctl("ipv6", bridge(vif), "disable_ipv6") == 1
        ports.unplug(vif)


@pytest.mark.usefixtures("wire")
@pytest.mark.parametrize(("nic", "expected"), [(1400, 1400), (9000, 1500)])
def test_host_sends_nothing_larger_than_the_nic_takes(
    nic: int, expected: int, ports: Ports, vif: Vif
) -> None:
    ip("link", "set", NIC, "mtu", str(nic))
    ports.plug(vif)
    assert (links()[NIC]["mtu"], links()[bridge(vif)]["mtu"]) == (nic, expected)
    assert links()[vif["devname"]]["mtu"] == 1500


@pytest.mark.usefixtures("wire")
def test_nic_in_another_bridge_is_refused(ports: Ports, vif: Vif, ovs: PrivateOvs) -> None:
    ip("link", "add", "br-other", "type", "bridge")
    ip("link", "set", NIC, "master", "br-other")
    before = everything(ovs), belongings(NIC)
    (port,) = ports.plug(vif)
    assert port.state == ERROR
    assert port.problem
    assert port.problem.code == "conflict"
    assert port.problem.message == "eth1 is in the bridge br-other already"
    ports.unplug(vif)
    assert (everything(ovs), belongings(NIC)) == before


@pytest.mark.usefixtures("wire")
def test_operators_bridge_that_is_down_is_waited_for(ports: Ports, vif: Vif) -> None:
    """With its NIC in it the host would be cut off."""
    ip("link", "add", bridge(vif), "type", "bridge")
    (port,) = ports.plug(vif)
    assert port.state == RETRYING
    assert port.problem
    assert port.problem.message == f"eth1: the bridge {bridge(vif)} is down [ENETDOWN]"
    assert "master" not in links()[NIC]
    ip("link", "set", bridge(vif), "up")
    assert ports.reconcile({port.port_id})[port.port_id].state == READY
    assert HOST[0] in {a["local"] for a in links()[bridge(vif)]["addr_info"]}
    ports.unplug(vif)


@pytest.mark.usefixtures("wire")
def test_nic_that_is_an_ovs_port_is_refused(ports: Ports, vif: Vif, ovs: PrivateOvs) -> None:
    ovs.vsctl("add-port", "br-int", NIC)
    (port,) = ports.plug(vif)
    assert port.problem
    assert port.problem.message == "eth1 is a port of Open vSwitch already"
    assert bridge(vif) not in links()


@pytest.mark.usefixtures("wire")
def test_second_flat_network_of_a_nic_is_refused(ports: Ports, vif: Vif) -> None:
    other = new_vif(vif, 2)
    other["network"] = {**vif["network"], "bridge": "brq-other"}
    ports.plug(vif)
    (port,) = ports.plug(other)
    assert port.problem
    assert port.problem.message == f"eth1 belongs to port {vif['id']}"
    assert links()[NIC]["master"] == bridge(vif)
    ports.unplug(other, vif)
    assert HOST[0] in {a["local"] for a in links()[NIC]["addr_info"]}


@pytest.mark.usefixtures("wire")
def test_port_that_moves_to_another_flat_network_takes_the_nic_along(
    ports: Ports, vif: Vif
) -> None:
    ports.plug(vif)
    moved = {**vif, "network": {**vif["network"], "bridge": "brq-other"}}
    assert [port.state for port in ports.plug(moved)] == [READY]
    assert links()[NIC]["master"] == "brq-other"
    assert HOST[0] in {a["local"] for a in links()["brq-other"]["addr_info"]}
    assert bridge(vif) not in links()
    ports.unplug(moved)
    assert HOST[0] in {a["local"] for a in links()[NIC]["addr_info"]}


@pytest.mark.usefixtures("furnished")
def test_operators_bridge_keeps_its_nic(ports: Ports, vif: Vif, ovs: PrivateOvs) -> None:
    """It was put together before us (or by Neutron's agent), and stays so."""
    name = bridge(vif)
    # with a MAC of its own, as operators do: it would have the lowest of its members', a tap's may
    # be that, and with each change of the MAC the kernel forgets all neighbours, the permanent too
    ip("link", "add", name, "address", "02:00:00:00:00:01", "type", "bridge")
    ip("link", "set", name, "up")
    ip("link", "set", NIC, "master", name)
    ports.plug(vif)
    plugged = belongings(name)
    assert plugged["addresses"]
    ports.unplug(vif)
    assert belongings(name) == plugged
    assert links()[NIC]["master"] == name


def test_bridge_that_is_mapped_is_neither_made_nor_removed(
    host: RealHost, store: Store, vif: Vif, wire: Wire, ovs: PrivateOvs
) -> None:
    mapped = BridgePlugin(
        create_tap=True, network_types=NetworkTypes(bridges={"physnet1": "br-ex"})
    )
    ports = Ports(host, store, {**all_plugins(), "bridge": mapped})
    meta = {"network_type": "flat", "physical_network": "physnet1", "mtu": 1500}
    vif = {**vif, "network": {**vif["network"], "meta": meta}}
    (port,) = ports.plug(vif)
    assert port.state == RETRYING
    assert "br-ex" not in links()
    ip("link", "add", "br-ex", "type", "bridge")
    assert ports.reconcile({port.port_id})[port.port_id].state == READY
    assert links()[vif["devname"]]["master"] == "br-ex"
    assert "UP" in links()["br-ex"]["flags"]
    assert "master" not in links()[NIC]
    there = links()["br-ex"]["ifindex"]
    for _again in range(2):
        assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
    assert links()["br-ex"]["ifindex"] == there
    assert {vif["devname"], bridge(vif)}.isdisjoint(links())


@pytest.mark.usefixtures("furnished")
def test_port_that_becomes_a_macvtap_on_the_nic_gives_its_addresses_back(
    ports: Ports, vif: Vif, payload: Load
) -> None:
    before = belongings(NIC)
    ports.plug(vif)
    details = {"physical_interface": NIC, "macvtap_source": NIC}
    macvtap = {**payload("macvtap"), "id": vif["id"], "details": details}
    assert [port.state for port in ports.plug(macvtap)] == [READY]
    assert belongings(NIC) == before
    assert bridge(vif) not in links()
    ports.unplug(macvtap)
    assert belongings(NIC) == before
