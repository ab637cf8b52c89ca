"""vif_type ``vhostuser`` on the real Open vSwitch, which refuses such ports: it has no DPDK."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from tests.support.expected import external_ids
from tests.support.peers import os_vif_vhostuser
from tests.support.real_host import (
    OTHER,
    Ports,
    Vif,
    all_plugins,
    everything,
    everything_done,
    row,
    rows,
    with_details,
)
from tests.support.rig import Rig
from vif_agent.host.real import RealHost
from vif_agent.ports.port import ERROR, PLUG, READY, RETRYING, UNPLUGGED
from vif_agent.ports.store import Store
from vif_agent.resources import OVS_PORT, Key
from vif_agent.testing.ovs import PrivateOvs

Load = Callable[[str], Vif]

VHU, CLIENT = "vhu7036e6bb-59", "vhu451ddd31-06"
NO_DPDK = "could not open network device"
WARNED = f"Open vSwitch refuses {VHU} of port 7036e6bb-5901-5eaa-b804-e0b5c5cfe9c5: {NO_DPDK}"


@pytest.fixture
def vif(payload: Load) -> Vif:
    return payload("vhostuser_ovs")


@pytest.mark.parametrize(
    ("name", "port", "kind", "options"),
    [
        (
            "vhostuser_ovs",
            VHU,
            "dpdkvhostuserclient",
            {"vhost-server-path": "/var/run/openvswitch/" + VHU},
        ),
        ("vhostuser_ovs_client", CLIENT, "dpdkvhostuser", {}),
    ],
)
def test_rows_of_the_port(
    name: str,
    port: str,
    kind: str,
    options: dict[str, str],
    ports: Ports,
    payload: Load,
    ovs: PrivateOvs,
) -> None:
    vif = payload(name)
    assert [reported.state for reported in ports.plug(vif)] == [READY]
    interface = row(ovs, "interface", port)
    assert (interface["type"], interface["options"]) == (kind, options)
    assert interface["mtu_request"] == 1450
    assert interface["external_ids"] == external_ids(vif)
    assert rows(ovs, "qos") == []
    assert row(ovs, "port", port)["tag"] == []


def test_port_is_isolated_as_others_are(
    host: RealHost, store: Store, vif: Vif, ovs: PrivateOvs
) -> None:
    Ports(host, store, all_plugins(isolate="always")).plug(vif)
    port = row(ovs, "port", VHU)
    assert (port["tag"], port["vlan_mode"], port["trunks"]) == (4095, "trunk", 4095)


def test_bridge_that_is_not_there_is_made_in_user_space(
    ports: Ports, vif: Vif, ovs: PrivateOvs
) -> None:
    before = everything(ovs)
    vif = with_details(vif, bridge_name="br-user", datapath_type=None)
    assert [reported.state for reported in ports.plug(vif)] == [READY]
    assert row(ovs, "bridge", "br-user")["datapath_type"] == "netdev"
    assert [reported.state for reported in ports.unplug(vif)] == [UNPLUGGED]
    assert everything_done(ovs) == before


def test_other_mode_and_socket_are_changed_in_place(
    ports: Ports, vif: Vif, ovs: PrivateOvs
) -> None:
    ports.plug(vif)
    uuid = row(ovs, "interface", VHU)["_uuid"]
    ports.plug(with_details(vif, vhostuser_socket="/run/other"))
    assert row(ovs, "interface", VHU)["options"] == {"vhost-server-path": "/run/other"}
    ports.plug(with_details(vif, vhostuser_mode="client"))
    assert row(ovs, "interface", VHU)["type"] == "dpdkvhostuser"
    assert row(ovs, "interface", VHU)["_uuid"] == uuid


def test_row_of_os_vif_is_taken_over_where_it_is(ports: Ports, vif: Vif, ovs: PrivateOvs) -> None:
    empty = everything(ovs)
    os_vif_vhostuser(ovs, vif)
    before, tag = row(ovs, "interface", VHU), row(ovs, "port", VHU)["tag"]
    assert [reported.state for reported in ports.plug(vif)] == [READY]
    after = row(ovs, "interface", VHU)
    assert after["external_ids"] == {**before["external_ids"], "vif-agent": vif["id"]}
    same = ("_uuid", "type", "options", "mtu_request")
    assert {column: after[column] for column in same} == {c: before[c] for c in same}
    assert row(ovs, "port", VHU)["tag"] == tag == 7
    assert [reported.state for reported in ports.unplug(vif)] == [UNPLUGGED]
    assert everything(ovs) == empty


def test_row_with_another_ports_iface_id_is_refused(
    ports: Ports, vif: Vif, ovs: PrivateOvs
) -> None:
    os_vif_vhostuser(ovs, vif)
    ovs.vsctl("set", "interface", VHU, f"external_ids:iface-id={OTHER}")
    (port,) = ports.plug(vif)
    assert (port.state, port.problem and port.problem.code) == (ERROR, "conflict")


# What Open vSwitch says of it


def test_port_that_open_vswitch_refuses_is_ready_and_told_once(
    ports: Ports, vif: Vif, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        (port,) = ports.plug(vif)
        ports.reconcile({vif["id"]})
    assert (port.state, port.problem) == (READY, None)
    (answer,) = [text for text in caplog.messages if "refuses" in text]
    assert answer.startswith(WARNED)
    plan, unready = ports.engine.check(port)
    assert not plan
    assert list(unready) == [Key(OVS_PORT, VHU)]
    assert NO_DPDK in unready[Key(OVS_PORT, VHU)]


def test_plug_waits_for_the_answer_of_open_vswitch(ports: Ports, vif: Vif, ovs: PrivateOvs) -> None:
    """qemu as the client needs the socket that Open vSwitch makes."""
    ovs.stop_vswitchd()
    try:
        port_id = ports.request(PLUG, vif)
        assert ports.engine.reconcile([port_id]).again == {port_id}
        outcome = ports.engine.reconcile([port_id])
        assert (outcome.finished, list(outcome.waiting)) == ((), [port_id])
    finally:
        ovs.start_vswitchd()
    assert [reported.state for reported in ports.reconcile({port_id}).values()] == [READY]


def test_what_open_vswitch_says_later_is_told_too(
    rig: Rig, vif: Vif, caplog: pytest.LogCaptureFixture
) -> None:
    """With DPDK it is taken in; without, after a restart of Open vSwitch, refused."""
    assert rig.plug(vif).state == READY
    for error in ("no DPDK", "no DPDK", "no memory"):
        rig.host.hold_back(VHU, error=error)
        assert rig.settle(vif["id"]) == set()
    rig.host.take_in(VHU)
    rig.settle(vif["id"])
    rig.host.hold_back(VHU, error="no DPDK")
    rig.settle(vif["id"])
    answer = [text.rpartition(": ")[2] for text in caplog.messages if "refuses" in text]
    assert answer == ["no DPDK", "no memory", "no DPDK"]
    assert rig.stored(vif).state == READY


def test_port_of_which_open_vswitch_says_nothing_is_not_ready(rig: Rig, vif: Vif) -> None:
    rig.host.hold_back(VHU)
    port = rig.plug(vif)
    assert (port.state, port.problem and port.problem.code) == (RETRYING, "ovsdb_unavailable")


def test_port_that_open_vswitch_must_not_refuse_is_not_ready(rig: Rig, payload: Load) -> None:
    vif = payload("ovs_create_tap")
    rig.host.hold_back(vif["devname"], error="no device")
    assert rig.plug(vif).state == RETRYING
