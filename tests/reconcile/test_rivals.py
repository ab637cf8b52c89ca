"""Ports that want what another has: refused, and well as soon as it can be theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.rig import Rig
from vif_agent.pci_names import REPRESENTOR
from vif_agent.ports.port import PLUG, UNPLUG
from vif_agent.resources import ADDRESS, LINK, OVS_PORT, Key, OtherLink

Vif = dict[str, Any]
Payload = Callable[[str], Vif]

SLOTS = ("0000:81:00.2", "0000:81:00.3")
#: of which no two ports can have one
RIVALRY = ["tap", "ovs_create_tap", "ovs_hybrid", "hw_veb_direct", "ovs_direct", "midonet"]


def _rival(vif: Vif) -> Vif:
    """With the same first 11 characters, and the same VF."""
    return {**vif, "id": vif["id"][:-1] + "0", "address": "fa:16:3e:00:01:02"}


def _sibling(vif: Vif) -> Vif:
    port = "00000001" + vif["id"][8:]
    return {**vif, "id": port, "devname": "tap" + port[:11], "address": "fa:16:3e:00:01:01"}


@pytest.mark.parametrize("name", RIVALRY)
@pytest.mark.parametrize("restarts", [False, True])
def test_port_is_plugged_as_soon_as_the_other_has_gone(
    name: str, restarts: bool, rig: Rig, payload: Payload
) -> None:
    first, second = payload(name), _rival(payload(name))
    rig.plug(first)
    assert rig.plug(second).state == "error"
    gone = rig.request(UNPLUG, first)
    if restarts:
        rig.settle(*rig.restart(), everywhere=True)
    else:
        rig.settle(gone)
    assert (rig.stored(first).state, rig.stored(second).state) == ("unplugged", "ready")
    rig.unplug(second)
    assert rig.host.snapshot() == rig.clean


def test_two_representors_that_have_changed_their_names(rig: Rig, payload: Payload) -> None:
    """The VFs were made anew, and the kernel counts in the order in which they come."""
    first = payload("ovs_direct")
    vifs = [
        {**vif, "profile": {**vif["profile"], "pci_slot": slot}}
        for vif, slot in zip((first, _sibling(first)), SLOTS, strict=True)
    ]
    for vif in vifs:
        assert rig.plug(vif).state == "ready"
    names = [rig.host.pci_names[REPRESENTOR, slot] for slot in SLOTS]
    for slot, name in zip(SLOTS, reversed(names), strict=True):
        rig.host.pci_names[REPRESENTOR, slot] = name
    rig.settle(*(vif["id"] for vif in vifs))
    rig.settle(*(vif["id"] for vif in vifs))
    assert [rig.stored(vif).state for vif in vifs] == ["ready", "ready"]
    rows = rig.host.snapshot()
    assert [rows[Key(OVS_PORT, name)].owner for name in names] == [vifs[1]["id"], vifs[0]["id"]]


def test_all_that_one_thing_kept_from_their_bridge_are_looked_at_when_it_goes(
    rig: Rig, payload: Payload
) -> None:
    first, second = payload("bridge"), _sibling(payload("bridge"))
    bridge = Key(LINK, first["network"]["bridge"])
    rig.host.add_link(OtherLink(name=bridge.name))
    for vif in (first, second):
        assert rig.plug(vif).state == "error"
    rig.host.remove(bridge)
    rig.settle(*rig.engine.records.ports_of({bridge}))
    assert [rig.stored(vif).state for vif in (first, second)] == ["ready", "ready"]


def test_of_those_that_share_a_bridge_and_are_well_one_is_enough(
    rig: Rig, payload: Payload
) -> None:
    first, second = payload("bridge"), _sibling(payload("bridge"))
    rig.settle(*(rig.request(PLUG, vif) for vif in (first, second)))
    assert len(rig.engine.records.ports_of({Key(LINK, first["network"]["bridge"])})) == 1


def test_of_each_tunnel_that_stands_on_an_address_one_port_is_looked_at(
    rig: Rig, payload: Payload
) -> None:
    """Until the last port of its network has gone."""
    base, address = payload("bridge"), Key(ADDRESS, "192.0.2.1")
    first, second = _of_network(base, 1), _of_network(_sibling(base), 2)
    third = {**_of_network(base, 2), "id": "00000002" + base["id"][8:], "devname": "tap00000002"}
    rig.settle(*(rig.request(PLUG, vif) for vif in (first, second, third)))
    assert rig.engine.records.ports_of({address}) == {first["id"], min(second["id"], third["id"])}
    rig.unplug(second)
    assert rig.engine.records.ports_of({address}) == {first["id"], third["id"]}
    rig.unplug(third)
    rig.unplug(first)
    assert rig.engine.records.ports_of({address}) == set()


def _of_network(vif: Vif, number: int) -> Vif:
    meta = {"network_type": "vxlan", "segmentation_id": 70000 + number, "mtu": 1450}
    return {**vif, "network": {"id": None, "bridge": f"brq-{number}", "meta": meta}}
