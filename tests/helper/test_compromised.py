"""The process on the bus is somebody else's now, and tells the helper what it likes.

Through the real channel, on the links of a namespace of its own: each order is refused with the
reason, and of what is not ours nothing has changed.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.real_host import ip, links
from vif_agent.helper.codec import to_plain
from vif_agent.helper.orders import (
    ChangeExternal,
    ChangeLink,
    CreateBridge,
    CreateTap,
    CreateVlan,
    DeleteLink,
    MoveNic,
    Order,
    SetVf,
)
from vif_agent.ownership import SHARED
from vif_agent.testing.plugging import TUN

pytestmark = pytest.mark.usefixtures("namespace")

PORT = "5843eca1-e1fe-5bb2-a9c2-8f97bae40c4e"
OTHER = "11111111-2222-4333-8444-555555555555"
CONFIGURED = {"devices": ["lent", "bond*"], "bridges": ["br-ex"], "cards": ["pf*"]}
SPEAKER = """
import json, os, sys
from oslo_config import cfg
from vif_agent.helper import calls, process
from vif_agent.helper.allowed import Allowed
cfg.CONF([], project="vif-agent")
given = {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(sys.argv[1]).items()}
process.start(Allowed(**given))
for line in sys.stdin:
    call, *data = json.loads(line)
    try:
        told = getattr(calls, call)(*data)
    except BaseException as error:
        told = f"{type(error).__name__}: {error}"
    print(repr(told), flush=True)
os._exit(0)
"""
SYSCTLS = ("ipv6/conf/{}/disable_ipv6", "ipv4/conf/{}/arp_ignore", "ipv4/conf/{}/arp_announce")


class Speaker:
    """It was the agent's main process, and has a helper of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, call: str, *orders: Order) -> Any:
        return self.raw(call, [to_plain(order) for order in orders])

    def raw(self, call: str, *data: object) -> Any:
        """The helper's answer: what it raised as text."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([call, *data]) + "\n")
        self._process.stdin.flush()
        return ast.literal_eval(self._process.stdout.readline())


@contextlib.contextmanager
def speaking(**configured: list[str]) -> Iterator[Speaker]:
    given = json.dumps({**CONFIGURED, **configured, "tun_device": TUN})
    with subprocess.Popen(
        (sys.executable, "-c", SPEAKER, given),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Speaker(process)
        assert process.stdin
        process.stdin.close()
        assert process.wait(60) == 0


@pytest.fixture
def say() -> Iterator[Speaker]:
    with speaking() as speaker:
        yield speaker


def index(name: str) -> int:
    return int(links()[name]["ifindex"])


def sysctls(*names: str) -> dict[str, str]:
    paths = [Path("/proc/sys/net", p.format(name)) for p in SYSCTLS for name in names]
    return {str(path): path.read_text() for path in paths}


def everything() -> tuple[object, ...]:
    """Links, addresses, routes and sysctls; not what the kernel does by itself."""
    shown = json.loads(ip("-d", "-j", "link", "show"))
    lasting = [{k: v for k, v in link.items() if k not in ("operstate", "flags")} for link in shown]
    for link in lasting:
        data = link.get("linkinfo", {}).get("info_data", {})
        link["linkinfo"] = {k: v for k, v in data.items() if not k.endswith("_timer")}
    addresses = {
        (name, address["local"], address["prefixlen"])
        for name, link in links().items()
        for address in link["addr_info"]
        if address["scope"] != "link"
    }
    flags = {link["ifname"]: {"UP", "PROMISC"} & {*link["flags"]} for link in shown}
    routes = [
        route
        for route in json.loads(ip("-j", "route", "show", "table", "all"))
        if route.get("protocol") not in (None, "kernel")
    ]
    names = [link["ifname"] for link in shown]
    return lasting, flags, addresses, routes, sysctls("all", "default", *names)


@pytest.fixture
def nic() -> str:
    """An address of the host's is on it, and a route goes by it."""
    ip("link", "add", "uplink", "type", "veth", "peer", "name", "far")
    ip("link", "set", "uplink", "up")
    ip("address", "add", "192.0.2.5/24", "dev", "uplink")
    ip("route", "add", "198.51.100.0/24", "via", "192.0.2.1")
    return "uplink"


@pytest.fixture
def bridge() -> str:
    ip("link", "add", "virbr0", "type", "bridge")
    ip("link", "set", "virbr0", "up")
    return "virbr0"


def test_helper_does_what_the_agent_asks(say: Speaker) -> None:
    """Else the rest would prove nothing."""
    ours = CreateBridge(name="br-a", owner=PORT, disable_ipv6=True, arp_ignore=1)
    assert say("create", ours) == {}
    assert links()["br-a"]["ifalias"] == f"vif-agent {PORT}"
    assert set(sysctls("br-a").values()) == {"1\n", "0\n"}
    assert say("create", CreateTap(name="tap-a", owner=PORT, master="br-a")) == {}
    assert links()["tap-a"]["master"] == "br-a"
    going = [DeleteLink(name=name, index=index(name)) for name in ("br-a", "tap-a")]
    assert say("delete", *going) == {}
    assert links().keys() == {"lo"}


def test_what_carries_no_tag_is_not_removed(say: Speaker, nic: str, bridge: str) -> None:
    before = everything()
    told = say("delete", *(DeleteLink(name=n, index=index(n)) for n in (nic, "far", "lo", bridge)))
    assert {text for _, text in told.values()} == {"it carries no owner tag of the agent's"}
    assert everything() == before


@pytest.mark.parametrize("owner", [PORT, "uplink", "shared"])
def test_what_carries_no_tag_is_not_made_anew(say: Speaker, nic: str, owner: str) -> None:
    before = everything()
    told = say("create", CreateBridge(name=nic, owner=owner, replaces=index(nic)))
    assert told[nic][1] == "it carries no owner tag of the agent's"
    assert everything() == before


def test_ports_own_device_of_a_peer_is_made_anew(say: Speaker) -> None:
    """As a tap of libvirt's with the wrong queues."""
    name = "tap" + PORT[:11]
    ip("tuntap", "add", name, "mode", "tap")
    before = index(name)
    assert say("create", CreateTap(name=name, owner=PORT, replaces=before)) == {}
    assert index(name) != before


@pytest.mark.parametrize("owner", [PORT, "shared"])
@pytest.mark.parametrize("name", ["virbr0", "brq5843eca1-e1", "qbr" + PORT[:11]])
def test_bridge_of_others_is_not_changed(say: Speaker, bridge: str, name: str, owner: str) -> None:
    """Whatever name the order gives it: what the kernel calls it counts."""
    before = everything()
    change = ChangeLink(name=name, owner=owner, index=index(bridge), stp=True, ageing=5, up=False)
    assert say("create", change)[name][1] == "it carries no owner tag of the agent's"
    renamed = ChangeLink(name=name, owner=owner, index=index(bridge), called=bridge)
    assert say("create", renamed)[name][1] == "it carries no owner tag of the agent's"
    external = ChangeExternal(name=name, port=owner, index=index(bridge), mtu=1400)
    assert "it is not named after the port" in say("create", external)[name][1]
    assert everything() == before


def test_tag_is_not_put_on_what_is_others_to_delete_it_then(
    say: Speaker, bridge: str, nic: str
) -> None:
    """Nor when the helper is told that it was ours: it hears that once."""
    before = everything()
    for name in (bridge, nic):
        tag = ChangeLink(name=name, owner=PORT, index=index(name))
        go = DeleteLink(name=name, index=index(name))
        told = [say("create", tag), say("delete", go)]
        say.raw("remember", {})
        say.raw("remember", {index(name): ("bridge", PORT)})
        told += [say("create", tag), say("delete", go)]
        for answer in told:
            assert answer[name][1] == "it carries no owner tag of the agent's"
    assert everything() == before


def test_link_of_another_port_is_not_taken(say: Speaker) -> None:
    assert say("create", CreateBridge(name="br-a", owner=OTHER)) == {}
    before = everything()
    change = ChangeLink(name="br-a", owner=PORT, index=index("br-a"), mtu=1400)
    assert say("create", change)["br-a"][1] == f"it belongs to {OTHER}"
    joining = CreateTap(name="tap-a", owner=PORT, master="br-a")
    assert say("create", joining)["tap-a"][1] == f"br-a belongs to {OTHER}"
    assert everything() == before


def test_bridge_that_the_helper_has_made_is_known_whatever_tag_others_write(say: Speaker) -> None:
    assert say("create", CreateBridge(name="br-a", owner=SHARED)) == {}
    ip("link", "set", "br-a", "alias", f"vif-agent {OTHER}")
    assert say("create", CreateTap(name="tap-a", owner=PORT, master="br-a")) == {}


def test_bridge_of_others_is_not_joined(say: Speaker, bridge: str, nic: str) -> None:
    before = everything()
    told = say("create", CreateTap(name="tap-a", owner=PORT, master=bridge))
    assert told["tap-a"][1].startswith("the bridge virbr0 is others', and ")
    told = say("create", CreateTap(name="tap-a", owner=PORT, master=nic))
    assert told["tap-a"][1] == "uplink is no linux bridge"
    assert everything() == before


@pytest.mark.parametrize("name", ["br-ex", "brq5843eca1-e1", "qbr" + PORT[:11]])
def test_bridge_of_others_is_joined_where_it_may_be(say: Speaker, name: str) -> None:
    ip("link", "add", name, "type", "bridge")
    assert say("create", CreateTap(name="tap-a", owner=PORT, master=name)) == {}
    assert links()["tap-a"]["master"] == name


def test_addresses_of_a_nic_that_is_not_configured_stay(say: Speaker, nic: str) -> None:
    assert say("create", CreateBridge(name="br-a", owner="shared", up=True)) == {}
    before = everything()
    for name in (nic, "lent", "bond0"):
        for port in ("shared", PORT):
            told = say(
                "create", MoveNic(name=name, index=index(nic), port=port, bridge="br-a", up=False)
            )
            assert "nor by [network] physical_interface_mappings or interfaces" in told[name][1]
    parent = CreateVlan(name="uplink.5", owner="shared", parent=nic, vid=5)
    assert say("create", parent)["uplink.5"][1].startswith("uplink: it is not named after the port")
    assert everything() == before


def test_nic_that_is_configured_moves_and_comes_back(say: Speaker) -> None:
    ip("link", "add", "lent", "type", "veth", "peer", "name", "far")
    ip("address", "add", "192.0.2.5/24", "dev", "lent")
    assert say("create", CreateBridge(name="br-a", owner="shared", up=True)) == {}
    into = MoveNic(name="lent", index=index("lent"), port="shared", bridge="br-a", up=True)
    assert say("create", into) == {}
    assert links()["lent"]["master"] == "br-a"
    out = MoveNic(name="lent", index=index("lent"), port="shared", bridge="")
    with speaking(devices=[]) as unnamed:  # out of a bridge of ours it comes all the same
        assert unnamed("create", out) == {}
    assert "192.0.2.5" in {a["local"] for a in links()["lent"]["addr_info"]}


@pytest.mark.parametrize("name", ["lent", "tap" + OTHER[:11], "tap" + PORT[:11], "br-a"])
def test_sysctls_are_those_of_the_index(say: Speaker, nic: str, name: str) -> None:
    before = everything()
    for there in (index(nic), index("far"), index("lo")):
        change = ChangeLink(name=name, index=there, owner=PORT, disable_ipv6=True, arp_ignore=8)
        assert say("create", change)[name][1] == "it carries no owner tag of the agent's"
        external = ChangeExternal(name=name, index=there, port=PORT, disable_ipv6=True)
        assert "it is not named after the port" in say("create", external)[name][1]
    gone = ChangeLink(name=name, index=1 << 20, owner=PORT, disable_ipv6=True)
    assert say("create", gone)[name][1] == "No such device"
    assert everything() == before


@pytest.mark.parametrize("name", ["all", "default", "../../../kernel", "br-a/../all"])
def test_name_that_is_no_devices_is_refused(say: Speaker, name: str) -> None:
    before = everything()
    fields = {"name": name, "owner": PORT, "index": 1, "disable_ipv6": True}
    told = say.raw("create", [("ChangeLink", fields)])
    assert told == f"ValueError: ChangeLink.name: expected the name of a device, got {name!r}"
    assert everything() == before


def test_tap_that_somebody_uses_is_not_taken(say: Speaker, bridge: str) -> None:
    """A cast may give a port's tap any name; one that is free it may have."""
    for name in ("vnet0", "tapfree"):
        ip("tuntap", "add", name, "mode", "tap")
    ip("link", "set", "vnet0", "master", bridge)
    before = everything()
    for order in (
        ChangeExternal(name="vnet0", index=index("vnet0"), port=PORT, mtu=1400),
        ChangeExternal(name="tapfree", index=index("vnet0"), port=PORT, master=""),
    ):
        assert "it is not named after the port" in say("create", order)[order.name][1]
    assert everything() == before
    free = ChangeExternal(name="tapfree", index=index("tapfree"), port=PORT, mtu=1400)
    assert say("create", free) == {}


def test_operators_bridge_is_raised_and_no_more(say: Speaker) -> None:
    ip("link", "add", "br-ex", "type", "bridge")
    there = index("br-ex")
    before = everything()
    for fields in ({"up": True, "mtu": 1400}, {"up": False}, {"mac": "02:00:00:00:00:01"}):
        order = ("ChangeExternal", {"name": "br-ex", "index": there, "port": "shared", **fields})
        told = say.raw("create", [order])
        assert "it is not named after the port" in told["br-ex"][1]
    assert everything() == before
    assert say("create", ChangeExternal(name="br-ex", index=there, port="shared", up=True)) == {}
    assert "UP" in links()["br-ex"]["flags"]


def test_virtual_functions_of_other_cards_are_not_set(say: Speaker, nic: str) -> None:
    told = say("set_vfs", SetVf(name="0000:03:10.1", index=index(nic), number=0, vlan=5))
    assert told["0000:03:10.1"][1] == "[sriov] cards does not name its card uplink"


@pytest.mark.parametrize("kind", ["dummy", "macvlan", "CreateDummy", "CreateLink", ""])
def test_other_kinds_are_not_made(say: Speaker, kind: str) -> None:
    told = say.raw("create", [(kind, {"name": "br-a", "owner": PORT})])
    assert told.startswith("ValueError: order: expected one of CreateBridge, ")
    assert links().keys() == {"lo"}


def test_no_other_file_is_opened_as_the_tun_device(say: Speaker, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    order = ("CreateTap", {"name": "tap-a", "owner": PORT, "tun_device": str(pipe)})
    told = say.raw("create", [order])
    assert told == "ValueError: CreateTap has no field 'tun_device'"
    assert "tap-a" not in links()
