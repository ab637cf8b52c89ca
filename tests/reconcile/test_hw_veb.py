"""Ports of VFs in the engine: taken, kept as wanted, restored if they are still theirs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.rig import Rig
from vif_agent.pci_names import NETDEV
from vif_agent.plugin_host.registry import PluginRegistry
from vif_agent.plugins.hw_veb import HwVebPlugin
from vif_agent.ports.port import PLUG, UNPLUG
from vif_agent.resources import LINK, VF, Key, OtherLink, Vf

Payload = Callable[[str], dict[str, Any]]

ADDRESS, MACVTAPS = "0000:03:10.1", "0000:03:10.2"
KEY, NETDEV_KEY = Key(VF, ADDRESS), Key(LINK, "eth2v2")
MAC = "fa:16:3e:5a:00:09"
NEW = Vf(
    name=ADDRESS, mac="00:00:00:00:00:00", vlan=0, trust=False, spoof_check=True,
    link_state="auto", min_tx_rate=0, max_tx_rate=0,
)  # fmt: skip
#: what Neutron says of a port that the VIF of nova does not
META = {
    "port_security_enabled": False, "admin_state_up": True, "min_tx_rate": 100, "max_tx_rate": 1000,
}  # fmt: skip


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path, PluginRegistry({"hw_veb": HwVebPlugin(nic_agent=False)}))
    rig.host.add_vf(Vf(name=ADDRESS))
    rig.host.add_vf(Vf(name=MACVTAPS))
    rig.host.add_link(OtherLink(name=NETDEV_KEY.name, up=False))
    rig.host.pci_names[NETDEV, MACVTAPS] = NETDEV_KEY.name
    rig.clean = rig.host.snapshot()
    yield rig
    rig.store.close()


@pytest.fixture
def vif(payload: Payload) -> dict[str, Any]:
    return payload("hw_veb_direct")


def _vf(rig: Rig, key: Key = KEY) -> Any:
    return rig.host.snapshot()[key].resource


def _is_as_new(rig: Rig) -> bool:
    return rig.host.snapshot() == rig.clean


def test_vf_is_as_the_port_wants_it(rig: Rig, vif: dict[str, Any]) -> None:
    assert rig.plug(vif).state == "ready"
    assert _vf(rig) == dataclasses.replace(NEW, mac=MAC, vlan=103, trust=True)
    rig.new_plans()
    rig.plug(vif)
    assert rig.new_plans() == 0


@pytest.mark.parametrize("restarts", [False, True])
def test_vf_of_a_card_that_is_not_for_ports_is_left_alone(
    rig: Rig, vif: dict[str, Any], restarts: bool
) -> None:
    """Also by the unplug, though its MAC is the one that the port would have given it."""
    rig.host.change(KEY, mac=MAC, vlan=7)
    rig.host.not_for_ports.add(ADDRESS)
    before = rig.host.snapshot()
    assert rig.plug(vif).problem.code == "not_configured"  # type: ignore[union-attr]
    if restarts:
        rig.settle(*rig.restart(), everywhere=True)
    assert rig.unplug(vif).state == "unplugged"
    assert rig.host.snapshot() == before


def test_vf_that_comes_later_is_judged_then(rig: Rig, vif: dict[str, Any]) -> None:
    rig.host.remove(KEY)
    rig.settle(rig.request(PLUG, vif))
    assert rig.stored(vif).problem.code == "not_yet"  # type: ignore[union-attr]
    rig.host.not_for_ports.add(ADDRESS)
    rig.host.add_vf(Vf(name=ADDRESS))
    before = rig.host.snapshot()
    rig.settle(vif["id"])
    assert rig.stored(vif).problem.code == "not_configured"  # type: ignore[union-attr]
    assert rig.host.snapshot() == before


def test_vf_is_reset_after_use(rig: Rig, vif: dict[str, Any]) -> None:
    rig.plug(vif)
    assert rig.unplug(vif).state == "unplugged"
    assert _is_as_new(rig)
    rig.new_plans()
    rig.unplug(vif)
    assert rig.new_plans() == 0


def test_all_that_neutron_says_is_set_and_reset(rig: Rig, vif: dict[str, Any]) -> None:
    rig.plug({**vif, "meta": META})
    assert _vf(rig) == Vf(
        name=ADDRESS, mac=MAC, vlan=103, trust=True, spoof_check=False, link_state="enable",
        min_tx_rate=100, max_tx_rate=1000,
    )  # fmt: skip
    rig.unplug(vif)
    assert _is_as_new(rig)


def test_vf_that_another_has_taken_stays_as_it_is(rig: Rig, vif: dict[str, Any]) -> None:
    rig.plug(vif)
    rig.host.change(KEY, mac="fa:16:3e:00:00:77", vlan=7)
    before = _vf(rig)
    assert rig.unplug(vif).state == "unplugged"
    assert _vf(rig) == before


def test_what_the_driver_does_not_tell_is_not_restored(rig: Rig, vif: dict[str, Any]) -> None:
    """A card without spoof check: a port without port security has what it wants."""
    rig.host.change(KEY, spoof_check=None)
    before = _vf(rig)
    assert rig.plug({**vif, "meta": META}).state == "ready"
    assert _vf(rig).spoof_check is None
    rig.unplug(vif)
    assert _vf(rig) == before


def test_trust_that_the_driver_does_not_tell_is_asked_for(rig: Rig, vif: dict[str, Any]) -> None:
    """Only asking tells whether the card can: no port is said to be trusted that is not."""
    rig.host.change(KEY, trust=None)
    rig.plug(vif)
    assert _vf(rig).trust is True


def test_drift_is_put_right(rig: Rig, vif: dict[str, Any]) -> None:
    rig.plug(vif)
    rig.host.change(KEY, vlan=0, trust=False)
    rig.settle(*rig.engine.records.ports_of([KEY]))
    assert (_vf(rig).vlan, _vf(rig).trust) == (103, True)


def test_two_ports_of_one_vf(rig: Rig, vif: dict[str, Any]) -> None:
    rig.plug(vif)
    second = {**vif, "id": "0" + vif["id"][1:], "address": "fa:16:3e:00:00:77"}
    problem = rig.plug(second).problem
    assert problem
    assert problem.message == f"{ADDRESS} belongs to port {vif['id']}"
    assert _vf(rig).mac == MAC


def test_vf_goes_over_to_another_port_in_one_reconcile(rig: Rig, vif: dict[str, Any]) -> None:
    rig.plug(vif)
    second = {**vif, "id": "0" + vif["id"][1:], "address": "fa:16:3e:00:00:77", "profile": {
        "pci_slot": ADDRESS}}  # fmt: skip
    rig.settle(rig.request(UNPLUG, vif), rig.request(PLUG, second))
    assert rig.stored(second).state == "ready"
    assert (_vf(rig).mac, _vf(rig).trust) == ("fa:16:3e:00:00:77", False)


def test_port_that_goes_to_another_vf_restores_the_first(rig: Rig, vif: dict[str, Any]) -> None:
    rig.plug(vif)
    rig.plug({**vif, "profile": {"pci_slot": MACVTAPS, "trusted": "true"}})
    assert _vf(rig) == NEW
    assert _vf(rig, Key(VF, MACVTAPS)).mac == MAC


def test_port_of_a_vf_that_is_not_there(rig: Rig, vif: dict[str, Any]) -> None:
    rig.host.remove(KEY)
    port_id = rig.request(PLUG, vif)
    rig.settle(port_id)
    problem = rig.stored(vif).problem
    assert problem
    assert problem.message == f"{ADDRESS}: no card of this host shows such a virtual function"
    assert rig.engine.reconcile([port_id]).waiting == {port_id: {KEY}}
    rig.host.add_vf(Vf(name=ADDRESS))
    rig.settle(port_id)
    assert rig.stored(vif).state == "ready"


@pytest.mark.parametrize(("vlan", "up"), [("104", True), ("0", False)])
def test_vfs_own_device_under_a_macvtap(rig: Rig, payload: Payload, vlan: str, up: bool) -> None:
    vif = payload("hw_veb_macvtap")
    vif["details"]["vlan"] = vlan
    assert rig.plug(vif).state == "ready"
    assert (_vf(rig, NETDEV_KEY).mac, _vf(rig, NETDEV_KEY).up) == (vif["address"], up)
    assert _vf(rig, Key(VF, MACVTAPS)).mac == vif["address"]
    rig.host.change(NETDEV_KEY, up=True)  # as libvirt does
    rig.settle(vif["id"])
    assert _vf(rig, NETDEV_KEY).up is True
    rig.unplug(vif)
    assert _vf(rig, NETDEV_KEY).up is False
    assert _vf(rig, Key(VF, MACVTAPS)) == dataclasses.replace(NEW, name=MACVTAPS)


def test_vfs_device_that_has_another_mac_by_now_stays_up(rig: Rig, payload: Payload) -> None:
    vif = payload("hw_veb_macvtap")
    rig.plug(vif)
    rig.host.change(NETDEV_KEY, mac="fa:16:3e:00:00:77")
    rig.unplug(vif)
    assert _vf(rig, NETDEV_KEY).up is True


def test_vf_is_reset_though_its_device_is_the_guests(rig: Rig, payload: Payload) -> None:
    vif = payload("hw_veb_macvtap")
    rig.plug(vif)
    rig.host.pci_names.clear()
    assert rig.unplug(vif).state == "unplugged"
    assert _vf(rig, Key(VF, MACVTAPS)) == dataclasses.replace(NEW, name=MACVTAPS)
