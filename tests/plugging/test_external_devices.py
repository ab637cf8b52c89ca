"""What others make and a port borrows: changed for its sake, never tagged, restored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.rig import Rig
from vif_agent.plugin_host.registry import PluginRegistry
from vif_agent.plugins.base import Plugin
from vif_agent.ports.port import PLUG, UNPLUG
from vif_agent.resources import (
    LINK,
    OVS_PORT,
    Bridge,
    Device,
    Key,
    Link,
    OtherLink,
    OvsPort,
    Resource,
    Tap,
)
from vif_agent.vif import Vif

Payload = Callable[[str], dict[str, Any]]

NIC = Key(LINK, "uplink")


class Lent(Plugin):
    """The VIF's ``devname`` is a device that others make: into the network's bridge with it."""

    def resources(self, vif: Vif) -> Sequence[Resource]:
        bridge = Bridge(name=str(vif.bridge), shared=True)
        device = Device(name=str(vif.devname), shared=vif.multi_queue, master=vif.bridge, mtu=1400)
        return (bridge, device)


class Represented(Plugin):
    """It becomes a port of the integration bridge."""

    def resources(self, vif: Vif) -> Sequence[Resource]:
        device = Device(name=str(vif.devname), up=True)
        return (device, OvsPort(name=str(vif.devname), bridge="br-int"))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path, PluginRegistry({"tap": Lent(), "ovs": Represented()}))
    rig.host.add_link(OtherLink(name=NIC.name, mtu=9000, up=True, master=""))
    rig.clean = rig.host.snapshot()
    yield rig
    rig.store.close()


@pytest.fixture
def vif(payload: Payload) -> dict[str, Any]:
    return _on("brone", payload("tap"))


def _on(bridge: str, vif: dict[str, Any], nic: str = NIC.name) -> dict[str, Any]:
    return {**vif, "devname": nic, "network": {**vif["network"], "bridge": bridge}}


def _sharing(vif: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    vif = {**vif, "details": {"multiqueue": True}}
    return vif, {**vif, "id": "0" + vif["id"][1:]}


def test_external_device_is_changed_and_not_tagged(rig: Rig, vif: dict[str, Any]) -> None:
    assert rig.plug(vif).state == "ready"
    nic = rig.host.snapshot()[NIC]
    assert (getattr(nic.resource, "master", None), nic.owner) == ("brone", None)
    rig.new_plans()
    rig.plug(vif)
    assert rig.new_plans() == 0


def test_external_device_leaves_the_bridge_and_is_never_removed(
    rig: Rig, vif: dict[str, Any]
) -> None:
    rig.plug(vif)
    assert rig.unplug(vif).state == "unplugged"
    assert rig.made() == set()
    assert getattr(rig.host.snapshot()[NIC].resource, "master", None) == ""
    rig.new_plans()
    assert rig.unplug(vif).state == "unplugged"
    assert rig.new_plans() == 0


def test_what_somebody_has_moved_meanwhile_stays_there(rig: Rig, vif: dict[str, Any]) -> None:
    rig.plug(vif)
    rig.host.add_link(Bridge(name="theirs"))
    rig.host.change(NIC, master="theirs")
    rig.unplug(vif)
    assert getattr(rig.host.snapshot()[NIC].resource, "master", None) == "theirs"


def test_request_for_another_bridge_moves_it(rig: Rig, vif: dict[str, Any]) -> None:
    rig.plug(vif)
    rig.plug(_on("brtwo", vif))
    assert getattr(rig.host.snapshot()[NIC].resource, "master", None) == "brtwo"
    assert Key(LINK, "brone") not in rig.host.snapshot()


def test_request_for_another_device_restores_the_first(rig: Rig, vif: dict[str, Any]) -> None:
    rig.host.add_link(OtherLink(name="uplink-two"))
    rig.plug(vif)
    rig.plug(_on("brone", vif, nic="uplink-two"))
    there = rig.host.snapshot()
    assert there[Key(LINK, "brone")].members == {"uplink-two"}
    assert rig.stored(vif).previous_specs == ()


@pytest.mark.parametrize("restarts", [False, True])
def test_it_is_restored_for_a_request_that_never_was_reported(
    rig: Rig, vif: dict[str, Any], restarts: bool
) -> None:
    """The unplug overtakes the report of the plug, or comes before the start after a crash."""
    rig.engine.reconcile([rig.request(PLUG, vif)])
    rig.request(UNPLUG, vif)
    ports = rig.restart() if restarts else {str(vif["id"])}
    rig.settle(*ports, everywhere=restarts)
    assert rig.made() == set()
    assert getattr(rig.host.snapshot()[NIC].resource, "master", None) == ""


def test_it_stays_while_another_port_wants_it(rig: Rig, vif: dict[str, Any]) -> None:
    first, second = _sharing(vif)
    rig.plug(first)
    rig.plug(second)
    rig.unplug(first)
    assert getattr(rig.host.snapshot()[NIC].resource, "master", None) == "brone"
    rig.unplug(second)
    assert getattr(rig.host.snapshot()[NIC].resource, "master", None) == ""
    assert rig.made() == set()


def test_two_that_share_it_and_go_together(rig: Rig, vif: dict[str, Any]) -> None:
    both = _sharing(vif)
    rig.settle(*(rig.request(PLUG, one) for one in both))
    rig.settle(*(rig.request(UNPLUG, one) for one in both))
    assert {rig.stored(one).state for one in both} == {"unplugged"}
    assert rig.made() == set()


def test_port_waits_for_a_device_that_is_not_there(rig: Rig, vif: dict[str, Any]) -> None:
    vif = _on("brone", vif, nic="uplink-nine")
    port_id = rig.request(PLUG, vif)
    rig.settle(port_id)
    problem = rig.stored(vif).problem
    assert problem
    assert (problem.code, problem.transient) == ("not_yet", True)
    assert problem.message == "uplink-nine: others make it, and it is not there yet"
    assert rig.engine.reconcile([port_id]).waiting == {port_id: {Key(LINK, "uplink-nine")}}
    rig.host.add_link(OtherLink(name="uplink-nine"))
    rig.settle(port_id)
    assert rig.stored(vif).state == "ready"


def test_device_of_another_port_is_not_lent(rig: Rig, vif: dict[str, Any]) -> None:
    key = Key(LINK, "tap-other")
    rig.host.add_link(OtherLink(name=key.name), owner="another-port")
    before = rig.host.snapshot()[key]
    assert rig.plug(_on("brone", vif, nic=key.name)).problem
    assert rig.host.snapshot()[key] == before
    assert rig.unplug(_on("brone", vif, nic=key.name)).state == "unplugged"
    assert rig.host.snapshot()[key] == before


def test_only_who_borrows_a_device_may_wire_it(rig: Rig, payload: Payload) -> None:
    vif = _on("br-int", payload("ovs"))
    assert rig.plug(vif).state == "ready"
    assert rig.host.snapshot()[Key(OVS_PORT, NIC.name)].owner == vif["id"]
    rig.unplug(vif)
    assert rig.made() == set()
    assert NIC in rig.host.snapshot()


@pytest.mark.parametrize("name", ["vhostuser_fp_bridge", "vhostuser_fp_hybrid", "vhostuser_fp_ovs"])
@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        (Tap(name="theirs", master="lan"), "in the bridge lan, and not named after the port"),
        (Bridge(name="theirs"), "a bridge, and not named after the port"),
        (OtherLink(name="theirs", described="veth"), "a veth, and not named after the port"),
    ],
)
def test_device_that_only_the_cast_has_named_is_not_lent(
    tmp_path: Path, payload: Payload, name: str, theirs: Link, words: str
) -> None:
    """6WIND's program makes the device: it was there, and somebody else's."""
    rig = Rig(tmp_path)
    rig.host.add_link(Bridge(name="lan"))
    rig.host.add_link(theirs)
    before, vif = rig.host.snapshot(), {**payload(name), "devname": "theirs"}
    problem = rig.plug(vif).problem
    assert problem
    assert (problem.code, problem.message) == ("conflict", f"theirs is {words}")
    assert rig.host.snapshot() == before
    rig.unplug(vif)
    assert rig.host.snapshot() == before
    rig.store.close()
