"""A VF's card, number, device and representor, by trees like /sys.

The names of representors are those that mlx5, nfp, bnxt and ice have had.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sysfs import CARD, Sysfs
from vif_agent.errors import NotConfigured, NotYet
from vif_agent.host.pci import Pci
from vif_agent.pci_names import CARD as NAME_OF_CARD
from vif_agent.pci_names import NETDEV, PF_ADDRESS, REPRESENTOR, VF_NUMBER

VF, SECOND = "0000:03:10.1", "0000:03:10.3"
SECOND_CARD = "0000:03:00.1"


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    """Two cards (functions of one), two VFs on the first, number 12 on the second."""
    sysfs = Sysfs(tmp_path / "sys")
    sysfs.function(CARD)
    sysfs.function(SECOND_CARD)
    sysfs.vf(VF, 0)
    sysfs.vf(SECOND, 1)
    sysfs.vf("0000:03:11.0", 12, SECOND_CARD)
    return sysfs


@pytest.fixture
def pci(sysfs: Sysfs) -> Pci:
    return Pci(sysfs.root)


def test_vf_and_its_card_of_a_plain_driver(sysfs: Sysfs, pci: Pci) -> None:
    sysfs.link("eth2", CARD, port=None)
    sysfs.link("eth2v1", SECOND)
    assert pci.card(VF) == pci.card(SECOND) == "eth2"
    assert (pci.vf_number(VF), pci.vf_number("0000:03:11.0")) == (0, 12)
    assert pci.look_up(VF_NUMBER, SECOND) == "1"
    assert pci.look_up(PF_ADDRESS, VF) == CARD
    assert pci.look_up(NETDEV, SECOND) == "eth2v1"


@pytest.mark.parametrize("patterns", [["eth2"], ["eth*"], [CARD], ["0000:03:*"], ["no", "*"]])
def test_vf_of_a_card_that_is_for_ports(sysfs: Sysfs, patterns: list[str]) -> None:
    sysfs.link("eth2", CARD, port=None)
    assert Pci(sysfs.root, patterns).look_up(NAME_OF_CARD, VF) == "eth2"


@pytest.mark.parametrize("patterns", [[], ["eth"], ["eth1", "eth22"], [VF], ["virtfn0"]])
@pytest.mark.parametrize("what", [NAME_OF_CARD, NETDEV, REPRESENTOR, PF_ADDRESS, VF_NUMBER])
def test_vf_of_another_card_is_nobodys_to_name(
    sysfs: Sysfs, patterns: list[str], what: str
) -> None:
    sysfs.link("eth2", CARD, port=None)
    sysfs.link("eth2v0", VF)
    with pytest.raises(NotConfigured, match=rf"^{VF} is a virtual function of eth2, which is not"):
        Pci(sysfs.root, patterns).look_up(what, VF)


def test_card_whose_device_is_gone_is_named_by_its_address(sysfs: Sysfs) -> None:
    assert Pci(sysfs.root, [CARD]).look_up(VF_NUMBER, SECOND) == "1"
    with pytest.raises(NotConfigured, match=CARD):
        Pci(sysfs.root, ["eth2"]).look_up(VF_NUMBER, SECOND)


def test_card_itself_is_no_pci_name(sysfs: Sysfs, pci: Pci) -> None:
    """Its device may be the host's own NIC."""
    sysfs.link("eth2", CARD, port=None)
    with pytest.raises(NotYet, match="not a virtual function"):
        pci.look_up(NETDEV, CARD)


@pytest.mark.parametrize(
    "names", [("p0", "pf0vf0", "pf0vf1"), ("p0", "0", "1"), ("p0", "vf0", "vf1"),
              ("p0", "c0pf0vf0", "c0pf0vf1"), ("p0", "PF0VF0", "PF0VF1"), ("", "0", "1"),
              ("p0", "p0pf0vf0", "p0pf0vf1")]
)  # fmt: skip
@pytest.mark.parametrize("under_card", [True, False], ids=["linux-5.8", "before"])
def test_representor(sysfs: Sysfs, pci: Pci, names: tuple[str, ...], under_card: bool) -> None:
    """Named so that the first by name is not the right one."""
    uplink, first, second = names
    sysfs.link("z-uplink", CARD, port=uplink, switch="ab12")
    sysfs.link("a-second", CARD if under_card else None, port=second, switch="ab12")
    sysfs.link("b-first", CARD if under_card else None, port=first, switch="ab12")
    assert pci.card(VF) == "z-uplink"
    assert pci.look_up(REPRESENTOR, VF) == "b-first"
    assert pci.look_up(REPRESENTOR, SECOND) == "a-second"


@pytest.mark.parametrize(
    ("port", "switch"),
    [("pf0vf0", "cd34"), ("pf1vf0", "ab12"), ("pf0vf10", "ab12"), ("pf0sf0", "ab12"),
     ("p0", "ab12"), ("pf0", "ab12"), ("pf00", "ab12"), ("", "ab12"), (None, "ab12"),
     ("pf0vf0", "")],
)  # fmt: skip
def test_what_is_no_representor_of_it(
    sysfs: Sysfs, pci: Pci, port: str | None, switch: str
) -> None:
    sysfs.link("eth2", CARD, port="p0", switch="ab12")
    sysfs.link("other", None, port=port, switch=switch)
    with pytest.raises(NotYet, match=rf"^{VF}: it has no representor now$"):
        pci.look_up(REPRESENTOR, VF)


def test_card_in_legacy_mode_has_no_representors(sysfs: Sysfs, pci: Pci) -> None:
    sysfs.link("eth2", CARD, port="p0")
    sysfs.link("other", None, port="pf0vf0")
    with pytest.raises(NotYet, match="no representor"):
        pci.look_up(REPRESENTOR, VF)


def test_representor_of_the_second_card_of_one_switch(sysfs: Sysfs, pci: Pci) -> None:
    """Ports of both are in one switch: the name says whose it is."""
    for name, card, port in (("e0", CARD, "p0"), ("e1", SECOND_CARD, "p1")):
        sysfs.link(name, card, port=port, switch="ab12")
    sysfs.link("r0", CARD, port="pf0vf12", switch="ab12")
    sysfs.link("r1", CARD, port="pf1vf12", switch="ab12")
    assert pci.look_up(REPRESENTOR, "0000:03:11.0") == "r1"


@pytest.mark.parametrize(("theirs", "ours"), [("c1pf0vf0", "pf0vf0"), ("p0if1pf0vf0", "p0pf0vf0")])
def test_representor_of_our_own_vf_goes_before_another_hosts(
    sysfs: Sysfs, pci: Pci, theirs: str, ours: str
) -> None:
    """A DPU shows its host's VFs by controller, or by interface."""
    sysfs.link("eth2", CARD, port="p0", switch="ab12")
    sysfs.link("a-theirs", CARD, port=theirs, switch="ab12")
    assert pci.look_up(REPRESENTOR, VF) == "a-theirs"
    sysfs.link("b-ours", CARD, port=ours, switch="ab12")
    assert pci.look_up(REPRESENTOR, VF) == "b-ours"


@pytest.mark.parametrize(
    ("what", "address", "words"),
    [
        (REPRESENTOR, "0000:99:00.0", "this host has no such PCI device"),
        (REPRESENTOR, CARD, "it is not a virtual function now"),
        (PF_ADDRESS, CARD, "it is not a virtual function now"),
        (VF_NUMBER, CARD, "it is not a virtual function now"),
        (NETDEV, VF, "it has no netdev now"),
        (REPRESENTOR, VF, "its card has no network device now"),
    ],
)
def test_what_is_not_there_is_told(pci: Pci, what: str, address: str, words: str) -> None:
    with pytest.raises(NotYet, match=rf"^{address}: {words}$"):
        pci.look_up(what, address)


def test_events_of_a_card_tell_of_its_vfs(sysfs: Sysfs, pci: Pci) -> None:
    sysfs.link("eth2", CARD)
    sysfs.link("eth2v1", SECOND)
    sysfs.link("br0")
    assert set(pci.vfs_at("eth2")) == {VF, SECOND}
    assert set(pci.vfs_at("eth2v1")) == {SECOND}
    assert set(pci.vfs_at("br0")) == set(pci.vfs_at("gone")) == set()


def test_vf_of_a_guest(sysfs: Sysfs, pci: Pci) -> None:
    sysfs.vf("0000:03:10.5", 2, driver="vfio-pci")
    sysfs.vf("0000:03:10.7", 3, driver="igbvf")
    sysfs.vf("0000:03:11.1", 4, driver="mlx5_vfio_pci")
    assert pci.is_passed_through("0000:03:10.5")
    assert pci.is_passed_through("0000:03:11.1")
    assert not pci.is_passed_through("0000:03:10.7")
    assert not pci.is_passed_through(VF)


COME_AND_GO = """
import os, sys
while True:
    os.symlink(sys.argv[2], sys.argv[1])
    os.unlink(sys.argv[1])
"""


def test_devices_may_go_while_they_are_read(sysfs: Sysfs, pci: Pci) -> None:
    """The thread that reads at events must not die of it: by Path.resolve() it did."""
    link = sysfs.root / "class/net/eth9"
    argv = [sys.executable, "-c", COME_AND_GO, str(link), str(sysfs.root / "devices/virtual/net")]
    with subprocess.Popen(argv) as other:
        try:
            seen = 0
            while seen < 1000:
                seen += link.is_symlink()
                assert list(pci.vfs_at("eth9")) == []
        finally:
            other.kill()
