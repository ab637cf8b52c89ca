"""Somebody changes what is ours, and it is put right by itself, soon."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.casting import CONTEXT, MODES, Notices, Site, Vif, numbered, wait_for
from vif_agent.reconcile.repair_backoff import RepairBackoff
from vif_agent.resources import GUARD, LINK, Key
from vif_agent.testing import processes
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]

QBR, QVB, QVO = (prefix + "5843eca1-e1" for prefix in ("qbr", "qvb", "qvo"))
TAP, BRQ = "tapcb0042fb-c1", "brq7151fa78-2a"
LINK_DRIFT = {
    "deleted veth": ("ovs_hybrid", ("del", QVO)),
    "deleted bridge": ("ovs_hybrid", ("del", QBR)),
    "no master": ("ovs_hybrid", ("set", QVB, "nomaster")),
    "down": ("ovs_hybrid", ("set", QBR, "down")),
    "another master": ("ovs_hybrid", ("set", QVO, "master", QBR)),
    "mtu": ("ovs_hybrid", ("set", QVB, "mtu", "1400")),
    "promisc": ("ovs_hybrid", ("set", QVO, "promisc", "off")),
    "stamp": ("ovs_hybrid", ("set", QVO, "alias", "")),
    "renamed tap": ("bridge", ("set", TAP, "down", "name", "elsewhere")),
    "deleted tap": ("bridge", ("del", TAP)),
    "deleted shared bridge": ("bridge", ("del", BRQ)),
    "stp": ("bridge", ("set", BRQ, "type", "bridge", "stp_state", "1")),
}
OVS_DRIFT = {
    "deleted port": ("del-port", QVO),
    "iface-id": ("remove", "interface", QVO, "external_ids", "iface-id"),
    "mtu_request": ("set", "interface", QVO, "mtu_request=1300"),
    "qos": ("clear", "port", QVO, "qos"),
}


@pytest.fixture(scope="module", params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    options = {"vif_agent": {"check_interval": 0}}  # what is mended here is mended by an event
    with Site(scratch_with_bus, request.param, options) as running:
        yield running


def ip_link(*arguments: str) -> None:
    processes.run(("ip", "link", *arguments), os.environ)


def told_of_repair(notices: Notices, vif: Vif) -> dict[str, object]:
    """The notification; those of the plug before it are passed over."""
    while True:
        _, event, reported = notices.next(lambda p: p["port_id"] == vif["id"])
        if event == "vif.repair.end":
            return reported


def drifted(site: Site, vif: Vif) -> bool:
    text: str = site.api.plan(CONTEXT, HOST, "plug_vif", {}, vif)["text"]
    return text != "nothing to do"


@pytest.mark.parametrize("what", LINK_DRIFT)
def test_link_that_somebody_changed_is_mended(site: Site, payload: Payload, what: str) -> None:
    name, arguments = LINK_DRIFT[what]
    vif = payload(name)
    site.plug(vif)
    with Notices(site.rabbit.url) as notices:
        ip_link(*arguments)
        reported = told_of_repair(notices, vif)
        wait_for(lambda: not drifted(site, vif), f"repair of: {what}")
    assert reported["state"] == "ready"
    site.unplug(vif)


@pytest.mark.parametrize("what", OVS_DRIFT)
def test_ovs_row_that_somebody_changed_is_mended(site: Site, payload: Payload, what: str) -> None:
    vif = payload("ovs_hybrid")
    rows = site.ovs_rows("QoS")
    site.plug(vif)
    with Notices(site.rabbit.url) as notices:
        site.host.ovs.vsctl(*OVS_DRIFT[what])
        reported = told_of_repair(notices, vif)
        wait_for(lambda: not drifted(site, vif), f"repair of: {what}")
    assert reported["state"] == "ready"
    assert site.ovs_rows("QoS") == rows + 1
    site.unplug(vif)
    assert site.ovs_rows("QoS") == rows


def test_ovs_bridge_that_somebody_deleted_is_secure_and_said_so(
    site: Site, payload: Payload
) -> None:
    """Under two living ports. They are mended; that nobody gives it flows yet, ``check`` tells."""
    vifs = [numbered(payload("ovs_create_tap"), number) for number in (61, 62)]
    for vif in vifs:
        vif["details"] |= {"bridge_name": "br-drift", "datapath_type": "netdev"}
        site.plug(vif)
    site.host.ovs.vsctl("del-br", "br-drift")
    answer = wait_for(lambda: site.host.ovs.vsctl("get-fail-mode", "br-drift"), "the bridge")
    assert answer.strip() == "secure"
    for vif in vifs:
        wait_for(lambda vif=vif: not drifted(site, vif), "the port")  # type: ignore[misc]
        reported = site.api.check_vif(CONTEXT, HOST, vif["id"])
        assert (reported["ok"], reported["state"], reported["error"]) == (False, "ready", None)
        (unready,) = reported["unready"]
        assert unready.startswith("br-drift: no frame passes")
    for vif in vifs:
        site.unplug(vif)
    assert "br-drift" not in site.host.ovs.vsctl("list-br").split()


def test_what_is_not_ours_may_come_and_go(site: Site, payload: Payload) -> None:
    """A guest's tap in our bridge, a stranger's link: nothing is repaired, nothing touched."""
    vif = payload("ovs_hybrid")
    site.plug(vif)
    before = site.port(vif)
    ip_link("add", "stranger", "type", "bridge")
    ip_link("add", "guest", "master", QBR, "type", "veth", "peer", "name", "guestfar")
    ip_link("del", "guest")
    ip_link("del", "stranger")
    marker = numbered(payload("tap"), 77)
    site.plug(marker)  # by now the events before it have been taken in
    assert site.port(vif) == before
    site.unplug(marker)
    site.unplug(vif)


def test_fight_is_damped_and_said_once(site: Site, payload: Payload) -> None:
    """Each repair is undone once it is told: sooner, it would be another look's, and no repair."""
    vif = payload("ovs_hybrid")
    site.plug(vif)
    for _ in range(6):
        undo_and_wait(site)
    assert site.daemon.log().count("somebody else keeps changing it") == 1
    began = time.monotonic()
    undo_and_wait(site)
    assert time.monotonic() - began > 1.5, "25 ms, doubled six times"
    assert site.daemon.log().count("somebody else keeps changing it") == 1
    site.unplug(vif)


def test_repair_says_what_was_wrong(site: Site, payload: Payload) -> None:
    vif = payload("tap")
    site.plug(vif)
    before = repairs(site)
    ip_link("set", vif["devname"], "mtu", "1400")
    wait_for(lambda: repairs(site) > before, "the repair")
    line = next(x for x in site.daemon.log().splitlines()[::-1] if "repaired port=" in x)
    assert re.search(rf": tun {vif['devname']}: mtu 1400 -> 1450", line)
    site.unplug(vif)


def undo_and_wait(site: Site) -> None:
    before = repairs(site)
    ip_link("set", QVB, "mtu", "1400")
    wait_for(lambda: repairs(site) > before, "the repair")


def repairs(site: Site) -> int:
    """Told so far. The log says no line twice a second."""
    told: int = site.api.get_status(CONTEXT, HOST)["told"].get("vif.repair.end", 0)
    return told


def test_fight_over_one_port_holds_up_no_repair_of_the_bridge_it_shares(
    site: Site, payload: Payload
) -> None:
    """The first by name stands for all that share the bridge, unless it is fought over."""
    fought, calm = numbered(payload("bridge"), 1), numbered(payload("bridge"), 2)
    for vif in (fought, calm):
        site.plug(vif)
    for _ in range(8):
        before = repairs(site)
        ip_link("set", fought["devname"], "down")
        wait_for(lambda: repairs(site) > before, "the repair")  # noqa: B023
    ip_link("set", fought["devname"], "down")
    ip_link("set", BRQ, "down")
    wait_for(lambda: "UP" in site.host.links()[BRQ]["flags"], "the bridge")
    assert "UP" not in site.host.links()[fought["devname"]]["flags"], "after its pause, of 8 s"
    for vif in (fought, calm):
        site.unplug(vif)


KEY = Key(LINK, "brq")


def test_drift_pauses_grow_with_repairs_only() -> None:
    backoff = RepairBackoff()
    assert backoff.pause("calm", KEY) == backoff.pause("fought", KEY) < 1
    for _ in range(12):
        backoff.repaired(["fought"])
    assert backoff.backing_off() == {"fought"}
    assert backoff.pause("calm", KEY) < 1
    assert backoff.pause("fought", KEY) > 30
    backoff.reset("fought")
    assert backoff.pause("fought", KEY) < 1


def test_what_is_fought_over_may_be_shared() -> None:
    """Whichever of its ports is looked at for it; other things of that port do not wait."""
    backoff = RepairBackoff()
    for _ in range(12):
        backoff.repaired([KEY])
    assert backoff.backing_off() == {KEY}
    assert backoff.pause("a", KEY) > 30
    assert backoff.pause("a", Key(LINK, "tap")) < 1


def test_guard_that_is_fought_over_is_never_away_for_long() -> None:
    backoff = RepairBackoff()
    for _ in range(12):
        backoff.repaired(["fought"])
    assert backoff.pause("fought", Key(GUARD, "tap")) <= 1
    assert backoff.pause("fought", Key(LINK, "tap")) > 30
