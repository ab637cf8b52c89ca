"""vif_type macvtap: the device that libvirt puts macvtaps on, and that goes with the last port."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.examples import INSTANCE
from tests.support.real_host import ANY, ip, links, make, read_one, removal
from tests.support.rig import Rig
from vif_agent.errors import InvalidRequest, NotConfigured
from vif_agent.host.real import RealHost
from vif_agent.network_types.physical import Physical
from vif_agent.ownership import SHARED
from vif_agent.plugins.macvtap import MacvtapPlugin
from vif_agent.ports.port import PLUG, UNPLUG
from vif_agent.resources import LINK, Bridge, Device, Key, Resource, Vlan
from vif_agent.vif import parse

Payload = Callable[[str], dict[str, Any]]

NIC = Device(name="eth1", shared=True, up=True)
VLAN = Vlan(name="eth1.102", shared=True, parent="eth1", vid=102, mtu=1450, disable_ipv6=True)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (NIC, VLAN)),
        ({"mtu": None}, (NIC, dataclasses.replace(VLAN, mtu=None))),
        ({"vlan": 0}, (NIC,)),
        ({"vlan": None}, (NIC,)),
    ],
)
def test_macvtap_vif_gives_these_resources(
    payload: Payload, fields: dict[str, Any], expected: tuple[Resource, ...]
) -> None:
    assert _answer(payload, **fields) == expected


@pytest.mark.parametrize(
    ("details", "field"),
    [
        ({}, "vif.details.physical_interface"),
        ({"physical_interface": "a/b"}, "vif.details.physical_interface"),
        ({"physical_interface": "eth1"}, "vif.details.macvtap_source"),
        ({"physical_interface": "eth1", "macvtap_source": "x" * 16}, "vif.details.macvtap_source"),
    ],
)
def test_macvtap_vif_that_names_no_device_is_refused(
    payload: Payload, details: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        _answer(payload, details=details)
    assert refused.value.field == field


def test_macvtap_vif_may_name_only_what_the_configuration_does(payload: Payload) -> None:
    vif = parse(INSTANCE, payload("macvtap"))
    with pytest.raises(NotConfigured, match=r"eth1 is neither in .* nor in .network. interfaces"):
        MacvtapPlugin(Physical({"physnet1": "eth2"}, ["eth3"])).resources(vif)
    for physical in (Physical({"physnet1": "eth1"}), Physical({}, ["eth[12]"])):
        assert tuple(MacvtapPlugin(physical).resources(vif)) == (NIC, VLAN)


@pytest.mark.parametrize(
    ("nic", "source"),
    [
        ("eth1", "eth1.102"),
        ("a-bond-of-nics", "a-bof58cb7.102"),
        ("enp59s0f1np", "enp59a91eb.102"),
        ("enp59s0f1np", "enp59s0f1np.102"),
    ],
)
def test_vlan_device_has_a_name_that_neutron_gives_it(
    payload: Payload, nic: str, source: str
) -> None:
    details = {**payload("macvtap")["details"], "physical_interface": nic}
    vif = parse(INSTANCE, {**payload("macvtap"), "details": {**details, "macvtap_source": source}})
    assert MacvtapPlugin(ANY).resources(vif)[1].name == source
    wrong = parse(
        INSTANCE, {**payload("macvtap"), "details": {**details, "macvtap_source": "eth7"}}
    )
    with pytest.raises(InvalidRequest, match="macvtap_source"):
        MacvtapPlugin(ANY).resources(wrong)


def _answer(payload: Payload, **fields: Any) -> tuple[Resource, ...]:
    vif = dataclasses.replace(parse(INSTANCE, payload("macvtap")), **fields)
    answer = tuple(MacvtapPlugin(ANY).resources(vif))
    assert answer == tuple(MacvtapPlugin(ANY).resources(vif))
    return answer


def test_vlan_device_is_shared_and_goes_with_the_last_port(
    tmp_path: Path, payload: Payload
) -> None:
    rig, first = Rig(tmp_path), payload("macvtap")
    second = {**first, "id": "0" + first["id"][1:]}
    rig.settle(rig.request(PLUG, first), rig.request(PLUG, second))
    assert rig.made() == {VLAN.key}
    assert rig.host.snapshot()[VLAN.key].owner == SHARED
    rig.settle(rig.request(UNPLUG, first))
    assert rig.made() == {VLAN.key}
    rig.settle(rig.request(UNPLUG, second))
    assert rig.host.snapshot() == rig.clean
    rig.store.close()


def test_vlan_device_of_the_operators_own_stays(tmp_path: Path, payload: Payload) -> None:
    rig, vif = Rig(tmp_path), payload("macvtap")
    rig.host.add_link(dataclasses.replace(VLAN, mtu=1400, shared=False))
    before = rig.host.snapshot()
    assert rig.plug(vif).state == "ready"
    assert rig.unplug(vif).state == "unplugged"
    assert rig.host.snapshot() == before
    rig.store.close()


def test_shared_device_with_a_macvtap_on_it_stays(host: RealHost) -> None:
    """A guest may still have it: the kernel would take the macvtap away with the device.

    This kernel may lack VLAN devices; what stands on a bridge is read in the same way.
    """
    below = Bridge(name="below", shared=True)
    assert make(host, below) == {}
    assert not read_one(host, below.key).members
    ip("link", "add", "macvtap7", "link", "below", "type", "macvtap")
    ip("link", "add", "other", "type", "bridge")
    ip("link", "add", "macvtap8", "link", "other", "type", "macvtap")
    for key in (below.key, Key(LINK, "other")):
        assert not removal(host, key, owner=SHARED)
    assert read_one(host, below.key).members == {"macvtap7"}
    ip("link", "del", "macvtap7")
    assert host.apply(removal(host, below.key, owner=SHARED)) == {}
    assert "below" not in links()
