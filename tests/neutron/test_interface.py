"""The interface driver of Neutron's DHCP and L3 agents, as these use it: in Neutron's environment,
on a scratch host, beside an agent that wires what comes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.asked import Asked
from tests.support.casting import Site, Vif, wait_for
from tests.support.real_host import ip, links, sysctl
from vif_agent.testing.frames import PacketEnd, TapEnd, crosses
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]

ROOT = Path(__file__).parent.parent.parent
PYTHON = ROOT / os.environ.get("VIF_AGENT_NEUTRON", ".venv-neutron-29") / "bin" / "python"
SIDE = ROOT / "tests" / "support" / "interface_side.py"
PRIVATE = 'mount -t tmpfs tmpfs /run && mkdir /run/netns && exec "$@"'
BRQ = "brq8f11e0f7-47"
NAMESPACE = "qdhcp-8f11e0f7-47bd-5943-8227-5142f7c4752c"
ROUTER = "qrouter-3f6e1f6c-58a5-4b0e-9d55-0a4f2b6f7c11"

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="no Neutron in .venv-neutron-29: scripts/test-neutron makes it"
)


class NeutronsAgent(Asked):
    """Of this host; no other host sees its namespaces."""

    def __init__(self, directory: Path) -> None:
        self._errors = directory / "stderr"
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", PRIVATE, "sh"]
        env = {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(directory)}
        super().__init__([*command, str(PYTHON), "-W", "ignore", str(SIDE)], env)

    def ask(self, op: str, **arguments: Any) -> Any:
        self.send(op, **arguments)
        output = self.received()
        assert "error" not in output, output["error"]
        return output["result"]

    def plug(self, port: Vif, device: str, namespace: str = NAMESPACE, **more: Any) -> None:
        self.ask(
            "plug", network_id=port["network"]["id"], port_id=port["id"], device_name=device,
            mac_address=port["address"], namespace=namespace, mtu=1450, **more,
        )  # fmt: skip

    def inner(self, namespace: str = NAMESPACE) -> dict[str, dict[str, Any]]:
        shown = json.loads(self.ask("ip", args=["-j", "-n", namespace, "link"]))
        return {link["ifname"]: link for link in shown}


@pytest.fixture(scope="module")
def site(scratch_with_bus: ScratchHost) -> Iterator[Site]:
    options: dict[str, dict[str, Any]] = {
        "bridge": {"wire_taps": True, "create_tap": False},
        "vif_agent": {"retry_min": 0.1},
        "ovs": {"ovsdb_timeout": 1},
    }
    with Site(scratch_with_bus, "threading", options) as running:
        yield running


@pytest.fixture(scope="module")
def neutron(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NeutronsAgent]:
    with NeutronsAgent(tmp_path_factory.mktemp("neutron")) as agent:
        assert agent.ask("load", name="vif_agent") == "vif_agent.neutron.interface"
        yield agent


@pytest.fixture
def port(payload: Payload, site: Site, neutron: NeutronsAgent) -> Iterator[Vif]:
    """Of DHCP, as Neutron's mechanism driver casts it."""
    vif = payload("tap")
    meta = {"device_owner": "network:dhcp", "allowed_address_pairs": []}
    yield {**vif, "details": {}, "network": {**vif["network"], "bridge": BRQ}, "meta": meta}
    for device in (inner(vif, "ns"), inner(vif, "qr")):
        neutron.ask("unplug", device_name=device, namespace=NAMESPACE, prefix=device[:3])
    site.unplug_all()
    assert vif["devname"] not in links()


def inner(port: Vif, kind: str) -> str:
    return f"{kind}-{port['id'][:11]}"


def wired(port: Vif) -> bool:
    link = links().get(port["devname"], {})
    return bool(link.get("master") == BRQ and link["address"] == "fe" + port["address"][2:])


@pytest.mark.parametrize(
    ("kind", "namespace", "more"),
    [("ns", NAMESPACE, {}), ("qr", ROUTER, {"prefix": "qr-"}), ("qg", ROUTER, {"prefix": "qg-"})],
)
def test_port_of_a_service_is_wired_whenever_it_comes(
    site: Site, neutron: NeutronsAgent, port: Vif, kind: str, namespace: str, more: Any
) -> None:
    device = inner(port, kind)
    if kind == "ns":
        assert neutron.ask("name", port=port["id"]) == device
    site.plug(port, wait=None)
    wait_for(lambda: BRQ in links(), "the network's bridge")
    neutron.plug(port, device, namespace, **more)
    wait_for(lambda: wired(port), "the tap in the bridge")
    there = neutron.inner(namespace)[device]
    assert (there["address"], there["mtu"]) == (port["address"], 1450)
    assert "UP" in there["flags"]
    on_host = links()[port["devname"]]
    assert (on_host["mtu"], sysctl("ipv6", port["devname"], "disable_ipv6")) == (1450, 1)
    assert "UP" in on_host["flags"]
    neutron.ask("unplug", device_name=device, namespace=namespace, **more)
    assert port["devname"] not in links()
    assert device not in neutron.inner(namespace)
    neutron.ask("unplug", device_name=device, namespace=namespace, **more)


def test_port_that_is_there_first_is_wired_by_the_cast(
    site: Site, neutron: NeutronsAgent, port: Vif
) -> None:
    """The agent is late: the service is up, and unreachable, until it is wired."""
    neutron.plug(port, inner(port, "ns"))
    assert "master" not in links()[port["devname"]]
    assert site.plug(port)["state"] == "ready"
    assert wired(port)
    assert site.writes(lambda: site.plug(port)) == []


def test_what_others_undo_is_repaired(site: Site, neutron: NeutronsAgent, port: Vif) -> None:
    neutron.plug(port, inner(port, "ns"))
    site.plug(port)
    ip("link", "set", port["devname"], "nomaster")
    wait_for(lambda: wired(port), "the tap back in the bridge")
    ip("link", "delete", BRQ)
    wait_for(lambda: wired(port), "the tap in a new bridge")


def test_guest_and_service_reach_each_other(
    site: Site, neutron: NeutronsAgent, port: Vif, payload: Payload
) -> None:
    """The service's end is in our own namespace here: frames go in and come out of it."""
    device = inner(port, "ns")
    guest = payload("bridge")
    guest = {**guest, "network": {**guest["network"], "bridge": BRQ}, "type": "tap"}
    ip("tuntap", "add", guest["devname"], "mode", "tap")
    try:
        with TapEnd(guest["devname"]) as one:
            ip("link", "set", guest["devname"], "up")
            neutron.plug(port, device, namespace="")
            site.plug(port)
            site.plug(guest)
            with PacketEnd(device) as other:
                assert crosses(one, other, source_mac=guest["address"])
                assert crosses(other, one, source_mac=port["address"])
    finally:
        site.unplug(guest)
        ip("link", "delete", guest["devname"])
        neutron.ask("unplug", device_name=device)


def test_network_gets_another_mtu(site: Site, neutron: NeutronsAgent, port: Vif) -> None:
    device = inner(port, "ns")
    neutron.plug(port, device)
    site.plug(port)
    neutron.ask("set_mtu", device_name=device, mtu=1400, namespace=NAMESPACE)
    meta = {**port["network"]["meta"], "mtu": 1400}
    site.plug({**port, "network": {**port["network"], "meta": meta}})
    assert (neutron.inner()[device]["mtu"], links()[port["devname"]]["mtu"]) == (1400, 1400)


def test_services_restart_changes_nothing(site: Site, neutron: NeutronsAgent, port: Vif) -> None:
    device = inner(port, "ns")
    neutron.plug(port, device)
    site.plug(port)
    before = links()[port["devname"]]["ifindex"]

    def again() -> None:
        assert neutron.ask("is_ready", device_name=device, namespace=NAMESPACE)
        neutron.plug(port, device)

    again()
    assert links()[port["devname"]]["ifindex"] == before
    assert wired(port)


def test_service_that_was_killed_while_it_plugged(
    site: Site, neutron: NeutronsAgent, port: Vif
) -> None:
    """What it left has no device in the namespace: it is not taken for a port that is done."""
    device = inner(port, "ns")
    site.plug(port, wait=None)
    ip("link", "add", port["devname"], "type", "veth", "peer", "name", device)
    wait_for(lambda: wired(port), "the half of it in the bridge")
    assert not neutron.ask("is_ready", device_name=device, namespace=NAMESPACE)
    neutron.plug(port, device)
    wait_for(lambda: wired(port), "the whole in the bridge")
    assert neutron.inner()[device]["address"] == port["address"]
    assert device not in links()


def test_namespace_that_has_gone_under_its_process(
    site: Site, neutron: NeutronsAgent, port: Vif
) -> None:
    """Its name has, and the device is in it still, for dnsmasq is: no new one could be made."""
    device = inner(port, "ns")
    neutron.plug(port, device)
    site.plug(port)
    neutron.ask("hold", namespace=NAMESPACE)
    neutron.ask("ip", args=["netns", "delete", NAMESPACE])
    try:
        assert port["devname"] in links()
        neutron.plug(port, device)
        wait_for(lambda: wired(port), "the new tap in the bridge")
        assert neutron.inner()[device]["address"] == port["address"]
        neutron.ask("ip", args=["netns", "delete", NAMESPACE])
        wait_for(lambda: port["devname"] not in links(), "no device without a namespace")
    finally:
        neutron.ask("let_go")


def test_guests_tap_of_this_name_is_not_taken(neutron: NeutronsAgent, port: Vif) -> None:
    ip("tuntap", "add", port["devname"], "mode", "tap")
    try:
        before = links()[port["devname"]]["ifindex"]
        neutron.send("plug", network_id="", port_id=port["id"], device_name=inner(port, "ns"),
                     mac_address=port["address"], namespace=NAMESPACE, mtu=1450)  # fmt: skip
        assert neutron.received()["error"][0] == "InterfaceAlreadyExists"
        assert links()[port["devname"]]["ifindex"] == before
    finally:
        ip("link", "delete", port["devname"])


def test_host_is_restarted(site: Site, neutron: NeutronsAgent, port: Vif) -> None:
    """Devices and namespaces are gone, the requests are not; either side may be first."""
    device = inner(port, "ns")
    neutron.plug(port, device)
    site.plug(port)
    site.daemon.stop()
    neutron.ask("ip", args=["netns", "delete", NAMESPACE])
    wait_for(lambda: port["devname"] not in links(), "no device")
    ip("link", "delete", BRQ)
    neutron.plug(port, device)
    site.daemon.start()
    wait_for(lambda: wired(port), "the tap in its bridge")
