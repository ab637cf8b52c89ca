"""Whose card is a device of? What the helper reads of sysfs, on a tree like it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.sysfs import CARD, Sysfs
from vif_agent.helper.cards import is_card, is_of_card

VF, OTHER_CARD, OTHER_VF = "0000:03:10.1", "0000:05:00.0", "0000:05:10.1"


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    """Two cards in switchdev mode, each with a VF, its device and its representor; and a bridge."""
    sysfs = Sysfs(tmp_path / "sys")
    for card, vf, name in ((CARD, VF, "eth2"), (OTHER_CARD, OTHER_VF, "eth3")):
        sysfs.function(card)
        sysfs.vf(vf, 0, card)
        sysfs.link(name, card, port="p0", switch=name)
        sysfs.link(f"{name}v0", vf)
        sysfs.link(f"{name}_0", card, port="pf0vf0", switch=name)
    sysfs.link("br-ex", port=None)
    return sysfs.root / "class/net"


@pytest.mark.parametrize("pattern", ["eth2", "0000:03:00.*"])
def test_devices_of_a_card_that_is_named_are_its_vfs_and_representors(
    nets: Path, pattern: str
) -> None:
    """The card's own port is the host's NIC."""
    every = [link.name for link in nets.iterdir()]
    found = {name for name in every if is_of_card(name, (pattern,), nets)}
    assert found == {"eth2v0", "eth2_0"}
    assert is_card("eth2", (pattern,), nets)
    assert not is_card("eth3", (pattern,), nets)


def test_no_card_is_named(nets: Path) -> None:
    assert not any(is_of_card(link.name, (), nets) for link in nets.iterdir())
    assert not is_of_card("gone", ("*",), nets)
