"""What ``scripts/demo --guests`` counts with, and what nova's interfaces say of its VIFs."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.guests import pings
from demo.guests.guest import Guest, interface
from demo.guests.prober import Asking, _echo
from demo.guests.vifs import KINDS, Nic, nics

ALL = [nic for guest in (1, 2) for nic in nics(guest, queues=guest)]


@pytest.mark.parametrize("nic", ALL, ids=lambda nic: f"{nic.kind.name}-{nic.guest}")
def test_interface_is_of_this_vif(nic: Nic) -> None:
    """scripts/test-nova writes them; here is seen that no VIF has been changed without."""
    said = interface(nic)
    found = {tag: dict(element.attrib) for tag in ("mac", "target", "driver", "source")
             if (element := said.find(tag)) is not None}  # fmt: skip
    assert found["mac"] == {"address": nic.vif["address"]}
    assert found["target"]["dev"] == nic.tap
    assert found["target"].get("managed") == ("no" if nic.kind.tap in ("nova", "agent") else None)
    assert found["driver"].get("queues") == (None if nic.queues == 1 else str(nic.queues))
    bridges = {"bridge": nic.vif["network"]["bridge"], "hybrid": nic.port.device("qbr"),
               "virtualport": "br-int"}  # fmt: skip
    assert found.get("source", {}).get("bridge") == bridges.get(nic.kind.name)


def test_domain_has_all_interfaces(tmp_path: Path) -> None:
    guest = Guest(2, nics(2, 2), tmp_path / "console")
    domain = guest.domain()
    assert domain.count("<interface") == len(KINDS)
    assert "nic=fa:16:3e:15:01:02,10.0.1.2/24,10.0.1.1" in domain


def test_lost_pings_are_those_without_an_answer_before_the_last(tmp_path: Path) -> None:
    console = tmp_path / "console"
    guest = Guest(2, nics(2, 2)[:3], console)
    console.write_text(
        "pings 10.0.1.1 1 0\r\npings 10.0.1.1 3 2\r\npings 10.0.2.1 3 4\npings 10.0.2.1 4"
    )
    counted = pings.count([guest])
    assert pings.answered(counted) == 6
    assert pings.lost(counted) == {("guest-2", "10.0.2.1"): 2}


def test_longest_gap() -> None:
    asking = Asking(None, ["10.0.1.1", "10.0.2.1"])  # type: ignore[arg-type]
    asking.arrivals["10.0.1.1"] = [1.0, 1.1, 1.6, 1.7]
    assert asking.longest_gap("10.0.1.1") == pytest.approx(0.5)
    assert asking.longest_gap("10.0.2.1") == float("inf")


def test_echo_requests_have_a_right_checksum() -> None:
    """RFC 1071: the sum of all words with the checksum in place is all ones."""
    for number in (0, 1, 0x1234, 0xFFFF, 0x1_0000):
        data = _echo(number)
        total = sum(int.from_bytes(data[i : i + 2]) for i in range(0, len(data), 2))
        while total >> 16:
            total = (total >> 16) + (total & 0xFFFF)
        assert total == 0xFFFF
