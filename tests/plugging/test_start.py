"""A start: one look at the host, and a write only where something differs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.real_host import Ports, Vif, new_vif
from vif_agent.host.real import RealHost
from vif_agent.ports.port import READY
from vif_agent.ports.store import Store
from vif_agent.reconcile.outcome import Outcome
from vif_agent.resources import LINK, OVS_PORT, Key
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.ovs import PrivateOvs
from vif_agent.testing.watch import WriteWatch

Payload = Callable[[str], Vif]


def test_start_with_1000_healthy_ports_is_not_one_write(
    ports: Ports, host: RealHost, store: Store, payload: Payload, ovs: PrivateOvs
) -> None:
    kinds = [("tap", 600), ("bridge", 250), ("ovs_create_tap", 100), ("ovs_hybrid", 50)]
    vifs = [
        new_vif(payload(kind), 1000 * n + count)
        for n, (kind, many) in enumerate(kinds)
        for count in range(many)
    ]
    assert {port.state for port in ports.plug(*vifs)} == {READY}
    again = Ports(host, store)
    with WriteWatch(ovs) as watch:
        watch.settle(quiet=1.5, timeout=60)
        known = again.engine.load()
        assert len(known) == 1000
        outcome = again.engine.reconcile(known, everywhere=True)
        assert watch.events() == []
    assert outcome == Outcome()
    assert again.engine.reconciles == 0
    ports.unplug(*vifs)  # at once, where a sweep takes them one by one


def test_host_is_seen_whole_when_it_has_started(scratch: ScratchHost) -> None:
    """The word of the OVSDB connection comes before the first look, not after it for a second.

    The kernel may still have something to tell of the links of the test before.
    """
    reported: list[object] = []

    def hear(keys: frozenset[Key] | None) -> None:
        if keys is None or any(key.space != LINK for key in keys):
            reported.append(keys)

    host = RealHost(scratch.ovs.connection, 10)
    host.on_change(hear)
    host.start()
    try:
        assert reported == [None]
        host.read([Key(OVS_PORT, "br-int")])
        assert reported == [None]
    finally:
        host.stop()


def test_ovsdb_that_is_away_is_told_with_its_address(
    scratch: ScratchHost, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong socket, or one that may not be opened, else shows with the first port only."""
    host = RealHost(f"unix:{tmp_path}/none", 1)
    with caplog.at_level(logging.INFO, "vif_agent.host"):
        host.start()
        host.stop()
    assert (
        f"ovsdb: not connected to unix:{tmp_path}/none: No such file or directory"
        in caplog.messages
    )
