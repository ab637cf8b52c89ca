"""Names that only the host knows: found at each look, and followed when they change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.rig import Rig
from vif_agent.errors import NotYet
from vif_agent.pci_names import (
    NETDEV,
    PF_ADDRESS,
    REPRESENTOR,
    VF_NUMBER,
    has_placeholder,
    of_pci,
    resolved,
)
from vif_agent.plugin_host.registry import PluginRegistry
from vif_agent.plugins.base import Plugin
from vif_agent.ports.port import PLUG, UNPLUG
from vif_agent.resources import LINK, OVS_PORT, Device, Key, OtherLink, OvsPort, Resource
from vif_agent.vif import DEVICE_NAME, Vif

Payload = Callable[[str], dict[str, Any]]

VF = "0000:03:10.1"
HOST = {
    (REPRESENTOR, VF): "eth1", (PF_ADDRESS, VF): "0000:03:00.0", (VF_NUMBER, VF): "4",
}  # fmt: skip
PLACEHOLDER = of_pci(VF, REPRESENTOR)
FUNCTION = (of_pci(VF, PF_ADDRESS), of_pci(VF, VF_NUMBER))


class Represented(Plugin):
    def resources(self, vif: Vif) -> Sequence[Resource]:
        place = of_pci(str(vif.profile.get("pci_slot", VF)), REPRESENTOR)
        return (Device(name=place, up=True, lowered=True), OvsPort(name=place, bridge="br-int"))


def find(what: str, address: str) -> str:
    if (what, address) not in HOST:
        raise NotYet(f"{address}: it has no {what} now")
    return HOST[what, address]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Device(name=PLACEHOLDER), Device(name="eth1")),
        (Device(name="eth2", master=PLACEHOLDER), Device(name="eth2", master="eth1")),
        (OvsPort(name="vfr1", bridge="b", options=(("a", "{},[{}]".format(*FUNCTION)),)),
         OvsPort(name="vfr1", bridge="b", options=(("a", "0000:03:00.0,[4]"),))),
    ],
)  # fmt: skip
def test_name_is_put_in_for_the_pci_name(given: Resource, expected: Resource) -> None:
    assert has_placeholder(given)
    assert resolved(given, find) == expected
    assert not has_placeholder(expected)


def test_what_has_no_pci_name_stays_the_very_same() -> None:
    device = Device(name="eth1", only_if=(("master", "<br>"), ("up", True)))
    assert resolved(device, find) is device


@pytest.mark.parametrize("what", [NETDEV, REPRESENTOR, PF_ADDRESS, VF_NUMBER])
def test_pci_name_is_never_a_device(what: str) -> None:
    assert not DEVICE_NAME.match(of_pci(VF, what))


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(NotYet, match=f"{VF}: it has no netdev now"):
        resolved(Device(name=of_pci(VF, NETDEV)), find)


# -- in the engine -----------------------------------------------------------------------------


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path, PluginRegistry({"ovs": Represented()}))
    rig.host.pci_names.clear()
    rig.host.add_link(OtherLink(name="eth7"))
    rig.clean = rig.host.snapshot()
    yield rig
    rig.store.close()


@pytest.fixture
def vif(payload: Payload) -> dict[str, Any]:
    return payload("ovs")


def _is(rig: Rig, name: str) -> None:
    """The representor has this name now, whatever it was before."""
    rig.host.pci_names[REPRESENTOR, VF] = name


def _ups(rig: Rig) -> dict[str, object]:
    there = rig.host.snapshot()
    return {name: getattr(there[Key(LINK, name)].resource, "up", None) for name in ("eth1", "eth7")}


def test_port_waits_until_the_pci_name_is_there(rig: Rig, vif: dict[str, Any]) -> None:
    port_id = rig.request(PLUG, vif)
    assert rig.settle(port_id) == {port_id}
    problem = rig.stored(vif).problem
    assert problem
    assert (problem.code, problem.message) == ("not_yet", f"{VF}: it has no representor now")
    _is(rig, "eth1")
    assert rig.settle(port_id) == set()
    assert rig.stored(vif).state == "ready"
    assert rig.made() == {Key(OVS_PORT, "eth1")}


@pytest.mark.parametrize("restarts", [False, True])
def test_port_follows_the_pci_name_to_another_name(
    rig: Rig, vif: dict[str, Any], restarts: bool
) -> None:
    """At a reboot, or by udev: the old name may be another's by now."""
    _is(rig, "eth1")
    rig.plug(vif)
    _is(rig, "eth7")
    if restarts:
        rig.restart()
    rig.settle(vif["id"], everywhere=restarts)
    assert rig.made() == {Key(OVS_PORT, "eth7")}
    assert rig.stored(vif).devices == ("eth7",)
    rig.new_plans()
    rig.settle(vif["id"])
    assert rig.new_plans() == 0


def test_nothing_is_undone_while_the_pci_name_is_away(rig: Rig, vif: dict[str, Any]) -> None:
    _is(rig, "eth1")
    rig.plug(vif)
    rig.host.pci_names.clear()
    assert rig.settle(vif["id"]) == {vif["id"]}
    assert rig.made() == {Key(OVS_PORT, "eth1")}
    _is(rig, "eth1")
    rig.new_plans()
    assert rig.settle(vif["id"]) == set()
    assert (rig.stored(vif).state, rig.new_plans()) == ("ready", 0)


def test_it_is_lowered_when_the_port_goes(rig: Rig, vif: dict[str, Any]) -> None:
    _is(rig, "eth1")
    rig.plug(vif)
    assert _ups(rig)["eth1"] is True
    assert rig.unplug(vif).state == "unplugged"
    assert (rig.made(), _ups(rig)["eth1"]) == (set(), False)
    rig.new_plans()
    rig.unplug(vif)
    assert rig.new_plans() == 0


def test_port_goes_though_the_pci_name_is_away(rig: Rig, vif: dict[str, Any]) -> None:
    _is(rig, "eth1")
    rig.plug(vif)
    rig.host.pci_names.clear()
    rig.settle(rig.request(UNPLUG, vif))
    assert (rig.stored(vif).state, rig.made()) == ("unplugged", set())


def test_answers_of_a_ready_port_do_not_bring_back_what_was_restored(
    rig: Rig, vif: dict[str, Any]
) -> None:
    """The device of its former request, which somebody else uses by now, stays as it is."""
    other = "0000:03:10.3"
    rig.host.pci_names[REPRESENTOR, other] = "eth1"
    rig.plug({**vif, "profile": {"pci_slot": other}})
    _is(rig, "eth7")
    rig.plug(vif)
    assert _ups(rig) == {"eth1": False, "eth7": True}
    rig.host.change(Key(LINK, "eth1"), up=True)
    rig.settle(vif["id"])
    assert _ups(rig) == {"eth1": True, "eth7": True}
