"""Half-made ports of whatever peer are healed, and what a guest holds is only reported."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.real_host import OTHER, TUN, Ports, Vif, ip, links, row, with_details
from vif_agent.ports.port import ERROR, READY
from vif_agent.testing.frames import TapEnd
from vif_agent.testing.ovs import PrivateOvs

Load = Callable[[str], Vif]
Prepare = Callable[[Vif, PrivateOvs], None]


def _names(vif: Vif) -> tuple[str, str, str]:
    short = vif["id"][:11]
    return "qbr" + short, "qvb" + short, "qvo" + short


def _bridge_alone(vif: Vif, _ovs: PrivateOvs) -> None:
    ip("link", "add", _names(vif)[0], "type", "bridge")


def _bridge_with_one_end_of_another_pair(vif: Vif, _ovs: PrivateOvs) -> None:
    bridge, inner, _ = _names(vif)
    ip("link", "add", bridge, "type", "bridge")
    ip("link", "add", inner, "master", bridge, "type", "veth", "peer", "name", "elsewhere")


def _pair_without_bridge(vif: Vif, _ovs: PrivateOvs) -> None:
    _, inner, outer = _names(vif)
    ip("link", "add", inner, "type", "veth", "peer", "name", outer)


def _pair_the_wrong_way_round(vif: Vif, _ovs: PrivateOvs) -> None:
    bridge, inner, outer = _names(vif)
    ip("link", "add", bridge, "type", "bridge")
    ip("link", "add", inner, "type", "veth", "peer", "name", outer)
    ip("link", "set", outer, "master", bridge)


def _row_without_device(vif: Vif, ovs: PrivateOvs) -> None:
    name = _names(vif)[2]
    ids = f"external_ids:iface-id={vif['id']}"
    ovs.vsctl("--no-wait", "add-port", "br-int", name, "--", "set", "interface", name, ids)
    ovs.sync()


def _row_without_iface_id_on_another_bridge(vif: Vif, ovs: PrivateOvs) -> None:
    ovs.add_bridge("br-old")
    _pair_without_bridge(vif, ovs)
    ovs.vsctl("add-port", "br-old", _names(vif)[2])


HALVES: dict[str, Prepare] = {
    "a bridge alone": _bridge_alone,
    "a bridge with one end of another pair": _bridge_with_one_end_of_another_pair,
    "a pair without its bridge": _pair_without_bridge,
    "a pair the wrong way round": _pair_the_wrong_way_round,
    "a row without a device": _row_without_device,
    "a row without iface-id on another bridge": _row_without_iface_id_on_another_bridge,
}


@pytest.mark.parametrize("prepare", HALVES.values(), ids=HALVES)
def test_half_made_hybrid_port_is_healed(
    prepare: Prepare, ports: Ports, payload: Load, ovs: PrivateOvs
) -> None:
    vif = payload("ovs_hybrid")
    prepare(vif, ovs)
    assert [port.state for port in ports.plug(vif)] == [READY]
    bridge, inner, outer = _names(vif)
    there = links()
    assert (there[inner]["master"], there[inner]["link"]) == (bridge, outer)
    assert "master" not in there[outer]
    assert ovs.vsctl("iface-to-br", outer).strip() == "br-int"
    assert row(ovs, "interface", outer)["ofport"] > 0
    assert row(ovs, "interface", outer)["external_ids"]["iface-id"] == vif["id"]
    ports.unplug(vif)
    assert not links().keys() & {bridge, inner, outer}


TAPS = {
    "wrong queues": (("multi_queue",), ()),
    "a wrong MAC": ((), ("address", "02:00:00:00:00:99")),
    "a wrong MTU": ((), ("mtu", "1300")),
    "in a bridge": ((), ("master", "brq-other")),
}


@pytest.mark.parametrize(("made", "changed"), TAPS.values(), ids=TAPS)
@pytest.mark.parametrize("tagged", [True, False])
def test_wrong_tap_that_nobody_holds_is_healed(
    made: tuple[str, ...],
    changed: tuple[str, ...],
    tagged: bool,
    ports: Ports,
    payload: Load,
    ovs: PrivateOvs,
) -> None:
    vif = payload("ovs_create_tap")
    name = vif["devname"]
    ip("link", "add", "brq-other", "type", "bridge")
    ip("tuntap", "add", "dev", name, "mode", "tap", *made)
    for option in [changed] if changed else []:
        ip("link", "set", name, *option)
    if tagged:
        ip("link", "set", name, "alias", f"vif-agent {vif['id']}")
    assert [port.state for port in ports.plug(vif)] == [READY]
    tap = links()[name]
    assert (tap["address"], tap["mtu"]) == (vif["address"], vif["network"]["meta"]["mtu"])
    assert tap.get("master") != "brq-other"
    assert not tap["linkinfo"]["info_data"]["multi_queue"]
    assert row(ovs, "interface", name)["ofport"] > 0


def test_wrong_tap_that_a_guest_holds_is_reported_and_never_made_anew(
    ports: Ports, payload: Load
) -> None:
    vif = with_details(payload("ovs_create_tap"), multiqueue=True)
    name = vif["devname"]
    ip("tuntap", "add", "dev", name, "mode", "tap")
    before = links()[name]["ifindex"]
    with TapEnd(name, TUN):
        (port,) = ports.plug(vif)
        assert (port.state, port.problem and port.problem.code) == (ERROR, "conflict")
        assert "held open by a guest" in str(port.problem)
        assert links()[name]["ifindex"] == before
    assert [p.state for p in ports.plug(vif)] == [READY]
    assert links()[name]["ifindex"] != before


def test_stale_row_of_another_port_under_our_name_is_reported(
    ports: Ports, payload: Load, ovs: PrivateOvs
) -> None:
    vif = payload("ovs_hybrid")
    _row_without_device({**vif, "id": vif["id"]}, ovs)
    ovs.vsctl("set", "interface", _names(vif)[2], f"external_ids:iface-id={OTHER}")
    (port,) = ports.plug(vif)
    assert (port.state, port.problem and port.problem.code) == (ERROR, "conflict")
