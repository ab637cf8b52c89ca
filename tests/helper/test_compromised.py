"""The process on the bus is somebody else's now, and tells the helper what it likes."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.real_host import ip, links
from vif_agent.testing.plugging import TUN

pytestmark = pytest.mark.usefixtures("namespace")

PORT = "5843eca1-e1fe-5bb2-a9c2-8f97bae40c4e"
SPEAKER = """
import json, os, sys
from oslo_config import cfg
from vif_agent.helper import privileged
cfg.CONF([], project="vif-agent")
privileged.start(sys.argv[1])
call, arguments = json.load(sys.stdin)
try:
    told = getattr(privileged, call)(*arguments)
except BaseException as error:
    told = f"{type(error).__name__}: {error}"
print(repr(told), flush=True)
os._exit(0)
"""
SYSCTLS = ("ipv6/conf/{}/disable_ipv6", "ipv4/conf/{}/arp_ignore", "ipv4/conf/{}/arp_announce")


def say(call: str, *arguments: object) -> Any:
    """The helper's answer: what it raised as text."""
    done = subprocess.run(
        (sys.executable, "-c", SPEAKER, TUN),
        input=json.dumps([call, arguments]),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return ast.literal_eval(done.stdout)


def an_order(**other: Any) -> dict[str, Any]:
    order = {"verb": "make", "kind": "bridge", "name": "br-a", "index": 0,
             "alias": f"vif-agent {PORT}", "fields": {}}  # fmt: skip
    return {**order, **other}


def index(name: str) -> int:
    return int(links()[name]["ifindex"])


def sysctls(*names: str) -> dict[str, str]:
    paths = [Path("/proc/sys/net", p.format(name)) for p in SYSCTLS for name in names]
    return {str(path): path.read_text() for path in paths}


@pytest.fixture
def nic() -> str:
    ip("link", "add", "uplink", "type", "veth", "peer", "name", "far")
    return "uplink"


def test_helper_does_what_the_agent_asks() -> None:
    """Else the rest would prove nothing."""
    assert say("create", [an_order(fields={"disable_ipv6": True, "arp_ignore": 1})]) == {}
    assert links()["br-a"]["ifalias"] == f"vif-agent {PORT}"
    assert set(sysctls("br-a").values()) == {"1\n", "0\n"}
    assert say("create", [an_order(kind="tun", name="tap-a")]) == {}
    assert say("delete", [index("br-a"), index("tap-a")]) == {}
    assert links().keys() == {"lo"}


def test_what_carries_no_owner_tag_is_not_removed(nic: str) -> None:
    before = links()
    told = say("delete", [index(nic), index("far"), 1])
    assert {text for _, text in told.values()} == {"it carries no stamp of the agent's"}
    assert links() == before


@pytest.mark.parametrize("alias", [f"vif-agent {PORT}", "vif-agent uplink", "vif-agent shared"])
def test_what_carries_no_owner_tag_is_not_made_anew(nic: str, alias: str) -> None:
    before = links()
    order = an_order(verb="remake", kind="bridge", name=nic, index=index(nic), alias=alias)
    assert nic in say("create", [order])
    assert links() == before


def test_ports_own_device_of_a_peer_is_made_anew() -> None:
    """As a tap of libvirt's with the wrong queues."""
    name = "tap" + PORT[:11]
    ip("tuntap", "add", name, "mode", "tap")
    before = index(name)
    order = an_order(verb="remake", kind="tun", name=name, index=before)
    assert say("create", [order]) == {}
    assert index(name) != before


@pytest.mark.parametrize("name", ["all", "default", "../../../kernel", "br-a/../all"])
def test_sysctls_are_those_of_the_index(nic: str, name: str) -> None:
    before = sysctls("all", "default", nic)
    fields = {"disable_ipv6": True, "arp_ignore": 8, "arp_announce": 2}
    for there in (index("far"), 0, 1 << 20):
        say("create", [an_order(verb="change", name=name, index=there, alias="", fields=fields)])
    assert sysctls("all", "default", nic) == before


@pytest.mark.parametrize("name", ["all", "default"])
def test_device_that_is_called_like_all_of_them(name: str) -> None:
    before = sysctls("lo")
    ip("link", "add", "br-b", "type", "bridge")
    refused = say("create", [an_order(name=name, fields={"arp_ignore": 8})])
    assert refused == f"ValueError: not a device name: {name!r}"
    assert name not in links()
    assert sysctls("lo") == before


@pytest.mark.parametrize("kind", ["dummy", "macvlan", "wireguard", "bond", "vrf", "gre", "nic", ""])
def test_other_kinds_are_not_made(kind: str) -> None:
    assert say("create", [an_order(kind=kind)]) == (
        f"ValueError: not a kind of link that is made here: {kind!r}"
    )
    assert links().keys() == {"lo"}


def test_no_other_file_is_opened_as_the_tun_device(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert say("create", [an_order(kind="tun", name="tap-a")], str(pipe)).startswith("TypeError")
    assert "tap-a" not in links()
