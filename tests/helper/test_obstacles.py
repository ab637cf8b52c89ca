"""What others have put in the way on the kernel's side is named, and its going is enough."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.real_host import TUN, Ports, all_plugins, ip, links, new_vif, sysctl
from tests.support.wire import HOST, NIC, Wire
from vif_agent.host.real import RealHost
from vif_agent.network_types.loader import NetworkTypes
from vif_agent.network_types.local import LocalDriver
from vif_agent.network_types.vlan import VlanDriver
from vif_agent.network_types.vxlan import VxlanDriver
from vif_agent.plugins.bridge import BridgePlugin
from vif_agent.ports.port import READY, RETRYING, UNPLUGGED, Port
from vif_agent.ports.store import Store
from vif_agent.testing.frames import TapEnd
from vif_agent.testing.netlink_events import NetlinkEvents

Vif = dict[str, Any]
Load = Callable[[str], Vif]

DEVICE, BRIDGE = "vxlan-70007", "brq-net"
TUNNEL = {"network_type": "vxlan", "segmentation_id": 70007, "mtu": 1450}
LOCAL = {"mtu": 1450}


@pytest.fixture
def ports(host: RealHost, store: Store) -> Iterator[Ports]:
    """Who waits for others is told so at once."""
    drivers = NetworkTypes(
        {
            "local": LocalDriver(),
            "vlan": VlanDriver(),
            "vxlan": VxlanDriver(local_ip=HOST[0], group="239.1.2.3"),
        }
    )
    plugins = {**all_plugins(), "bridge": BridgePlugin(create_tap=True, network_types=drivers)}
    with contextlib.closing(Wire()):
        yield Ports(host, store, plugins, ready_timeout=0)


def on(payload: Load, meta: dict[str, Any]) -> Vif:
    vif = payload("bridge")
    network = {**vif["network"], "id": None, "bridge": BRIDGE, "meta": meta}
    return {**vif, "network": network}


def text(port: Port) -> tuple[str, str]:
    return port.state, port.problem.message if port.problem else ""


def look(ports: Ports, port: Port) -> Port:
    return ports.reconcile({port.port_id})[port.port_id]


def test_bridge_of_others_that_is_down_is_waited_for(
    ports: Ports, host: RealHost, payload: Load
) -> None:
    ip("link", "add", BRIDGE, "type", "bridge")
    (port,) = ports.plug(on(payload, LOCAL))
    assert text(port) == (RETRYING, f"{BRIDGE}: it is not the agent's, and is down")
    assert "UP" not in links()[BRIDGE]["flags"]
    ip("link", "set", BRIDGE, "up")
    assert look(ports, port).state == READY
    ports.unplug(on(payload, LOCAL))
    assert BRIDGE in links()


def test_tunnel_of_others_that_is_down_is_waited_for(ports: Ports, payload: Load) -> None:
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("link", "set", BRIDGE, "up")
    tunnel = ("type", "vxlan", "id", "70007", "dev", NIC, "group", "224.0.0.1", "dstport", "8472")
    ip("link", "add", DEVICE, *tunnel)
    ip("link", "set", DEVICE, "master", BRIDGE)
    (port,) = ports.plug(on(payload, TUNNEL))
    assert text(port) == (RETRYING, f"{DEVICE}: it is not the agent's, and is down")
    ip("link", "set", DEVICE, "up")
    assert look(ports, port).state == READY


IN_THE_WAY = {
    "VNI": (
        ("id", "70007", "dev", NIC, "group", "224.0.0.1", "dstport", "8472"),
        "VNI 70007 on UDP port 8472 is that of other",
    ),
    "every VNI": (
        ("external", "dstport", "8472"),
        "UDP port 8472 is that of other, for every VNI",
    ),
}


@pytest.mark.parametrize("what", IN_THE_WAY)
def test_tunnel_of_others_in_the_way_is_named(what: str, ports: Ports, payload: Load) -> None:
    settings, words = IN_THE_WAY[what]
    ip("link", "add", "other", "type", "vxlan", *settings)
    ip("link", "set", "other", "up")
    (port,) = ports.plug(on(payload, TUNNEL))
    state, message = text(port)
    assert state == RETRYING
    assert words in message
    ip("link", "delete", "other")
    assert look(ports, port).state == READY


def test_program_in_the_way_is_named_by_its_user(ports: Ports, payload: Load) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", 8472))
        (port,) = ports.plug(on(payload, TUNNEL))
        state, message = text(port)
        assert state == RETRYING
        assert "UDP port 8472 is that of a program of user 0" in message
    assert look(ports, port).state == READY


def test_mtu_that_leaves_no_room_for_the_tunnel_is_named(ports: Ports, payload: Load) -> None:
    (port,) = ports.plug(on(payload, {**TUNNEL, "mtu": 1500}))
    state, message = text(port)
    assert state == RETRYING
    assert message.startswith(
        f"{DEVICE}: MTU 1500 does not fit: {NIC} has 1500, and a tunnel takes 50 of it"
    )
    ip("link", "set", NIC, "mtu", "1600")
    assert look(ports, port).state == READY
    assert links()[DEVICE]["mtu"] == 1500


def test_mtu_of_a_tunnel_that_is_there(ports: Ports, payload: Load) -> None:
    (port,) = ports.plug(on(payload, TUNNEL))
    (port,) = ports.plug(on(payload, {**TUNNEL, "mtu": 1500}))
    assert "MTU 1500 does not fit: eth1 has 1500" in text(port)[1]


def test_full_bridge_is_told_with_its_count(ports: Ports, payload: Load) -> None:
    """1,023 ports are the kernel's limit (BR_MAX_PORTS, of which 0 is none)."""
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("link", "set", BRIDGE, "up")
    many = [f"link add f{n}a group 77 type veth peer name f{n}b group 77" for n in range(512)]
    _batch(*many)
    _batch(*(f"link set f{n}{end} master {BRIDGE}" for n in range(512) for end in "ab"))
    (port,) = ports.plug(on(payload, LOCAL))
    state, message = text(port)
    assert state == RETRYING
    assert re.search(rf"the bridge {BRIDGE} is full: it has 1023 ports", message)
    ip("link", "delete", "group", "77")
    assert look(ports, port).state == READY
    assert [p.state for p in ports.unplug(on(payload, LOCAL))] == [UNPLUGGED]


def _batch(*commands: str) -> None:
    lines = "\n".join(commands).encode()
    subprocess.run(["ip", "-force", "-batch", "-"], input=lines, capture_output=True, check=False)


@pytest.mark.parametrize("wanted", [1280, 1500])
def test_mtu_that_is_raised_brings_no_ipv6(
    wanted: int, ports: Ports, payload: Load, host: RealHost
) -> None:
    """The kernel forgets that IPv6 is off when the MTU falls below 1,280."""
    vif = on(payload, {"mtu": wanted})
    (port,) = ports.plug(vif)
    with TapEnd(vif["devname"], TUN), contextlib.closing(NetlinkEvents()) as events:
        for name in (BRIDGE, vif["devname"]):
            ip("link", "set", name, "mtu", "1200")
        assert look(ports, port).repaired
        assert not [event for event in events.read() if event.type.endswith("ADDR")]
    for name in (BRIDGE, vif["devname"]):
        assert (links()[name]["mtu"], sysctl("ipv6", name, "disable_ipv6")) == (wanted, 1)
        assert "UP" in links()[name]["flags"]
        assert links()[name]["addr_info"] == []
    ports.unplug(new_vif(vif, 1), vif)
