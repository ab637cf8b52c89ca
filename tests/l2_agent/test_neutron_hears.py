"""What Neutron hears of a real agent over a real broker: that it lives, and how its ports are."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.support.casting import CONTEXT, MODES, Site, Vif, clean_up_taps, numbered, wait_for
from tests.support.neutron_server import ACTIVE, DOWN, Database, NeutronServer
from tests.support.operating import ctl
from tests.support.real_host import ip, links
from vif_agent import __version__, wishes
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]

BRQ = "brq7151fa78-2a"
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "DEFAULT": {"rpc_response_timeout": 3},
    "bridge": {"wire_taps": True, "create_tap": False},
    "network": {
        "physical_interface_mappings": "physnet1:eth7", "bridge_mappings": "physnet2:br-ex",
        "vxlan_local_ip": "127.0.0.1",
    },
    "neutron": {"enabled": True, "report_interval": 2},
    "vif_agent": {"retry_min": 0.1},
    "ovs": {"ovsdb_timeout": 1},
    "cleanup": {"interval": 1},
}  # fmt: skip


@pytest.fixture(scope="module", params=MODES)
def running(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, request.param, OPTIONS) as running:
        yield running


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    if not running.daemon.alive():
        running.daemon.start()
    yield running
    clean_up_taps(running)


@pytest.fixture
def neutron(site: Site) -> Iterator[NeutronServer]:
    with NeutronServer(site.rabbit.url) as server:
        yield server


@pytest.fixture
def vif(payload: Payload) -> Vif:
    """As Neutron's driver casts it."""
    vif = payload("tap")
    vif = {**vif, "network": {**vif["network"], "bridge": BRQ}}
    return wishes.signed(vif, wishes.NEUTRON)


def nova_plugs(vif: Vif) -> None:
    ip("tuntap", "add", vif["devname"], "mode", "tap")
    ip("link", "set", vif["devname"], "address", vif["address"], "up")


def nova_unplugs(vif: Vif) -> None:
    ip("link", "delete", vif["devname"])


def shown(neutron: NeutronServer, vif: Vif, status: str) -> None:
    wait_for(lambda: neutron.database.ports.get(vif["id"]) == status, f"port {status}")


def plugged(site: Site, neutron: NeutronServer, *ports: Vif) -> None:
    """By nova and by us, and ACTIVE."""
    for port in ports:
        nova_plugs(port)
        site.plug(port)
    for port in ports:
        shown(neutron, port, ACTIVE)


def said(neutron: NeutronServer) -> Mapping[str, Any]:
    return neutron.configurations(HOST)


def failed(neutron: NeutronServer) -> dict[str, Any]:
    told: dict[str, Any] = neutron.reports[-1]["failed"]
    return told


def test_report_says_what_can_be_bound_here(neutron: NeutronServer) -> None:
    wait_for(lambda: said(neutron), "a report")
    report = neutron.reports[0]
    assert {name: report[name] for name in ("agent_type", "binary", "host", "topic")} == {
        "agent_type": "vif-agent", "binary": "vif-agent", "host": HOST, "topic": "N/A",
    }  # fmt: skip
    assert dict(said(neutron)) == {
        "version": __version__,
        "network_types": ["local", "flat", "vlan", "vxlan"],
        "tunnel_types": ["vxlan"],
        "tunneling_ip": "127.0.0.1",
        "interface_mappings": {"physnet1": "eth7"},
        "bridge_mappings": {"physnet2": "br-ex"},
        "firewall": said(neutron)["firewall"],
        "wishes": wishes.digest([]),
        "devices": 0,
    }
    assert report["failed"] == {}
    assert said(neutron)["firewall"] in ("nftables", "noop")
    count = len(neutron.reports)
    wait_for(lambda: len(neutron.reports) > count + 1, "a report now and then")


def test_first_report_after_a_start_says_so(site: Site, neutron: NeutronServer) -> None:
    wait_for(lambda: said(neutron), "a report")
    site.daemon.stop()
    neutron.reports.clear()
    site.daemon.start()
    wait_for(lambda: len(neutron.reports) > 1, "two reports")
    assert neutron.reports[0].get("start_flag") is True
    assert "start_flag" not in neutron.reports[1]


def test_port_is_active_while_its_tap_is_wired(
    site: Site, neutron: NeutronServer, vif: Vif
) -> None:
    site.plug(vif, wait=None)
    wait_for(lambda: BRQ in links(), "the network's bridge")
    for _hard_reboot in range(2):
        nova_plugs(vif)
        shown(neutron, vif, ACTIVE)
        nova_unplugs(vif)
        shown(neutron, vif, DOWN)
    nova_plugs(vif)
    shown(neutron, vif, ACTIVE)
    wait_for(lambda: neutron.reports[-1]["up"] == [vif["id"]], "a report that says it is up")
    site.unplug(vif)
    shown(neutron, vif, DOWN)
    wait_for(lambda: neutron.reports[-1]["up"] == [], "a report that says it no longer")


def test_each_plug_that_is_done_is_told(site: Site, neutron: NeutronServer, vif: Vif) -> None:
    """Activating a binding puts the port DOWN, and the driver casts the same again."""
    plugged(site, neutron, vif)
    neutron.database.ports.clear()
    site.plug(vif)
    shown(neutron, vif, ACTIVE)


def test_ports_of_others_are_not_told(site: Site, neutron: NeutronServer, vif: Vif) -> None:
    novas = numbered({**vif, "meta": {}}, 7)
    for each in (novas, vif):
        nova_plugs(each)
        site.plug(each)
    shown(neutron, vif, ACTIVE)
    nova_unplugs(novas)
    nova_unplugs(vif)
    shown(neutron, vif, DOWN)
    assert neutron.database.ports.keys() == {vif["id"]}


def test_digest_is_of_what_neutron_wishes(site: Site, neutron: NeutronServer, vif: Vif) -> None:
    other = numbered({**vif, "meta": {}}, 7)
    for each in (vif, other):
        site.plug(each, wait=None)
    wait_for(lambda: said(neutron).get("wishes") == wishes.digest([vif]), "the digest of one port")
    assert said(neutron)["devices"] == 1
    site.api.sync_vifs(CONTEXT, HOST, [], complete=True, sender=wishes.NEUTRON)
    longer = {**vif, "network": {**vif["network"], "label": "än other"}}
    site.plug(longer, wait=None)
    wait_for(lambda: said(neutron).get("wishes") == wishes.digest([longer]), "another digest")


def test_port_that_cannot_be_plugged_is_told_at_once_and_so_is_that_it_can(
    site: Site, neutron: NeutronServer, vif: Vif
) -> None:
    plugged(site, neutron, vif)
    unknown = {**vif, "network": {**vif["network"], "meta": {"network_type": "geneve"}}}
    site.plug(unknown, wait=None)
    told = wait_for(lambda: failed(neutron)[vif["id"]], "the failure in a report")
    assert told["code"] == "no_plugin"
    assert "vif.network.meta.network_type" in told["message"]
    assert neutron.database.ports[vif["id"]] == DOWN, "before it is told that it has failed"
    site.plug(vif)
    wait_for(lambda: not failed(neutron), "no failure any more")
    shown(neutron, vif, ACTIVE)


def test_port_that_is_refused_at_the_door_has_failed(
    site: Site, neutron: NeutronServer, vif: Vif
) -> None:
    site.plug({**vif, "address": "none"}, wait=None)
    told = wait_for(lambda: failed(neutron)[vif["id"]], "the failure in a report")
    assert told["code"] == "invalid_request"
    site.plug(vif, wait=None)
    wait_for(lambda: not failed(neutron), "no failure any more")


def test_server_that_is_away_hears_it_all_when_it_is_back(site: Site, vif: Vif) -> None:
    ports = [numbered(vif, 10 + n) for n in range(3)]
    database = Database()
    with NeutronServer(site.rabbit.url, database) as neutron:
        plugged(site, neutron, *ports)
    nova_unplugs(ports[0])
    site.unplug(ports[1])
    wait_for(lambda: "neutron" in ctl(site.daemon.config_file, "health").out, "bad health")
    with NeutronServer(site.rabbit.url, database) as neutron:
        for port, status in zip(ports, (DOWN, DOWN, ACTIVE), strict=True):
            shown(neutron, port, status)
        wait_for(lambda: ctl(site.daemon.config_file, "health").code == 0, "good health")


def test_agent_that_was_killed_tells_all_anew(site: Site, vif: Vif) -> None:
    """What was unplugged before it was killed, too, though no server has heard of it."""
    ports = [numbered(vif, 20 + n) for n in range(3)]
    database = Database()
    with NeutronServer(site.rabbit.url, database) as neutron:
        plugged(site, neutron, *ports)
    site.unplug(ports[1])
    site.daemon.kill()
    nova_unplugs(ports[0])
    database.ports[ports[2]["id"]] = DOWN
    with NeutronServer(site.rabbit.url, database) as neutron:
        site.daemon.start()
        for port, status in zip(ports, (DOWN, DOWN, ACTIVE), strict=True):
            shown(neutron, port, status)


@pytest.mark.parametrize("how", ["revived", "report lost"])
def test_all_is_told_anew_when_neutron_had_lost_sight_of_us(
    how: str, site: Site, neutron: NeutronServer, vif: Vif
) -> None:
    plugged(site, neutron, vif)
    neutron.database.ports.clear()
    if how == "revived":
        neutron.answers["report_state"] = how
    else:
        neutron.answers["report_state"] = RuntimeError("no database")
        wait_for(lambda: "no database" in site.daemon.log(), "a complaint")
        neutron.answers.clear()
    shown(neutron, vif, ACTIVE)


def test_wrong_answer_is_logged_once_and_asked_again(site: Site, neutron: NeutronServer) -> None:
    complaint = "the clocks of this host and of Neutron's servers differ"
    before = site.daemon.log().count(complaint)
    neutron.answers["report_state"] = lambda _: None
    count = len(neutron.reports)
    wait_for(lambda: len(neutron.reports) > count + 2, "three tries")
    assert site.daemon.log().count(complaint) == before + 1
    neutron.answers.clear()
    count = len(neutron.reports)
    wait_for(lambda: len(neutron.reports) > count, "a try more")


def test_port_with_which_the_server_fails_holds_up_no_other(
    site: Site, neutron: NeutronServer, vif: Vif
) -> None:
    bad, good = numbered(vif, 30), numbered(vif, 31)
    neutron.failing = {bad["id"]}
    for each in (bad, good):
        nova_plugs(each)
        site.plug(each)
    shown(neutron, good, ACTIVE)
    assert bad["id"] not in neutron.database.ports
    neutron.failing = set()
    shown(neutron, bad, ACTIVE)


def test_lost_answer_is_asked_for_again(site: Site, neutron: NeutronServer, vif: Vif) -> None:
    """As when a server dies with the question in hand: here it is wrong, that comes sooner."""
    neutron.answers["update_device_list"] = ["?"]
    nova_plugs(vif)
    site.plug(vif)
    wait_for(lambda: len(neutron.calls) > 1, "a second try")
    neutron.answers.clear()
    neutron.database.ports.clear()
    shown(neutron, vif, ACTIVE)


def test_broker_that_was_away_is_no_end(site: Site, vif: Vif) -> None:
    nova_plugs(vif)
    with contextlib.ExitStack() as stack:
        neutron = stack.enter_context(NeutronServer(site.rabbit.url))
        site.plug(vif)
        shown(neutron, vif, ACTIVE)
        site.rabbit.kill()
        nova_unplugs(vif)
        site.rabbit.start()
        shown(neutron, vif, DOWN)
        count = len(neutron.reports)
        wait_for(lambda: len(neutron.reports) > count, "a report")
        site.rejoined()
        wait_for(lambda: site.api.get_health(CONTEXT, HOST)["state"] == "healthy", "good health")


def test_status_shows_how_neutron_knows_the_agent(
    site: Site, neutron: NeutronServer, vif: Vif
) -> None:
    plugged(site, neutron, vif)
    wait_for(lambda: len(neutron.reports) > 2, "reports")
    view = site.api.get_status(CONTEXT, HOST)["neutron"]
    assert view == {
        "answer": "alive", "answered_at": view["answered_at"], "trouble": None, "ports_to_tell": 0,
        "ports_failed": 0, "vxlan_peers": None,
    }  # fmt: skip
