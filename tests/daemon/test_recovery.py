"""Peers that go and come back with no help: Open vSwitch, the broker, the whole host."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.casting import CONTEXT, Site, Vif, numbered, wait_for
from tests.support.real_host import ip, sweep
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]
pytestmark = pytest.mark.broker


@pytest.fixture
def site(scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, "threading") as running:
        yield running


def whole(site: Site, *vifs: Vif) -> bool:
    """Are these ports as they were requested, by the agent's plan?"""
    return all(site.api.check_vif(CONTEXT, HOST, vif["id"])["ok"] for vif in vifs)


# Open vSwitch gone and back


def test_vswitchd_gone_and_back(site: Site, payload: Payload) -> None:
    """Ready still means an ofport: what is plugged meanwhile waits for it."""
    before, meanwhile = payload("ovs_hybrid"), payload("ovs_create_tap")
    site.plug(before)
    site.host.ovs.kill_vswitchd()
    try:
        site.plug(meanwhile, wait=None)
        wait_for(lambda: meanwhile["devname"] in site.host.links(), "the device")
        assert site.port(meanwhile)["state"] != "ready"
    finally:
        site.host.ovs.start_vswitchd()
    wait_for(lambda: site.port(meanwhile)["state"] == "ready", "the ofport")
    wait_for(lambda: whole(site, before, meanwhile), "both ports")
    site.unplug(before)
    site.unplug(meanwhile)


def test_rows_lost_with_the_database_are_made_again(site: Site, payload: Payload) -> None:
    vifs = [payload("ovs_hybrid"), payload("ovs_create_tap")]
    for vif in vifs:
        site.plug(vif)
    ovs = site.host.ovs
    ovs.stop()
    ovs.database.unlink()
    ovs.start()
    ovs.add_bridge("br-int")
    wait_for(lambda: whole(site, *vifs), "the ports in the new database")
    for vif in vifs:
        assert site.port(vif)["state"] == "ready"
        site.unplug(vif)


# The broker gone and back


def test_broker_gone_and_back(site: Site, payload: Payload) -> None:
    hybrid, late = payload("ovs_hybrid"), numbered(payload("ovs_create_tap"), 40)
    site.plug(hybrid)
    site.rabbit.kill()
    ip("link", "del", "qvo" + hybrid["id"][:11])
    wait_for(lambda: "qvo" + hybrid["id"][:11] in site.host.links(), "a repair without a bus")
    site.rabbit.start()
    site.rejoined()
    site.plug(late)
    assert whole(site, hybrid, late)


def test_agent_that_starts_without_a_broker_does_its_work(site: Site, payload: Payload) -> None:
    vif = payload("ovs_create_tap")
    site.plug(vif)
    site.daemon.stop()
    site.rabbit.kill()
    ip("link", "del", vif["devname"])
    site.daemon.launch()
    wait_for(lambda: vif["devname"] in site.host.links(), "the port, made again")
    assert "READY=1" not in site.daemon.notified()
    site.rabbit.start()
    site.daemon.wait_for_notice("READY=1", 60)
    wait_for(lambda: whole(site, vif), "the whole port")


# The host rebooted


def test_host_rebooted(site: Site, payload: Payload) -> None:
    """All devices and rows are gone, the store was kept, and Open vSwitch comes after us."""
    vifs = {name: payload(name) for name in ("ovs_hybrid", "ovs_create_tap", "bridge", "tap")}
    for vif in vifs.values():
        site.plug(vif)
    site.daemon.kill()
    sweep(site.host)
    site.host.ovs.stop()
    site.daemon.start()
    wait_for(lambda: whole(site, vifs["bridge"], vifs["tap"]), "what needs no Open vSwitch")
    assert site.port(vifs["ovs_hybrid"])["state"] != "unplugged"
    site.host.ovs.start()
    wait_for(lambda: whole(site, *vifs.values()), "everything, with no help")
    assert site.states() == {"ready"}
    site.unplug_all()
