"""What somebody has renamed, or tagged otherwise, is known all the same: by its index."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.casting import CONTEXT, MODES, Options, Site, Vif, wait_for
from tests.support.real_host import TUN, ip, links, new_vif
from vif_agent.bus.api import PlugFailed
from vif_agent.testing.daemon import HOST
from vif_agent.testing.frames import TapEnd, crosses
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]

ELSEWHERE = "elsewhere"


@pytest.fixture(scope="module", params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    options: Options = {"vif_agent": {"check_interval": 0}}  # an event is enough
    with Site(scratch_with_bus, request.param, options) as running:
        yield running


def index(name: str) -> int:
    return int(links()[name]["ifindex"])


def look_at_everything(site: Site) -> None:
    """And wait until it has been: a plug after it is carried out later."""
    site.api.repair(CONTEXT, HOST)
    wait_for(lambda: site.states() <= {"ready"}, "ports that are well")


@pytest.mark.parametrize("name", ["bridge", "ovs_create_tap"])
@pytest.mark.parametrize("restarts", [False, True])
def test_tap_that_a_guest_holds_gets_its_name_back(
    name: str, restarts: bool, site: Site, payload: Payload
) -> None:
    """No other tap is made in its place, and it is not removed: frames cross again."""
    one, two = new_vif(payload(name), 1), new_vif(payload(name), 2)
    for vif in (one, two):
        site.plug(vif)
    tap = one["devname"]
    there = index(tap)
    with TapEnd(tap, TUN) as a, TapEnd(two["devname"], TUN) as b:
        assert crosses(a, b, source_mac=one["address"])
        if restarts:
            site.daemon.kill()
        ip("link", "set", tap, "down")
        ip("link", "set", tap, "name", ELSEWHERE)
        if restarts:
            site.daemon.start()
        wait_for(lambda: index(tap) == there, "the name")
        look_at_everything(site)
        assert index(tap) == there
        assert crosses(a, b, source_mac=one["address"])
        assert crosses(b, a, source_mac=two["address"])
    for vif in (one, two):
        site.unplug(vif)


def test_tap_that_a_guest_holds_stays_where_its_name_is_taken(site: Site, payload: Payload) -> None:
    """The port is not told as ready: the guest is on another tap than the port's."""
    vif = payload("bridge")
    site.plug(vif)
    tap = vif["devname"]
    with TapEnd(tap, TUN):
        site.daemon.kill()
        ip("link", "set", tap, "down")
        ip("link", "set", tap, "name", ELSEWHERE)
        ip("tuntap", "add", "dev", tap, "mode", "tap")
        site.daemon.start()
        wait_for(lambda: site.port(vif)["state"] == "retrying", "a port that is not well")
        assert "elsewhere is held open by a guest" in str(site.port(vif)["error"])
        assert ELSEWHERE in links()
    wait_for(lambda: ELSEWHERE not in links(), "its end")
    wait_for(lambda: site.port(vif)["state"] == "ready", "a port that is well")
    site.unplug(vif)


def test_bridge_of_a_network_gets_its_name_back(site: Site, payload: Payload) -> None:
    one, two = new_vif(payload("bridge"), 1), new_vif(payload("bridge"), 2)
    for vif in (one, two):
        site.plug(vif)
    bridge = one["network"]["bridge"]
    there = index(bridge)
    with TapEnd(one["devname"], TUN) as a, TapEnd(two["devname"], TUN) as b:
        ip("link", "set", bridge, "down")
        ip("link", "set", bridge, "name", ELSEWHERE)
        wait_for(lambda: index(bridge) == there, "the name")
        assert crosses(a, b, source_mac=one["address"])
    for vif in (one, two):
        site.unplug(vif)
    assert bridge not in links()


@pytest.mark.parametrize("restarts", [False, True])
def test_bridge_of_a_network_is_ours_whatever_its_alias(
    restarts: bool, site: Site, payload: Payload
) -> None:
    """Kept, and removed with its last port."""
    vif = payload("bridge")
    site.plug(vif)
    bridge = vif["network"]["bridge"]
    if restarts:
        site.daemon.kill()
    ip("link", "set", bridge, "alias", "office LAN")
    ip("link", "set", bridge, "down")
    if restarts:
        site.daemon.start()
    wait_for(lambda: links()[bridge]["ifalias"] == "vif-agent shared", "the stamp")
    wait_for(lambda: "UP" in links()[bridge]["flags"], "the bridge up")
    site.unplug(vif)
    assert bridge not in links()


def test_bridge_whose_alias_was_changed_goes_with_its_last_port_all_the_same(
    site: Site, payload: Payload
) -> None:
    """The last port was unplugged while the agent was away, and the alias changed."""
    vif = payload("bridge")
    site.plug(vif)
    bridge = vif["network"]["bridge"]
    site.daemon.kill()
    ip("link", "set", bridge, "alias", "office LAN")
    site.unplug(vif, wait=None)
    site.daemon.start()
    wait_for(lambda: bridge not in links(), "the end of the bridge")


def test_bridge_that_others_have_made_anew_meanwhile_is_theirs(
    site: Site, payload: Payload
) -> None:
    vif = payload("bridge")
    site.plug(vif)
    bridge = vif["network"]["bridge"]
    site.daemon.kill()
    ip("link", "delete", bridge)
    ip("link", "add", bridge, "type", "bridge")
    ip("link", "set", bridge, "alias", "office LAN", "up")
    site.daemon.start()
    wait_for(lambda: links()[vif["devname"]].get("master") == bridge, "the tap in it")
    site.unplug(vif)
    assert links()[bridge]["ifalias"] == "office LAN"
    ip("link", "delete", bridge)


def test_conflict_ends_when_an_alternative_name_of_another_device_goes(
    site: Site, payload: Payload
) -> None:
    """The kernel tells of it by the device's first name, and only where that is up."""
    vif = payload("bridge")
    ip("link", "add", "bystander", "type", "bridge")
    ip("link", "set", "bystander", "up")
    ip("link", "property", "add", "dev", "bystander", "altname", vif["devname"])
    with pytest.raises(PlugFailed, match="conflict"):
        site.plug(vif)
    ip("link", "property", "del", "dev", "bystander", "altname", vif["devname"])
    wait_for(lambda: site.port(vif)["state"] == "ready", "a port that is well")
    site.unplug(vif)
    ip("link", "delete", "bystander")
