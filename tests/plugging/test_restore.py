"""What earlier requests have borrowed is restored as it was borrowed, whatever was requested
since."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.rig import NETWORK_TYPES, Rig
from vif_agent.plugin_host.registry import PluginRegistry
from vif_agent.plugins.bridge import BridgePlugin
from vif_agent.ports.port import PLUG, UNPLUG
from vif_agent.resources import LINK, VF, Key

Vif = dict[str, Any]
Payload = Callable[[str], Vif]

NIC = Key(LINK, "eth1")


@pytest.fixture
def without_taps(tmp_path: Path) -> Iterator[Rig]:
    """Taps in linux bridges are libvirt's."""
    rig = Rig(tmp_path, PluginRegistry({"bridge": BridgePlugin(network_types=NETWORK_TYPES)}))
    yield rig
    rig.store.close()


def _other(vif: Vif, number: int = 1) -> Vif:
    port = f"{number:08x}" + vif["id"][8:]
    return {**vif, "id": port, "devname": "tap" + port[:11], "address": f"fa:16:3e:00:01:0{number}"}


def _on(bridge: str, vif: Vif) -> Vif:
    return {**vif, "network": {**vif["network"], "bridge": bridge}}


def _text(vif: Vif, **meta: object) -> Vif:
    return {**vif, "meta": meta}


def _macvtap_on_the_nic(vif: Vif, payload: Payload) -> Vif:
    """The same port, of Neutron's macvtap agent, on the device of the flat network."""
    details = {"physical_interface": "eth1", "macvtap_source": "eth1"}
    return {**payload("macvtap"), "id": vif["id"], "details": details}


def _function(rig: Rig, vif: Vif) -> Any:
    return rig.host.snapshot()[Key(VF, vif["profile"]["pci_slot"])].resource


def test_vf_of_a_request_that_another_has_overtaken(rig: Rig, payload: Payload) -> None:
    """The second plug is never carried out: the card knows the first one's MAC."""
    vif = payload("hw_veb_direct")
    rig.plug(vif)
    rig.request(PLUG, {**vif, "address": "fa:16:3e:00:00:99"})
    assert rig.unplug(vif).state == "unplugged"
    assert rig.host.snapshot() == rig.clean


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
def test_nic_that_several_wanted_in_several_bridges(
    order: tuple[int, ...], without_taps: Rig, payload: Payload
) -> None:
    """One is refused what the others have, and all go in one reconcile."""
    rig = without_taps
    flat = payload("bridge_flat")
    vifs = [flat, _on("brother", _other(flat, 1)), _other(flat, 2)]
    assert [rig.plug(vif).state for vif in vifs] == ["ready", "error", "ready"]
    for vif in vifs:
        rig.request(UNPLUG, vif)
    rig.settle_in_order([str(vifs[place]["id"]) for place in order])
    assert {rig.stored(vif).state for vif in vifs} == {"unplugged"}
    assert rig.host.snapshot() == rig.clean


def test_nic_leaves_its_bridge_with_its_addresses_when_it_is_wanted_otherwise(
    rig: Rig, payload: Payload
) -> None:
    flat = payload("bridge_flat")
    rig.plug(flat)
    assert rig.plug(_macvtap_on_the_nic(flat, payload)).state == "ready"
    assert rig.host.snapshot() == rig.clean
    assert rig.unplug(flat).state == "unplugged"
    assert rig.host.snapshot() == rig.clean


def test_nic_that_another_port_waits_for_is_restored_first(rig: Rig, payload: Payload) -> None:
    flat = payload("bridge_flat")
    other = _macvtap_on_the_nic(_other(flat), payload)
    rig.plug(flat)
    assert rig.plug(other).state == "error"
    assert rig.unplug(flat).state == "unplugged"
    assert rig.host.snapshot() == rig.clean
    rig.settle(other["id"])
    assert rig.stored(other).state == "ready"


def test_nic_of_a_network_is_not_taken_from_it(rig: Rig, payload: Payload) -> None:
    """By a port that is older than the network's, and wants the NIC since a moment ago."""
    flat = payload("bridge_flat")
    older = _other(payload("bridge"))
    rig.plug(older)
    rig.plug(flat)
    nic = rig.host.snapshot()[NIC]
    assert rig.plug(_macvtap_on_the_nic(older, payload)).state == "error"
    rig.settle(flat["id"])
    assert rig.host.snapshot()[NIC] == nic
    rig.unplug(older)
    assert (rig.stored(flat).state, rig.host.snapshot()[NIC]) == ("ready", nic)
    rig.unplug(flat)
    assert rig.host.snapshot() == rig.clean


def test_device_that_a_command_has_made_makes_way_for_the_ports_own(
    rig: Rig, payload: Payload
) -> None:
    """Both have the port's name, and what is in the way is another's until it is undone."""
    vif = payload("vhostuser_fp_ovs")
    rig.plug(vif)
    tap = {**payload("ovs_create_tap"), "id": vif["id"], "devname": vif["devname"]}
    rig.plug(tap)
    rig.settle(*rig.engine.records.ports_of({Key(LINK, vif["devname"])}))
    assert rig.stored(tap).state == "ready"
    rig.unplug(tap)
    assert rig.host.snapshot() == rig.clean


def test_what_a_vf_had_for_an_earlier_request_is_not_left_to_the_next(
    rig: Rig, payload: Payload
) -> None:
    """A rate, say, of which the next one says nothing; of the same port or of another."""
    vif = payload("hw_veb_direct")
    rig.plug(vif)
    plain = _function(rig, vif)
    text = _text(vif, max_tx_rate=100, port_security_enabled=False, admin_state_up=False)
    rig.plug(text)
    assert _function(rig, vif) != plain
    rig.plug(vif)
    assert _function(rig, vif) == plain
    rig.plug(text)
    other = {**_other(vif), "address": vif["address"]}
    rig.settle(rig.request(UNPLUG, text), rig.request(PLUG, other))
    assert rig.stored(other).state == "ready"
    assert _function(rig, vif) == plain
