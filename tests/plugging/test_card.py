"""VFs of a real card: the one that VIF_AGENT_TEST_CARD names. scripts/test-vm has one.

Never set it to a card that somebody uses: its VFs are made anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.casting import wait_for
from tests.support.real_host import Ports, Vif, ip, links
from vif_agent.host.real import RealHost
from vif_agent.plugins.hw_veb import HwVebPlugin
from vif_agent.ports.port import READY, RETRYING, UNPLUGGED
from vif_agent.ports.store import Store
from vif_agent.resources import VF, Key
from vif_agent.testing import processes

NAME = os.environ.get("VIF_AGENT_TEST_CARD", "")
pytestmark = pytest.mark.skipif(
    not NAME, reason="VIF_AGENT_TEST_CARD names no SR-IOV card: scripts/test-vm has one"
)

Load = Callable[[str], Vif]

_VFS = 2


class Card(NamedTuple):
    path: Path
    addresses: list[str]

    def make_vfs(self, count: int) -> None:
        (self.path / "sriov_numvfs").write_text(str(count))

    def vf(self, number: int = 0) -> dict[str, Any]:
        """As `ip` shows it."""
        (link,) = json.loads(ip("-j", "link", "show", NAME))
        shown: dict[str, Any] = link["vfinfo_list"][number]
        return shown


@pytest.fixture(scope="module")
def card() -> Iterator[Card]:
    """In this run's namespace with what it has, for the kernel takes it back at the end."""
    _outside("ip", "link", "set", NAME, "netns", str(os.getpid()))
    path = Path("/sys/class/net", NAME, "device").resolve()
    card = Card(path, [])
    card.make_vfs(_VFS)
    card.addresses.extend((path / f"virtfn{n}").resolve().name for n in range(_VFS))
    ip("link", "set", NAME, "up")
    wait_for(lambda: "LOWER_UP" in links()[NAME]["flags"], "the card's carrier")
    yield card
    card.make_vfs(0)


@pytest.fixture
def changed(host: RealHost) -> set[Key]:
    keys: set[Key] = set()
    host.on_change(lambda some: keys.update(some or ()))
    return keys


@pytest.fixture
def ports(host: RealHost, store: Store) -> Ports:
    return Ports(host, store, {"hw_veb": HwVebPlugin(nic_agent=False)}, ready_timeout=0)


@pytest.fixture
def vif(payload: Load, card: Card) -> Vif:
    vif = payload("hw_veb_direct")
    return {**vif, "profile": {**vif["profile"], "pci_slot": card.addresses[0]}}


def _outside(*command: str) -> str:
    """In the machine's own namespace."""
    entering = ("nsenter", "--target=1", "--net", "--mount")
    return processes.run((*entering, *command), dict(os.environ))


def _words(vf: dict[str, Any]) -> tuple[object, ...]:
    vlans = [vlan["vlan"] for vlan in vf.get("vlan_list", ()) if "vlan" in vlan]
    return (vf["address"], vlans, vf["spoofchk"], vf["trust"])


def test_vf_is_set_and_reset(ports: Ports, vif: Vif, card: Card) -> None:
    before = card.vf()
    assert [port.state for port in ports.plug(vif)] == [READY]
    assert _words(card.vf()) == (vif["address"], [103], True, True)
    rounds = ports.engine.reconciles
    ports.plug(vif)
    assert ports.engine.reconciles == rounds
    for _again in range(2):
        assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
        assert card.vf() == before


def test_drift_is_told_and_put_right(ports: Ports, vif: Vif, card: Card, changed: set[Key]) -> None:
    ports.plug(vif)
    changed.clear()
    ip("link", "set", NAME, "vf", "0", "vlan", "7")
    wait_for(lambda: Key(VF, card.addresses[0]) in changed, "an event of the VF")
    assert ports.engine.records.ports_of(changed) == {vif["id"]}
    ports.reconcile({vif["id"]})
    assert _words(card.vf())[1] == [103]
    ports.unplug(vif)


def test_vf_that_another_has_taken_is_left_alone(ports: Ports, vif: Vif, card: Card) -> None:
    before = card.vf()
    ports.plug(vif)
    ip("link", "set", NAME, "vf", "0", "mac", "fa:16:3e:00:00:77")
    taken = card.vf()
    assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
    assert card.vf() == taken
    ip("link", "set", NAME, "vf", "0", "mac", before["address"], "vlan", "0")
    ip("link", "set", NAME, "vf", "0", "trust", "off")


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        ({"port_security_enabled": False}, "spoof_check"),
        ({"max_tx_rate": 100}, "max_tx_rate"),
        ({"min_tx_rate": 10}, "min_tx_rate or max_tx_rate"),
        ({"admin_state_up": True}, "link_state"),
    ],
)
def test_what_a_driver_need_not_have_is_set_or_refused_by_name(
    ports: Ports, vif: Vif, card: Card, meta: dict[str, Any], words: str
) -> None:
    before = card.vf()
    (port,) = ports.plug({**vif, "meta": meta})
    if port.problem:
        assert port.problem.code == "host_refused"
        assert f"{card.addresses[0]}: {words}: " in port.problem.message
    else:
        assert card.vf() != before
    assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
    assert card.vf() == before


def test_vfs_that_go_and_come_back(ports: Ports, vif: Vif, card: Card, changed: set[Key]) -> None:
    card.make_vfs(0)
    (port,) = ports.plug(vif)
    assert (port.state, "no card of this host shows" in str(port.problem)) == (RETRYING, True)
    card.make_vfs(_VFS)
    ip("link", "set", NAME, "vf", "0", "vlan", "7")
    wait_for(lambda: Key(VF, card.addresses[0]) in changed, "an event of the VF")
    assert ports.reconcile({vif["id"]})[vif["id"]].state == READY
    ports.unplug(vif)


def test_vfs_own_device_is_raised_for_a_macvtap(ports: Ports, payload: Load, card: Card) -> None:
    address, here = card.addresses[1], str(os.getpid())
    name = _outside("ls", f"/sys/bus/pci/devices/{address}/net").strip()
    _outside("ip", "link", "set", name, "netns", here)
    vif = {**payload("hw_veb_macvtap"), "profile": {"pci_slot": address}}
    assert [port.state for port in ports.plug(vif)] == [READY]
    link = links()[name]
    assert (link["address"], "UP" in link["flags"]) == (vif["address"], True)
    assert _words(card.vf(1))[:2] == (vif["address"], [104])
    assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
    assert "UP" not in links()[name]["flags"]
    assert _words(card.vf(1)) == ("00:00:00:00:00:00", [], True, False)
