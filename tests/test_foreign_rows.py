"""Rows of Open vSwitch that serve somebody else, whatever a cast says of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.real_host import Ports, Vif, everything_done, ip, row
from vif_agent.store import ERROR, UNPLUGGED
from vif_agent.testing.ovs import PrivateOvs

Load = Callable[[str], Vif]
DHCP = f"qdhcp-{os.getpid()}"


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Another network namespace, by name."""
    ip("netns", "add", DHCP)
    yield DHCP
    ip("netns", "del", DHCP)


@pytest.mark.parametrize("name", ["ovs_create_tap", "ovs"])
def test_port_of_neutrons_dhcp_is_not_adopted(
    ports: Ports, payload: Load, ovs: PrivateOvs, elsewhere: str, name: str
) -> None:
    """Its device is in a namespace, where no look at this one's sees it."""
    vif = payload(name)
    device = vif["devname"]
    ids = (f"external_ids:iface-id={vif['id']}", f"external_ids:attached-mac={vif['address']}")
    interface = ("set", "interface", device, "type=internal", *ids)
    ovs.vsctl("add-port", "br-int", device, "tag=3", "--", *interface)
    ip("link", "set", device, "netns", elsewhere)
    before, there = everything_done(ovs), _device(device, elsewhere)
    (told,) = ports.plug(vif)
    assert (told.state, told.problem and told.problem.code) == (ERROR, "conflict")
    assert "an OVS port of type internal" in str(told.problem)
    assert [port.state for port in ports.unplug(vif)] == [UNPLUGGED]
    assert everything_done(ovs) == before
    assert _device(device, elsewhere) == there
    assert row(ovs, "interface", device)["ofport"] > 0


def _device(name: str, namespace: str) -> str:
    said = subprocess.run(
        ["ip", "-o", "-n", namespace, "link", "show", "dev", name],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return said.stdout
