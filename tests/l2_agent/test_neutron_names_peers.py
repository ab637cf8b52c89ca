"""VXLAN peers as Neutron names them, by a real broker, to a real agent and its kernel."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.casting import CONTEXT, MODES, Site, Vif, clean_up_taps, nic, wait_for
from tests.support.neutron_server import ACTIVE, DOWN, Database, NeutronServer
from tests.support.real_host import bridge_fdb, ip, links
from vif_agent import wishes
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]

OWN, A, B, C = "192.0.2.1", "192.0.2.7", "192.0.2.8", "192.0.2.9"
DEVICE = "vxlan-70007"
OPTIONS: dict[str, dict[str, Any]] = {
    "DEFAULT": {"rpc_response_timeout": 3},
    "bridge": {"wire_taps": True, "create_tap": False},
    "network": {"vxlan_local_ip": OWN},
    "neutron": {"enabled": True, "report_interval": 2, "vxlan_peers": True},
}


@pytest.fixture(scope="module", params=MODES)
def running(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with nic("eth7"):
        ip("address", "add", f"{OWN}/24", "dev", "eth7")
        with Site(scratch_with_bus, request.param, OPTIONS) as running:
            yield running


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    """Nothing is known of peers."""
    if running.daemon.alive():
        running.daemon.stop()
    _file(running).unlink(missing_ok=True)
    running.daemon.start()
    yield running
    clean_up_taps(running)


@pytest.fixture
def database() -> Database:
    return Database(ends={A: "host-a", B: "host-b"})


@pytest.fixture
def vif(payload: Payload) -> Vif:
    vif = payload("tap")
    meta = {"network_type": "vxlan", "segmentation_id": 70007, "mtu": 1430}
    vif = {**vif, "network": {**vif["network"], "bridge": "brq7151fa78-2a", "meta": meta}}
    return wishes.signed(vif, wishes.NEUTRON)


def _file(site: Site) -> Path:
    return site.daemon.state_path / "vxlan_peers.json"


def flooded() -> set[str]:
    entries = bridge_fdb("show", "dev", DEVICE).splitlines() if DEVICE in links() else []
    return {entry.split()[2] for entry in entries if entry.startswith("00:00:00:00:00:00")}


def flooded_to(*peers: str) -> None:
    wait_for(lambda: flooded() == {*peers}, f"{peers} in the kernel")


def plug(site: Site, vif: Vif) -> None:
    ip("tuntap", "add", vif["devname"], "mode", "tap")
    site.plug(vif)


def test_peers_come_and_go_as_neutron_says(site: Site, database: Database, vif: Vif) -> None:
    with NeutronServer(site.rabbit.url, database) as neutron:
        plug(site, vif)
        flooded_to(A, B)
        assert database.ends[OWN] == HOST
        index = links()[DEVICE]["ifindex"]
        neutron.tunnel_update(C)
        flooded_to(A, B, C)
        neutron.tunnel_delete(A)
        flooded_to(B, C)
        neutron.tunnel_update(OWN)
        neutron.tunnel_update("224.0.0.1")
        neutron.tunnel_update("2001:db8::7")
        neutron.tell_all("q-agent-notifier-tunnel-update", "tunnel_update", tunnel_ip=[])
        neutron.tunnel_update(A)
        flooded_to(A, B, C)
        assert links()[DEVICE]["ifindex"] == index
        assert site.api.get_status(CONTEXT, HOST)["neutron"]["vxlan_peers"] == 3
    assert "repaired" not in site.daemon.log()


def test_start_without_neutron_keeps_the_peers(site: Site, database: Database, vif: Vif) -> None:
    with NeutronServer(site.rabbit.url, database):
        plug(site, vif)
        flooded_to(A, B)
    site.daemon.kill()
    bridge_fdb("delete", "00:00:00:00:00:00", "dev", DEVICE, "dst", A)
    site.daemon.start()
    flooded_to(A, B)
    said = "VXLAN peers stay as Neutron has named them last"
    wait_for(lambda: said in site.daemon.log(), "a complaint")
    with NeutronServer(site.rabbit.url, Database(ends={A: "host-a", C: "host-c"})):
        flooded_to(A, B, C)


def test_start_that_knows_no_peers_takes_none_away(
    site: Site, database: Database, vif: Vif
) -> None:
    with NeutronServer(site.rabbit.url, database):
        plug(site, vif)
        flooded_to(A, B)
    site.daemon.stop()
    _file(site).unlink()
    site.daemon.start()
    wait_for(lambda: site.port(vif)["state"] == "ready", "the port")
    assert flooded() == {A, B}


def test_wrong_answer_changes_no_peer(site: Site, database: Database, vif: Vif) -> None:
    with NeutronServer(site.rabbit.url, database) as neutron:
        plug(site, vif)
        flooded_to(A, B)
    site.daemon.stop()
    with NeutronServer(site.rabbit.url, Database()) as neutron:
        neutron.answers["tunnel_sync"] = {"tunnels": [{"ip_address": OWN}, {"ip_address": "x"}]}
        site.daemon.start()
        wait_for(lambda: len(neutron.syncs) > 1, "a second try")
        assert flooded() == {A, B}
        assert json.loads(_file(site).read_text()) == {"peers": [A, B]}


def test_all_is_asked_for_again_when_reports_are_answered_again(
    site: Site, database: Database, vif: Vif
) -> None:
    """A fanout may have been lost meanwhile."""
    with NeutronServer(site.rabbit.url, database) as neutron:
        plug(site, vif)
        flooded_to(A, B)
        neutron.answers["report_state"] = RuntimeError("no database")
        wait_for(lambda: "no database" in site.daemon.log(), "a complaint")
        database.ends[C] = "host-c"
        neutron.answers.clear()
        flooded_to(A, B, C)


def test_binding_that_becomes_active_here_has_its_port_told_again(
    site: Site, database: Database, vif: Vif
) -> None:
    with NeutronServer(site.rabbit.url, database) as neutron:
        plug(site, vif)
        wait_for(lambda: database.ports.get(vif["id"]) == ACTIVE, "an active port")
        wait_for(lambda: "binding_activate" in _queues(site), "the agent's ear")
        for host in ("elsewhere", HOST):
            database.ports[vif["id"]] = DOWN
            neutron.binding_activate(vif["id"], host)
        wait_for(lambda: database.ports[vif["id"]] == ACTIVE, "an active port again")


def _queues(site: Site) -> str:
    return site.rabbit.ctl("-q", "list_queues", "name").replace(
        "port_binding-activate", "binding_activate"
    )
