"""A tunnel follows the address that it stands on, at once: the agent moves it itself, with the NIC
of a flat network, and others move it too."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.casting import MODES, Options, Site, Vif, wait_for
from tests.support.peers import neutron_bridge
from tests.support.real_host import TUN, ip, links, new_vif
from tests.support.wire import HOST, NEIGHBOUR, NIC, Wire
from vif_agent.testing.frames import End, TapEnd, crosses
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]

GROUP, VNI = "239.1.2.3", 70007
DEVICE = f"vxlan-{VNI}"
TUNNEL = {"network_type": "vxlan", "segmentation_id": VNI, "mtu": 1450}
FLAT = {"network_type": "flat", "physical_network": "physnet1", "mtu": 1500}
THEIR_BRIDGE, THEIR_TAP = "brq-theirs", "tap-theirs"


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()
    with contextlib.suppress(RuntimeError):  # it went with its far end
        ip("link", "delete", NIC)


@pytest.fixture(params=MODES)
def site(
    request: pytest.FixtureRequest, scratch_with_bus: ScratchHost, wire: Wire
) -> Iterator[Site]:
    network = {
        "physical_interface_mappings": f"physnet1:{NIC}",
        "vxlan_local_ip": HOST[0],
        "vxlan_group": GROUP,
    }
    options: Options = {"vif_agent": {"check_interval": 0}, "network": network}
    with Site(scratch_with_bus, request.param, options) as running:
        yield running


@pytest.fixture
def their_guest(wire: Wire) -> Iterator[End]:
    """Of the same network, on another host."""
    with wire.neighbour.entered():
        neutron_bridge(THEIR_BRIDGE)
        ip(
            *("link", "add", DEVICE, "type", "vxlan", "id", str(VNI), "local", NEIGHBOUR[0]),
            *("dev", "far", "group", GROUP, "dstport", "8472"),
        )
        ip("tuntap", "add", "dev", THEIR_TAP, "mode", "tap")
        for name in (DEVICE, THEIR_TAP):
            ip("link", "set", name, "master", THEIR_BRIDGE, "up")
        end = TapEnd(THEIR_TAP, TUN)
    with end:
        yield end


def of_network(vif: Vif, number: int, meta: dict[str, Any]) -> Vif:
    network = {"id": None, "bridge": f"brq-{meta['network_type']}", "meta": meta}
    return {**new_vif(vif, number), "network": {**vif["network"], **network}}


def carried_by() -> str:
    return str(links()[DEVICE]["linkinfo"]["info_data"].get("link"))


def test_first_flat_port_leaves_the_tunnels_networks_whole(
    site: Site, payload: Payload, their_guest: End
) -> None:
    tunnelled = of_network(payload("bridge"), 1, TUNNEL)
    flat = of_network(payload("bridge"), 2, FLAT)
    site.plug(tunnelled)
    with TapEnd(tunnelled["devname"], TUN) as guest:
        for act, carrier in ((None, NIC), (site.plug, "brq-flat"), (site.unplug, NIC)):
            with site.watch() as watch:  # no late event of a carrier is to wake the port
                watch.settle(quiet=1.1)
            if act:
                act(flat)
            wait_for(lambda: carried_by() == carrier, f"tunnel on {carrier}")  # noqa: B023
            assert crosses(their_guest, guest)
            assert crosses(guest, their_guest, source_mac=tunnelled["address"])
    site.unplug(tunnelled)


def test_tunnel_follows_an_address_that_somebody_moves(
    site: Site, payload: Payload, wire: Wire
) -> None:
    """Also one that was nowhere for a while: its coming is enough, no retry is waited for."""
    tunnelled = of_network(payload("bridge"), 1, TUNNEL)
    site.plug(tunnelled)
    ip("link", "add", "br-mgmt", "type", "bridge")
    ip("link", "set", "br-mgmt", "up")
    ip("address", "delete", HOST[0] + "/24", "dev", NIC)
    wait_for(lambda: site.port(tunnelled)["state"] == "retrying", "the loss")
    ip("address", "add", HOST[0] + "/24", "dev", "br-mgmt")
    wait_for(lambda: carried_by() == "br-mgmt", "the tunnel on br-mgmt")
    wait_for(lambda: site.port(tunnelled)["state"] == "ready", "a port that is well")
    site.unplug(tunnelled)
    ip("link", "delete", "br-mgmt")
