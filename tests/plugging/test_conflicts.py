"""What is in the way of a port: refused with a clear error, and left as it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.real_host import Ports, Vif, everything, ip, with_details
from vif_agent.host.real import RealHost
from vif_agent.ports.port import ERROR
from vif_agent.testing.ovs import PrivateOvs

Load = Callable[[str], Vif]

PLUGGABLE = ["bridge", "ovs", "ovs_create_tap", "ovs_hybrid", "tap"]


@pytest.mark.parametrize("name", PLUGGABLE)
def test_two_ports_with_the_same_first_11_characters(
    name: str, ports: Ports, payload: Load, ovs: PrivateOvs
) -> None:
    first = payload(name)
    second = {**first, "id": first["id"][:11] + "ff" + first["id"][13:]}
    ports.plug(first)
    before = everything(ovs)
    (refused,) = ports.plug(second)
    assert refused.problem
    assert refused.problem.code == "conflict"
    assert first["id"] in refused.problem.message
    assert everything(ovs) == before
    ports.unplug(second)
    assert everything(ovs) == before


@pytest.fixture(params=["veth", "tap"])
def eth0(request: pytest.FixtureRequest, host: RealHost) -> str:
    """A stand-in for the machine's own interface, in this namespace."""
    if request.param == "veth":
        ip("link", "add", "eth0", "type", "veth", "peer", "name", "far")
    else:
        ip("tuntap", "add", "dev", "eth0", "mode", "tap")
    ip("link", "set", "eth0", "up")
    return "eth0"


@pytest.fixture
def uplink(eth0: str) -> str:
    """It bears a name that says nothing."""
    ip("link", "set", eth0, "down")
    ip("link", "set", eth0, "name", "uplink")
    ip("link", "set", "uplink", "up")
    return "uplink"


@pytest.mark.parametrize("name", ["bridge", "ovs", "ovs_create_tap", "tap"])
def test_devname_of_the_machines_own_interface_is_refused(
    name: str, uplink: str, ports: Ports, payload: Load, ovs: PrivateOvs
) -> None:
    before = everything(ovs)
    (port,) = ports.plug({**payload(name), "devname": uplink})
    assert (port.state, port.problem and port.problem.code) == (ERROR, "conflict")
    assert everything(ovs) == before


@pytest.mark.parametrize("name", ["bridge", "ovs", "ovs_create_tap", "ovs_hybrid"])
def test_bridge_name_of_the_machines_own_interface_is_refused(
    name: str, eth0: str, ports: Ports, payload: Load, ovs: PrivateOvs
) -> None:
    before = everything(ovs)
    vif = with_details(payload(name), bridge_name=eth0, datapath_type="netdev")
    (port,) = ports.plug(vif)
    assert (port.state, port.problem and port.problem.code) == (ERROR, "conflict")
    assert everything(ovs) == before
