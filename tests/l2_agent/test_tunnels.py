"""How often all tunnel ends are asked for: each time Neutron tells all agents of it."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from vif_agent.l2_agent.peers import Peers
from vif_agent.l2_agent.tunnels import Tunnels

OWN = "192.0.2.1"
FIRST = ipaddress.IPv4Address("198.18.0.0")


class Neutron:
    """``ends``: of how many other hosts it knows; ``asked``: how often."""

    def __init__(self, ends: int) -> None:
        self._ends = frozenset(str(FIRST + number) for number in range(ends)) | {OWN}
        self.asked = 0

    def tunnel_sync(self, own: str) -> frozenset[str]:
        assert own == OWN
        self.asked += 1
        return self._ends


def tunnels(path: Path, neutron: Neutron) -> Tunnels:
    return Tunnels(neutron, Peers(path / "peers.json"), OWN, lambda: None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ends", "least", "most"), [(2, 150, 450), (100, 150, 450), (1000, 1500, 4500)]
)
def test_many_hosts_ask_less_often_and_not_at_once(
    tmp_path: Path, ends: int, least: float, most: float
) -> None:
    neutron = Neutron(ends)
    tunnels(tmp_path, neutron)._run()  # now this host knows of them
    pauses = [tunnels(tmp_path, neutron)._run() for _ in range(100)]
    assert min(pauses) >= least - 1
    assert max(pauses) <= most
    assert max(pauses) - min(pauses) > (most - least) / 2


def test_host_that_knows_nobody_asks_at_once(tmp_path: Path) -> None:
    neutron = Neutron(1000)
    lonely = tunnels(tmp_path, neutron)
    lonely.sync()
    lonely._run()
    assert neutron.asked == 1


def test_what_may_be_missed_is_asked_for_within_some_minutes_of_a_thousand(tmp_path: Path) -> None:
    neutron = Neutron(1000)
    known = tunnels(tmp_path, neutron)
    known._run()
    known._run()
    assert neutron.asked == 1
    pauses = []
    for _ in range(100):
        known = tunnels(tmp_path, neutron)
        known._run()
        known.sync()
        pauses.append(known._run())
    assert max(pauses) <= 300
    assert max(pauses) - min(pauses) > 150
