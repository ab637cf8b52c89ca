"""The peers that Neutron names: which of them count, and what is left of them after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from vif_agent.l2_agent.peers import Peers

A, B, C = "192.0.2.1", "192.0.2.2", "2001:db8::3"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vxlan_peers.json"


def test_what_was_never_told_is_not_known(path: Path) -> None:
    assert Peers(path).now is None
    assert Peers(path).delete(A) is False
    assert Peers(path).now is None


def test_peers_are_kept_over_a_restart(path: Path) -> None:
    peers = Peers(path)
    assert peers.take({B, A}) is True
    assert peers.take({A, B}) is False
    assert peers.add(C) is True
    assert peers.delete(A) is True
    assert Peers(path).now == (B, C)


def test_lonely_host_is_known_to_be_so(path: Path) -> None:
    assert Peers(path).take(set()) is True
    assert Peers(path).now == ()


def test_peer_that_is_not_named_goes_at_the_second_time(path: Path) -> None:
    """Neutron has lost its database, and hosts come back to it one by one."""
    peers = Peers(path)
    peers.take({A, B, C})
    assert peers.take({A}) is False
    assert peers.take({A, B}) is True
    assert peers.now == (A, B)
    assert peers.take({A}) is False, "named again in between"
    assert peers.take({A}) is True
    assert Peers(path).now == (A,)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"peers": 7}', '{"peers": ["x"]}', '{"peers": [null]}', "\xff", "[" * 9999],
)
def test_file_that_is_spoilt_is_as_none(path: Path, text: str) -> None:
    path.write_text(text, encoding="latin-1")
    peers = Peers(path)
    assert peers.now is None
    peers.take({A})
    assert Peers(path).now == (A,)


def test_peers_count_though_they_cannot_be_kept(tmp_path: Path) -> None:
    peers = Peers(tmp_path / "gone" / "vxlan_peers.json")
    assert peers.take({A}) is True
    assert peers.now == (A,)
