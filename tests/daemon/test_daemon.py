"""The whole daemon over a real RabbitMQ: what a sender and an operator see of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.casting import CONTEXT, GOOD, MODES, Notices, Site, Vif, nic, numbered, wait_for
from tests.support.examples import INSTANCE
from tests.support.operating import frozen
from vif_agent.bus.api import PlugFailed
from vif_agent.testing import processes
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]
pytestmark = pytest.mark.broker

#: the kernel's devices and the OVS port of each payload
DEVICES = {
    "ovs": (set(), {"tap7181b049-88"}),
    "ovs_create_tap": ({"tap5e4179f1-1b"}, {"tap5e4179f1-1b"}),
    "ovs_hybrid": ({"qbr5843eca1-e1", "qvb5843eca1-e1", "qvo5843eca1-e1"}, {"qvo5843eca1-e1"}),
    "bridge": ({"brq7151fa78-2a", "tapcb0042fb-c1"}, set()),
    "tap": ({"tapb6e7684a-d2"}, set()),
}
REFUSED = {
    "binding_failed": ("binding_refused", "Neutron could not bind"),
    "unbound": ("binding_refused", "not bound"),
    "dvs": ("no_plugin", "vif.type"),
}


@pytest.fixture(scope="module", params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, request.param, {"network": {"interfaces": "eth1"}}) as running:
        yield running


@pytest.fixture
def notices(site: Site) -> Iterator[Notices]:
    with Notices(site.rabbit.url) as listening:
        yield listening


@pytest.mark.parametrize("name", GOOD)
def test_plug_and_unplug_each_twice(site: Site, payload: Payload, name: str) -> None:
    """The second of each is not one write, to the kernel or to the OVSDB."""
    vif, (links, ports) = payload(name), DEVICES[name]
    before, wired, rows = site.host.links().keys(), site.ovs_ports(), site.ovs_rows("QoS")
    assert site.plug(vif)["state"] == "ready"
    assert site.host.links().keys() - before == links
    assert site.ovs_ports() - wired == ports
    assert site.ovs_rows("QoS") - rows == len(ports)
    assert site.writes(lambda: site.plug(vif)) == []
    assert site.unplug(vif)["state"] == "unplugged"
    assert site.host.links().keys() == before
    assert site.ovs_ports() == wired
    assert site.ovs_rows("QoS") == rows
    assert site.writes(lambda: site.unplug(vif)) == []


def test_vlan_bridge_on_a_nic(site: Site, payload: Payload, eth1: None) -> None:
    """On a kernel without VLANs (8021q) the sender is told so, and nothing is left either."""
    vif = payload("bridge_vlan")
    before = site.host.links().keys()
    if _kernel_has_vlans():
        site.plug(vif)
        made = {"brq0ff69128-68", "vlan101", "tapad433d16-42"}
        assert site.host.links().keys() - before == made
    else:
        with pytest.raises(PlugFailed, match=r"vlan101: .*host_refused"):
            site.plug(vif)
    assert site.unplug(vif)["state"] == "unplugged"
    assert site.host.links().keys() == before


def test_flat_network_on_a_nic_with_addresses(site: Site, payload: Payload, eth1: None) -> None:
    """They move to the bridge and back, without root."""
    vif, addresses = payload("bridge"), {"192.0.2.1", "2001:db8::1"}
    vif["network"]["meta"]["bridge_interface"] = "eth1"
    for family, address in (("-4", "192.0.2.1/24"), ("-6", "2001:db8::1/64")):
        processes.run(("ip", family, "address", "add", address, "dev", "eth1"), os.environ)
    site.plug(vif)
    assert _addresses("brq7151fa78-2a") >= addresses
    assert site.writes(lambda: site.plug(vif)) == []
    assert site.unplug(vif)["state"] == "unplugged"
    assert _addresses("eth1") >= addresses
    assert "brq7151fa78-2a" not in site.host.links()


def _addresses(device: str) -> set[str]:
    answer = processes.run(("ip", "-j", "address", "show", "dev", device), os.environ)
    return {address["local"] for address in json.loads(answer)[0]["addr_info"]}


@pytest.mark.parametrize("name", REFUSED)
def test_refusal_reaches_the_waiter(site: Site, payload: Payload, name: str) -> None:
    """dvs is VMware's."""
    vif = {**payload("ovs"), "type": name} if name == "dvs" else payload(name)
    code, words = REFUSED[name]

    def plug() -> None:
        with pytest.raises(PlugFailed, match=words) as failed:
            site.plug(vif)
        assert (failed.value.code, failed.value.port_id) == (code, vif["id"])

    assert site.writes(plug) == []
    assert site.port(vif)["state"] == "error"
    assert site.unplug(vif)["state"] == "unplugged"


@pytest.mark.parametrize("last", ["plug_vif", "unplug_vif"])
def test_alternating_casts_keep_their_order(site: Site, payload: Payload, last: str) -> None:
    vif = numbered(payload("ovs_hybrid"), 900)
    first = {"plug_vif": "unplug_vif", "unplug_vif": "plug_vif"}[last]
    for method in (first, last) * 50:
        site.cast(method, instance=INSTANCE, vif=vif)
    site.settled()
    made = {name for name in site.host.links() if name.endswith(vif["id"][:11])}
    assert len(made) == (3 if last == "plug_vif" else 0)
    assert ("qvo" + vif["id"][:11] in site.ovs_ports()) == (last == "plug_vif")
    site.unplug(vif)


def test_older_generation_changes_nothing(site: Site, payload: Payload, notices: Notices) -> None:
    vif = numbered(payload("ovs_create_tap"), 901)
    site.plug(vif, generation=10)

    def unplug() -> None:
        with pytest.raises(PlugFailed, match="generation") as failed:
            site.unplug(vif, generation=9)
        assert failed.value.code == "stale_generation"

    assert site.writes(unplug) == []
    _, event, reported = notices.next(lambda p: p["generation"] == 9)
    assert event == "vif.unplug.error"
    assert reported["error"]["code"] == "stale_generation"
    assert site.port(vif)["state"] == "ready"
    site.unplug(vif, generation=11)


def test_notifications_have_every_field(site: Site, payload: Payload, notices: Notices) -> None:
    good, bad = numbered(payload("ovs_hybrid"), 902), numbered(payload("unbound"), 903)
    site.plug(good, generation=1)
    site.unplug(good, generation=2)
    site.plug(bad, wait=None, generation=3)
    reported = [notices.next(lambda p: p["generation"] in (1, 2, 3)) for _ in range(3)]
    assert [(level, event) for level, event, _ in reported] == [
        ("info", "vif.plug.end"),
        ("info", "vif.unplug.end"),
        ("error", "vif.plug.error"),
    ]
    for number, (vif, (_, _, news)) in enumerate(zip((good, good, bad), reported, strict=True), 1):
        assert news["generation"] == number
        assert news["port_id"] == vif["id"]
        assert news["instance_uuid"] == INSTANCE["uuid"]
        assert news["host"] == HOST
        assert news["vif_type"] == vif["type"]
        assert news["request_id"] == CONTEXT["request_id"]
        assert 0 < news["elapsed_ms"] < 30_000
    assert {"br-int", "qvo" + good["id"][:11]} <= set(reported[0][2]["devices"])
    assert reported[0][2]["error"] is None
    assert reported[2][2]["error"]["code"] == "binding_refused"
    assert "not bound" in reported[2][2]["error"]["message"]
    site.unplug(bad)


def test_log_says_one_line_a_port(site: Site, payload: Payload) -> None:
    site.plug(payload("tap"))  # the admin connection is there now, and has been logged
    site.unplug(payload("tap"))
    before = len(site.daemon.log())
    vif = payload("ovs_hybrid")
    for act in (site.plug, site.unplug):
        act(vif)
    # who asks in the moment between the store and the log is answered before the line is there
    wait_for(lambda: site.daemon.log()[before:].count("\n") >= 2, "both lines")
    lines = site.daemon.log()[before:].splitlines()
    assert len(lines) == 2, lines
    for line, verb, state in zip(
        lines, ("plugged", "unplugged"), ("ready", "unplugged"), strict=True
    ):
        assert " INFO vif_agent.ports " in line
        assert f"{verb} port={vif['id']} vif_type=ovs devices=" in line
        assert f" state={state} ms=" in line
        assert CONTEXT["request_id"] in line
        assert "qvo5843eca1-e1" in line


def test_operators_calls_answer(site: Site, payload: Payload) -> None:
    vif = payload("ovs_hybrid")
    plan = site.api.plan(CONTEXT, HOST, "plug_vif", INSTANCE, vif)
    assert "make bridge qbr5843eca1-e1" in plan["text"]
    assert {step["name"] for step in plan["steps"]["grow"]} == DEVICES["ovs_hybrid"][0]
    assert "qbr5843eca1-e1" not in site.host.links()
    site.plug(vif)
    assert site.api.plan(CONTEXT, HOST, "plug_vif", INSTANCE, vif)["text"] == "nothing to do"
    assert site.port(vif)["state"] == "ready"
    assert [p["port_id"] for p in site.api.list_vifs(CONTEXT, HOST)] == [vif["id"]]
    status = site.api.get_status(CONTEXT, HOST)
    assert (status["host"], status["ports"]["ready"]) == (HOST, 1)
    plugins = {p["vif_type"]: p["error"] for p in site.api.list_plugins(CONTEXT, HOST)}
    assert plugins.items() >= {"ovs": None, "bridge": None, "tap": None}.items()
    site.unplug(vif)
    assert site.api.list_vifs(CONTEXT, HOST) == []
    kept = site.api.list_vifs(CONTEXT, HOST, unplugged=True)
    assert vif["id"] in {p["port_id"] for p in kept}


def test_calls_leave_no_threads_behind(site: Site) -> None:
    """A monitor that asks every minute must not make the agent grow."""
    assert site.daemon.process
    tasks = Path(f"/proc/{site.daemon.process.pid}/task")
    before = len(list(tasks.iterdir()))
    for _ in range(30):
        site.api.get_status(CONTEXT, HOST)
    assert len(list(tasks.iterdir())) < before + 10


@pytest.mark.parametrize("whole", [True, False])
def test_repair_brings_back_what_was_taken(site: Site, payload: Payload, whole: bool) -> None:
    vif, rows = payload("ovs_hybrid"), site.ovs_rows("QoS")
    site.plug(vif)
    site.host.ovs.vsctl("del-port", "qvo5843eca1-e1")
    site.api.repair(CONTEXT, HOST, None if whole else vif["id"])
    wait_for(lambda: "qvo5843eca1-e1" in site.ovs_ports(), "the repaired port")
    site.unplug(vif)
    assert site.ovs_rows("QoS") == rows, "the taken port's QoS row has stayed behind"


def test_ovsdb_away_holds_up_ovs_ports_only(site: Site, payload: Payload) -> None:
    hybrid, bridge = payload("ovs_hybrid"), payload("bridge")
    site.host.ovs.kill_ovsdb()
    try:
        site.plug(hybrid, wait=None)
        site.plug(bridge, wait=10)
        wait_for(lambda: site.port(hybrid)["state"] == "retrying", "a retrying port")
        error = site.port(hybrid)["error"]
        assert (error["code"], error["transient"]) == ("ovsdb_unavailable", True)
    finally:
        site.host.ovs.start_ovsdb()
    wait_for(lambda: site.port(hybrid)["state"] == "ready", "the port by itself")
    assert "qvo5843eca1-e1" in site.ovs_ports()
    site.unplug(hybrid)
    site.unplug(bridge)


def test_burst_is_few_reconciles(site: Site, payload: Payload) -> None:
    """A transaction a reconcile: the OVSDB's own count of them (next_cfg) tells.

    The agent stands still until all are sent: a slow sender is no burst.
    """
    vifs = [numbered(payload("ovs_create_tap"), 1000 + n) for n in range(100)]
    before = _next_cfg(site)
    with frozen(site.daemon):
        for vif in vifs:
            site.plug(vif, wait=None)
    site.settled()
    rounds = _next_cfg(site) - before
    assert {v["devname"] for v in vifs} <= site.ovs_ports()
    assert 1 <= rounds <= 25
    site.unplug_all()


def _next_cfg(site: Site) -> int:
    return int(site.host.ovs.vsctl("--no-wait", "get", "open_vswitch", ".", "next_cfg"))


def _kernel_has_vlans() -> bool:
    try:
        argv = ("ip", "link", "add", "link", "eth1", "vlan9", "type", "vlan", "id", "9")
        processes.run(argv, os.environ)
        processes.run(("ip", "link", "del", "vlan9"), os.environ)
    except RuntimeError:
        return False
    return True


@pytest.fixture
def eth1() -> Iterator[None]:
    """The VLAN payload's parent device."""
    with nic("eth1"):
        yield
