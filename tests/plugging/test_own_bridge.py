"""``[ovs] per_port_bridge`` on the real Open vSwitch: a bridge for the port, patched to br-int."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.expected import external_ids
from tests.support.peers import indexes, os_vif_own_bridge
from tests.support.real_host import (
    OTHER,
    TUN,
    Ports,
    Vif,
    all_plugins,
    everything_done,
    links,
    new_vif,
    nothing_written,
    row,
    rows,
    with_details,
)
from vif_agent.host.real import RealHost
from vif_agent.ports.port import ERROR, READY, UNPLUGGED
from vif_agent.ports.store import Store
from vif_agent.testing.frames import TapEnd, crosses
from vif_agent.testing.ovs import PrivateOvs

Load = Callable[[str], Vif]


@pytest.fixture
def ports(host: RealHost, store: Store) -> Ports:
    return Ports(host, store, all_plugins(per_port_bridge=True))


@pytest.fixture(params=["ovs", "ovs_create_tap"])
def vif(request: pytest.FixtureRequest, payload: Load) -> Vif:
    """With the datapath that this machine's Open vSwitch has, for the bridge that is to be made."""
    return with_details(payload(request.param), datapath_type="netdev")


@pytest.fixture
def with_tap(payload: Load) -> Vif:
    return with_details(payload("ovs_create_tap"), datapath_type="netdev")


def names(vif: Vif) -> tuple[str, str, str]:
    return "pb" + vif["id"][:12], "pbp" + vif["id"], "ibp" + vif["id"]


def test_rows_of_the_port(ports: Ports, vif: Vif, ovs: PrivateOvs) -> None:
    own, inner, outer = names(vif)
    assert [port.state for port in ports.plug(vif)] == [READY]
    assert ovs.vsctl("list-ports", own).split() == sorted([inner, vif["devname"]])
    assert ovs.vsctl("list-ports", "br-int").split() == [outer]
    assert row(ovs, "bridge", own)["external_ids"] == {"vif-agent": vif["id"]}
    ends = [row(ovs, "interface", name) for name in (inner, outer)]
    assert [end["type"] for end in ends] == ["patch", "patch"]
    assert [end["options"] for end in ends] == [{"peer": outer}, {"peer": inner}]
    assert [end["error"] for end in ends] == [[], []]
    assert ends[1]["external_ids"] == external_ids(vif)
    tap = row(ovs, "interface", vif["devname"])
    assert (tap["external_ids"], tap["mtu_request"]) == ({"vif-agent": vif["id"]}, 1450)
    assert ("tap5e4179f1-1b" in links()) is vif["details"].get("ovs_create_tap", False)


def test_plugged_and_unplugged_twice(ports: Ports, vif: Vif, ovs: PrivateOvs) -> None:
    before = everything_done(ovs)
    ports.plug(vif)
    with nothing_written(ovs):
        assert [port.state for port in ports.plug(vif)] == [READY]
    for _again in range(2):
        assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
        assert everything_done(ovs) == before


def test_start_with_everything_in_place_writes_nothing(
    ports: Ports, host: RealHost, store: Store, vif: Vif, ovs: PrivateOvs
) -> None:
    ports.plug(vif, new_vif(vif, 2))
    again = Ports(host, store, all_plugins(per_port_bridge=True))
    with nothing_written(ovs):
        again.reconcile(again.engine.load(), everywhere=True)
    assert again.engine.orphans == ()


def test_only_the_shared_bridges_end_is_isolated(
    host: RealHost, store: Store, vif: Vif, ovs: PrivateOvs
) -> None:
    """Nobody takes another port out of the dead VLAN."""
    ports = Ports(host, store, all_plugins(per_port_bridge=True, isolate="always"))
    ports.plug(vif)
    _, inner, outer = names(vif)
    shown = [row(ovs, "port", name) for name in (vif["devname"], inner, outer)]
    assert [port["tag"] for port in shown] == [[], [], 4095]
    assert [port["vlan_mode"] for port in shown] == [[], [], "trunk"]
    ovs.vsctl("set", "port", outer, "tag=7", "--", "clear", "port", outer, "vlan_mode", "trunks")
    assert [port.state for port in ports.plug(vif)] == [READY]
    assert row(ovs, "port", outer)["tag"] == 7


def test_trunk_bridge_has_its_end_not_isolated_and_named(
    host: RealHost, store: Store, vif: Vif, ovs: PrivateOvs
) -> None:
    ports = Ports(host, store, all_plugins(per_port_bridge=True, isolate="always"))
    before = everything_done(ovs)
    vif = with_details(vif, bridge_name="tbr-5843eca1-e")
    assert [port.state for port in ports.plug(vif)] == [READY]
    outer = names(vif)[2]
    assert ovs.vsctl("list-ports", "tbr-5843eca1-e").split() == [outer]
    assert row(ovs, "port", outer)["tag"] == []
    assert row(ovs, "interface", outer)["external_ids"]["bridge_name"] == "tbr-5843eca1-e"
    assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
    assert everything_done(ovs) == before


@pytest.mark.parametrize("gone", [0, 1, 2, 3])
def test_what_is_deleted_by_hand_is_made_again(
    gone: int, ports: Ports, with_tap: Vif, ovs: PrivateOvs
) -> None:
    ports.plug(with_tap)
    own, inner, outer = names(with_tap)
    wanted = [set(ovs.vsctl("list-ports", bridge).split()) for bridge in (own, "br-int")]
    target = (own, inner, outer, with_tap["devname"])[gone]
    ovs.vsctl("del-port" if gone else "del-br", target)
    ports.reconcile({with_tap["id"]})
    assert [set(ovs.vsctl("list-ports", b).split()) for b in (own, "br-int")] == wanted
    assert row(ovs, "interface", outer)["options"] == {"peer": inner}


def test_rows_of_os_vif_are_taken_over_where_they_are(
    ports: Ports, with_tap: Vif, ovs: PrivateOvs
) -> None:
    empty = everything_done(ovs)
    os_vif_own_bridge(ovs, with_tap)
    own, inner, outer = names(with_tap)
    tap = with_tap["devname"]
    before = [row(ovs, "interface", name)["_uuid"] for name in (tap, inner, outer)]
    device, qos = indexes(tap), [r["_uuid"] for r in rows(ovs, "qos")]
    with TapEnd(tap, TUN, vnet_hdr=True):
        assert [port.state for port in ports.plug(with_tap)] == [READY]
    assert [row(ovs, "interface", name)["_uuid"] for name in (tap, inner, outer)] == before
    assert (indexes(tap), [r["_uuid"] for r in rows(ovs, "qos")]) == (device, qos)
    assert row(ovs, "port", outer)["tag"] == 7
    for table, name in (("bridge", own), *(("interface", n) for n in (tap, inner, outer))):
        assert row(ovs, table, name)["external_ids"]["vif-agent"] == with_tap["id"]
    assert [port.state for port in ports.unplug(with_tap)] == [UNPLUGGED]
    assert everything_done(ovs) == empty


def test_bridge_with_another_ports_owner_tag_is_refused_and_untouched(
    ports: Ports, with_tap: Vif, ovs: PrivateOvs
) -> None:
    own = names(with_tap)[0]
    ovs.add_bridge(own)
    ovs.vsctl("set", "bridge", own, f"external_ids:vif-agent={OTHER}")
    (port,) = ports.plug(with_tap)
    assert (port.state, port.problem and port.problem.code) == (ERROR, "conflict")
    ports.unplug(with_tap)
    assert set(ovs.vsctl("list-br").split()) == {"br-int", own}


def test_option_switched_on_and_off_moves_the_port(
    host: RealHost, store: Store, with_tap: Vif, ovs: PrivateOvs
) -> None:
    """The guest's tap stays the same device."""
    plain, own = Ports(host, store), Ports(host, store, all_plugins(per_port_bridge=True))
    plain.plug(with_tap)
    interface = row(ovs, "interface", with_tap["devname"])["external_ids"]
    (device,) = indexes(with_tap["devname"])
    with TapEnd(with_tap["devname"], TUN, vnet_hdr=True):
        own.reconcile(own.engine.load(), everywhere=True)
        assert ovs.vsctl("list-ports", "br-int").split() == [names(with_tap)[2]]
        assert indexes(with_tap["devname"]) == [device]
        again = Ports(host, store)
        again.reconcile(again.engine.load(), everywhere=True)
    assert indexes(with_tap["devname"]) == [device]
    assert ovs.vsctl("list-br").split() == ["br-int"]
    assert ovs.vsctl("list-ports", "br-int").split() == [with_tap["devname"]]
    assert row(ovs, "interface", with_tap["devname"])["external_ids"] == interface


def test_frames_go_through_three_bridges(ports: Ports, with_tap: Vif) -> None:
    one, two = with_tap, new_vif(with_tap, 2)
    assert [port.state for port in ports.plug(one, two)] == [READY, READY]
    with TapEnd(one["devname"], TUN) as a, TapEnd(two["devname"], TUN) as b:
        assert crosses(a, b, source_mac=one["address"])
        assert crosses(b, a, source_mac=two["address"])
