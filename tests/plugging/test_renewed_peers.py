"""Peers that change without a request reach the tunnels that are there, and are no drift."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from tests.plugging.test_vxlan import DEVICE, FLOOD, shown
from tests.plugging.test_vxlan import vif as vif
from tests.support.real_host import (
    Ports,
    all_plugins,
    bridge_fdb,
    links,
    network_types,
    new_vif,
    nothing_written,
)  # fmt: skip
from tests.support.wire import HOST, Wire
from vif_agent.host.real import RealHost
from vif_agent.network_types.peered import Peered
from vif_agent.network_types.vxlan import VxlanDriver
from vif_agent.plugins.bridge import BridgePlugin
from vif_agent.ports.port import READY
from vif_agent.ports.store import Store
from vif_agent.reconcile.renewal import renew
from vif_agent.resources import Resource
from vif_agent.testing.ovs import PrivateOvs
from vif_agent.vif import Vif as ParsedVif

Vif = dict[str, Any]

A, B, C = "192.0.2.7", "192.0.2.8", "192.0.2.9"


@dataclasses.dataclass
class Named:
    """By somebody else than the configuration."""

    peers: tuple[str, ...] | None


class PeeredBridges(BridgePlugin):
    """As the agent wraps all plugins."""

    named = Named(None)

    def resources(self, vif: ParsedVif) -> Sequence[Resource]:
        inner: Any = super()
        return Peered(inner, HOST[0], lambda: self.named.peers).resources(vif)


@pytest.fixture
def named() -> Named:
    PeeredBridges.named = Named(None)
    return PeeredBridges.named


@pytest.fixture
def ports(wire: Wire, host: RealHost, store: Store, named: Named) -> Ports:
    drivers = network_types(vxlan=VxlanDriver(local_ip=HOST[0]))
    bridges = PeeredBridges(create_tap=True, network_types=drivers)
    return Ports(host, store, {**all_plugins(), "bridge": bridges})


def flooded() -> set[str]:
    entries = bridge_fdb("show", "dev", DEVICE).splitlines()
    return {entry.split()[2] for entry in entries if entry.startswith(FLOOD)}


def renewed(ports: Ports) -> dict[str, Any]:
    renew(ports.engine.records)
    return dict(
        ports.reconcile({record.port.port_id for record in ports.engine.records}, everywhere=True)
    )


def test_changed_peers_reach_the_tunnel_that_is_there(
    ports: Ports, named: Named, vif: Vif, ovs: PrivateOvs
) -> None:
    named.peers = (A, B)
    ports.plug(vif, new_vif(vif, 2))
    index = links()[DEVICE]["ifindex"]
    assert flooded() == {A, B}
    named.peers = (B, C)
    assert renewed(ports) == {}, "nobody's repair, and no news of any port"
    assert flooded() == {B, C}
    assert links()[DEVICE]["ifindex"] == index
    with nothing_written(ovs):
        assert renewed(ports) == {}


def test_who_has_undone_the_new_peers_is_put_right(ports: Ports, named: Named, vif: Vif) -> None:
    named.peers = (A,)
    (port,) = ports.plug(vif)
    named.peers = (B,)
    renewed(ports)
    bridge_fdb("delete", FLOOD, "dev", DEVICE, "dst", B)
    assert ports.reconcile({port.port_id})[port.port_id].repaired
    assert flooded() == {B}


def test_last_peer_that_goes_leaves_none(ports: Ports, named: Named, vif: Vif) -> None:
    named.peers = (A,)
    ports.plug(vif)
    named.peers = ()
    renewed(ports)
    assert flooded() == set()


def test_peers_that_are_not_known_yet_leave_tunnels_as_they_are(
    ports: Ports, named: Named, vif: Vif, host: RealHost, store: Store
) -> None:
    """An agent that starts without its file, while Neutron is away."""
    named.peers = (A, B)
    ports.plug(vif)
    named.peers = None
    assert renewed(ports) == {}
    assert flooded() == {A, B}


def test_tunnel_of_a_group_stays_until_peers_are_known(
    ports: Ports, named: Named, vif: Vif, host: RealHost, store: Store
) -> None:
    drivers = network_types(vxlan=VxlanDriver(local_ip=HOST[0]))
    before = {**all_plugins(), "bridge": BridgePlugin(create_tap=True, network_types=drivers)}
    Ports(host, store, before).plug(vif)
    index = links()[DEVICE]["ifindex"]
    assert [port.state for port in ports.plug(vif)] == [READY]
    assert (shown()["group"], links()[DEVICE]["ifindex"]) == ("224.0.0.1", index)
    named.peers = (A,)
    renewed(ports)
    assert "group" not in shown()
    assert flooded() == {A}


def test_tunnel_that_is_made_before_peers_are_known_gets_them(
    ports: Ports, named: Named, vif: Vif
) -> None:
    ports.plug(vif)
    assert flooded() == set()
    named.peers = (A,)
    renewed(ports)
    assert flooded() == {A}
