"""A port whose binding changed loses its old devices in the reconcile that makes the new ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.real_host import Ports, Vif, links, new_vif, rows, with_details
from vif_agent.ports.port import PLUG, READY
from vif_agent.testing.ovs import PrivateOvs

Load = Callable[[str], Vif]


def _kinds(payload: Load) -> dict[str, Vif]:
    """One and the same port, as the bindings it may have in its life."""
    direct, bridge, tap = payload("ovs_create_tap"), payload("bridge"), payload("tap")
    same = {"id": direct["id"], "devname": direct["devname"], "address": direct["address"]}
    hybrid = with_details(direct, ovs_hybrid_plug=True, ovs_create_tap=False)
    return {
        "direct": direct,
        "hybrid": hybrid,
        "bridge": {**bridge, **same},
        "tap": {**tap, **same},
    }


CHANGES = [
    (old, new)
    for old in ("direct", "hybrid", "bridge", "tap")
    for new in ("direct", "hybrid", "bridge", "tap")
    if old != new
]


@pytest.mark.parametrize(("old", "new"), CHANGES, ids=[f"{a} to {b}" for a, b in CHANGES])
def test_port_of_a_new_type_loses_its_old_devices_in_the_same_reconcile(
    old: str, new: str, ports: Ports, payload: Load, ovs: PrivateOvs
) -> None:
    kinds = _kinds(payload)
    empty = _there(ovs)
    ports.plug(kinds[new])
    wanted = _there(ovs)
    ports.unplug(kinds[new])
    ports.plug(kinds[old])
    ports.engine.reconcile([ports.request(PLUG, kinds[new])])
    assert _there(ovs) == wanted, "not in the same round"
    assert [port.state for port in ports.plug(kinds[new])] == [READY]
    assert _there(ovs) == wanted
    ports.unplug(kinds[new])
    assert _there(ovs) == empty


def test_tap_leaves_the_bridge_of_its_old_type_though_others_stay_in_it(
    ports: Ports, payload: Load
) -> None:
    """vif_type tap minds no bridge: but it must not stay in its old network."""
    kinds = _kinds(payload)
    other = new_vif(kinds["bridge"], 7)
    ports.plug(kinds["bridge"], other)
    bridge = links()[other["devname"]]["master"]
    assert [port.state for port in ports.plug(kinds["tap"])] == [READY]
    assert "master" not in links()[kinds["tap"]["devname"]]
    assert links()[other["devname"]]["master"] == bridge


def _there(ovs: PrivateOvs) -> tuple[set[str], set[str], int]:
    return set(links()), set(ovs.vsctl("list-ports", "br-int").split()), len(rows(ovs, "qos"))
