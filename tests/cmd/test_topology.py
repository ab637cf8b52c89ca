"""``vif-agentctl topology`` of a real host with all that this kernel can make."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.casting import CONTEXT, Site, Vif, numbered, wait_for
from tests.support.examples import PAYLOADS
from tests.support.operating import ctl, frozen, stopped
from vif_agent.ownership import alias
from vif_agent.testing import processes
from vif_agent.testing.daemon import HOST
from vif_agent.testing.frames import TapEnd
from vif_agent.testing.host import ScratchHost

DOC = Path(__file__).parent.parent.parent / "docs" / "topology.md"
OPTIONS: dict[str, dict[str, object]] = {
    "network": {
        "physical_interface_mappings": "physnet1:eth1",
        "vxlan_local_ip": "10.0.0.1",
        "vxlan_peers": "10.0.0.2",
    },
    "cleanup": {"interval": 3600},
}
BY_CASTS = (
    "bridge_flat", "bridge_vxlan", "ovs_hybrid", "ovs_create_tap", "ovs", "tap", "vhostuser_ovs",
)  # fmt: skip
STRANGER = "99999999-0000-4000-8000-000000000009"
#: what another kernel or another run says otherwise
_VARIES = [(r"ofport \d+", "ofport N"), (r"seen \d+ times?", "seen N times")]


def ip(*arguments: str) -> None:
    processes.run(("ip", *arguments), os.environ)


def _payload(name: str) -> Vif:
    return dict(json.loads((PAYLOADS / f"{name}.json").read_text()))


def _nic(name: str, *address: str) -> None:
    ip("tuntap", "add", name, "mode", "tap")
    ip("link", "set", name, "up")
    for each in address:
        ip("address", "add", each, "dev", name)


@pytest.fixture(scope="module")
def site(scratch_with_bus: ScratchHost) -> Iterator[Site]:
    _nic("eth1")
    _nic("eth2", "10.0.0.1/24")
    _nic("eth3")
    ip("link", "add", "docker0", "type", "bridge")
    ip("link", "add", "vethX", "type", "veth", "peer", "name", "vethY")
    vsctl = scratch_with_bus.ovs.vsctl
    vsctl("add-br", "br-ex", "--", "set", "bridge", "br-ex", "datapath_type=netdev")
    vsctl("add-port", "br-ex", "eth3")
    vsctl("add-port", "br-int", "vethX")
    for here, there, bridge in (("int", "phy", "br-int"), ("phy", "int", "br-ex")):
        name, peer = f"{here}-br-ex", f"{there}-br-ex"
        patch = ("set", "interface", name, "type=patch", f"options:peer={peer}")
        vsctl("--no-wait", "add-port", bridge, name, "--", *patch)
    with Site(scratch_with_bus, "threading", OPTIONS) as running:
        yield running
    vsctl("del-br", "br-ex")
    for name in ("eth1", "eth2", "eth3", "docker0", "vethX"):
        ip("link", "del", name)


@pytest.fixture(scope="module")
def plugged(site: Site) -> Iterator[dict[str, Vif]]:
    """One of each, two in the flat network, one that cannot be; an orphan; two guests."""
    vifs = {name: _payload(name) for name in BY_CASTS}
    vifs["second"] = numbered(_payload("bridge_flat"), 2)
    for vif in vifs.values():
        site.plug(vif)
    site.plug(vifs.setdefault("unbound", _payload("unbound")), wait=None)
    wait_for(lambda: site.port(vifs["unbound"])["state"] == "error", "a port in error")
    orphan = "tap" + STRANGER[:11]
    ip("tuntap", "add", orphan, "mode", "tap")
    ip("link", "set", orphan, "alias", alias(STRANGER))
    site.host.ovs.vsctl("set", "port", "qvo" + vifs["ovs_hybrid"]["id"][:11], "tag=7")
    site.api.repair(CONTEXT, HOST)
    wait_for(lambda: site.api.list_orphans(CONTEXT, HOST), "the orphan in the agent's list")
    try:
        with _guests(vifs):
            yield vifs
    finally:
        ip("link", "del", orphan)


@contextlib.contextmanager
def _guests(vifs: dict[str, Vif]) -> Iterator[None]:
    """One has the flat network's tap open; one is behind the hybrid port, as libvirt puts it."""
    start = vifs["ovs_hybrid"]["id"][:11]
    ip("tuntap", "add", f"tap{start}", "mode", "tap")
    ip("link", "set", f"tap{start}", "master", f"qbr{start}", "up")
    try:
        with TapEnd(f"tap{start}"), TapEnd(vifs["bridge_flat"]["devname"]):
            yield
    finally:
        ip("link", "del", f"tap{start}")


def drawn(site: Site, *arguments: str) -> str:
    output = ctl(site.daemon.config_file, "topology", *arguments)
    assert (output.code, output.err) == (0, ""), output
    return output.out


def normal(text: str) -> str:
    for what, instead in _VARIES:
        text = re.sub(what, instead, text)
    return text.strip()


def test_docs_show_what_is_said_of_a_host_with_all_kinds(
    site: Site, plugged: dict[str, Vif]
) -> None:
    said = normal(drawn(site))
    shown = DOC.read_text().partition("# vif-agentctl topology\n")[2].partition("```")[0].strip()
    assert said == shown, said
    assert "\033" not in said


def test_the_store_and_the_host_say_the_same_as_the_agent(
    site: Site, plugged: dict[str, Vif]
) -> None:
    answered = json.loads(drawn(site, "-f", "json", "--all"))
    assert answered == site.api.get_topology(CONTEXT, HOST, everything=True)
    assert {thing["port"] for thing in answered["things"]} >= {v["id"] for v in plugged.values()}
    said = normal(drawn(site))
    with stopped(site.daemon):
        assert normal(drawn(site, "--local")) == said


def test_of_a_port_a_network_a_bridge(site: Site, plugged: dict[str, Vif]) -> None:
    flat, second = plugged["bridge_flat"], plugged["second"]
    lines = drawn(site, "--port", flat["id"][:8]).splitlines()
    assert [line.lstrip(" └─").split()[0] for line in lines] == [
        "scratch:", "eth1", flat["network"]["bridge"], flat["devname"],
    ]  # fmt: skip
    of_network = drawn(site, "--network", flat["network"]["id"][:8])
    assert of_network == drawn(site, "--bridge", flat["network"]["bridge"])
    assert second["devname"] in of_network
    ctl(site.daemon.config_file, "topology", "--bridge", "nix").refused(
        "bridge: expected the name of a bridge or device on this host, got 'nix'"
    )
    ctl(site.daemon.config_file, "topology", "--network", "0").refused("network: expected the id")
    both = ctl(site.daemon.config_file, "topology", "--network", "0", "--bridge", "nix")
    assert both.code == 2
    assert "not allowed with" in both.err


def test_plain_and_where_no_signs_can_be_written(site: Site, plugged: dict[str, Vif]) -> None:
    plain = drawn(site, "--plain")
    assert plain.isascii()
    latin = ("env", "PYTHONIOENCODING=latin-1", "PYTHONUTF8=0")
    assert ctl(site.daemon.config_file, "topology", under=latin).out == plain


def test_mermaid_and_dot(site: Site, plugged: dict[str, Vif]) -> None:
    assert drawn(site, "-f", "mermaid").startswith("flowchart LR\n")
    assert drawn(site, "-f", "dot").startswith("digraph host {\n")


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz' dot is not installed")
def test_svg_is_a_picture_of_all(site: Site, plugged: dict[str, Vif]) -> None:
    root = ET.fromstring(drawn(site, "-f", "svg"))
    words = {"".join(element.itertext()) for element in root.iter() if element.tag.endswith("text")}
    start = plugged["ovs_hybrid"]["id"][:11]
    assert words >= {"br-int", "eth1", f"qvo{start}", f"qbr{start}", f"tap{start}", "br-ex"}
    assert "instance-0000002a" in words


def test_svg_without_graphviz_says_what_is_missing(site: Site) -> None:
    nowhere = ("/usr/bin/env", "PATH=/nonexistent")
    output = ctl(site.daemon.config_file, "topology", "-f", "svg", under=nowhere)
    output.refused("the program dot is not here (Debian's package graphviz)")


def test_a_picture_waits_for_no_work(site: Site, plugged: dict[str, Vif]) -> None:
    """The agent's loop hangs in a call of the helper, with the engine's lock in its hand."""
    vif = numbered(_payload("ovs_hybrid"), 3)
    with frozen(site.daemon.helper_pid()):
        site.plug(vif, wait=None)
        wait_for(lambda: site.api.get_status(CONTEXT, HOST)["round_lasts_s"], "the loop at work")
        picture = site.api.get_topology(CONTEXT, HOST, port_id=vif["id"])
        assert picture["ports"][vif["id"]]["state"] == "pending"
    wait_for(lambda: site.port(vif)["state"] == "ready", "the port ready")
    site.unplug(vif)
