"""Open vSwitch is stopped, its database removed, and it is started anew under a running agent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.host.test_vswitchd_dead import dead
from tests.support.casting import MODES, Site, Vif, numbered, wait_for
from vif_agent.bus.api import NoAnswer
from vif_agent.testing import processes
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.ovs import PrivateOvs

Payload = Callable[[str], Vif]


@pytest.fixture(params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    options: dict[str, dict[str, object]] = {
        "vif_agent": {"check_interval": 0},  # what is mended here is mended by an event
        "ovs": {"ovsdb_timeout": 3},
    }
    with Site(scratch_with_bus, request.param, options) as running:
        yield running


def started_anew(ovs: PrivateOvs, stop: Callable[[PrivateOvs], None]) -> None:
    stop(ovs)
    ovs.stop_ovsdb()
    ovs.database.unlink()
    ovs.start_ovsdb()
    ovs.start_vswitchd()


def all_ready(site: Site, vifs: list[Vif]) -> None:
    """Each port is in its bridge again, carried by Open vSwitch, and told so."""
    wait_for(lambda: site.ovs_ports() == {_port(vif) for vif in vifs}, "the ports' rows")
    for vif in vifs:
        wait_for(lambda vif=vif: _has_ofport(site, vif), "an ofport")  # type: ignore[misc]
        wait_for(lambda vif=vif: site.port(vif)["state"] == "ready", "ready")  # type: ignore[misc]


def _port(vif: Vif) -> str:
    return f"qvo{vif['id'][:11]}" if vif["details"]["ovs_hybrid_plug"] else str(vif["devname"])


def _has_ofport(site: Site, vif: Vif) -> bool:
    return site.host.ovs.vsctl("get", "interface", _port(vif), "ofport").strip().isdigit()


def exits(ovs: PrivateOvs) -> None:
    """As the service stops it (ovs-ctl)."""
    assert ovs.vswitchd is not None
    ovs.appctl("ovs-vswitchd", "exit")
    processes.ended(ovs.vswitchd, timeout=10)


@pytest.mark.parametrize("stop", [exits, PrivateOvs.kill_vswitchd])
def test_bridge_takes_its_own_device_again(
    site: Site, payload: Payload, stop: Callable[[PrivateOvs], None]
) -> None:
    """The device, a tap that nobody holds by then, outlives ovs-vswitchd."""
    ovs, vifs = site.host.ovs, [numbered(payload("ovs_hybrid"), 71)]
    vifs.append(numbered(payload("ovs_create_tap"), 72))
    for vif in vifs:
        vif["details"]["datapath_type"] = "netdev"
        site.plug(vif)
    before = site.host.links()
    started_anew(ovs, stop)
    all_ready(site, vifs)
    assert site.host.links().keys() == before.keys()
    assert ovs.vsctl("get", "interface", "br-int", "error").strip() == "[]"
    _as_it_was(site, vifs)


def _as_it_was(site: Site, vifs: list[Vif]) -> None:
    """The scratch host's br-int is nobody's."""
    for vif in vifs:
        site.unplug(vif)
    site.host.ovs.vsctl("--if-exists", "del-br", "br-int")
    site.host.ovs.add_bridge("br-int")


def test_what_was_in_the_way_goes_and_wakes_the_port(site: Site, payload: Payload) -> None:
    """A device of the bridge's name goes; or somebody makes the bridge of it."""
    vif = numbered(payload("ovs_create_tap"), 73)
    vif["details"] |= {"bridge_name": "br-late", "datapath_type": "netdev"}
    ip = ("ip", "link")
    processes.run((*ip, "add", "br-late", "type", "veth", "peer", "name", "far"), os.environ)
    site.plug(vif, wait=None)
    wait_for(lambda: site.port(vif)["state"] == "error", "the conflict")
    assert site.port(vif)["error"]["code"] == "conflict"
    processes.run((*ip, "del", "br-late"), os.environ)
    wait_for(lambda: site.port(vif)["state"] == "ready", "the port")
    assert site.host.ovs.vsctl("list-ports", "br-late").split() == [vif["devname"]]
    site.unplug(vif)


def test_bridge_that_somebody_makes_wakes_the_port(site: Site, payload: Payload) -> None:
    """A tap in use has its name: not to be taken by us, but by who makes the bridge."""
    vif = numbered(payload("ovs_create_tap"), 74)
    vif["details"] |= {"bridge_name": "br-late", "datapath_type": "netdev"}
    processes.run(("ip", "tuntap", "add", "dev", "br-late", "mode", "tap"), os.environ)
    processes.run(("ip", "link", "set", "br-late", "up"), os.environ)
    site.plug(vif, wait=None)
    wait_for(lambda: site.port(vif)["state"] == "error", "the conflict")
    site.host.ovs.add_bridge("br-late")
    wait_for(lambda: site.port(vif)["state"] == "ready", "the port")
    site.unplug(vif)
    site.host.ovs.vsctl("del-br", "br-late")


def test_port_plugged_again_waits_for_ovs_vswitchd(site: Site, payload: Payload) -> None:
    """It died, and left the ofport in the database."""
    vif = numbered(payload("ovs_create_tap"), 75)
    site.plug(vif)
    not_there = "ovs-vswitchd, which gave it its ofport, is not there"
    with dead(site.host.ovs), pytest.raises(NoAnswer, match=not_there):
        site.plug(vif, wait=8)
    wait_for(lambda: site.port(vif)["state"] == "ready", "the port")
