"""sync_vifs over a real bus, on a real host: what comes, what goes, and what never goes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.casting import CONTEXT, MODES, Notices, Site, Vif, numbered, wait_for
from tests.support.examples import INSTANCE
from tests.support.operating import frozen
from tests.support.real_host import TUN, ip
from vif_agent import wishes
from vif_agent.testing.daemon import HOST
from vif_agent.testing.frames import TapEnd
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]

INTERVAL = 1.0
STRANGERS = (f"c0ffee{n:02x}-0000-4000-8000-000000000000" for n in itertools.count())


@pytest.fixture(scope="module", params=MODES)
def running(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    options = {"cleanup": {"interval": INTERVAL}}
    with Site(scratch_with_bus, request.param, options) as running:
        yield running


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    yield running
    running.unplug_all()


@pytest.fixture
def vifs(payload: Payload) -> list[Vif]:
    """Four ports of three kinds."""
    kinds = ("ovs_hybrid", "ovs_create_tap", "bridge", "ovs_create_tap")
    return [numbered(payload(kind), 500 + n) for n, kind in enumerate(kinds)]


@pytest.fixture
def stranger() -> str:
    """A port that nobody has ever heard of."""
    return next(STRANGERS)


@pytest.fixture
def left(stranger: str) -> str:
    """A tap with our owner tag, of a port that no request is known of. The test sees it go."""
    name = "tap" + stranger[:11]
    ip("tuntap", "add", "dev", name, "mode", "tap")
    ip("link", "set", name, "alias", f"vif-agent {stranger}")
    return name


def sync(site: Site, *vifs: Any, complete: bool = True, **more: Any) -> None:
    site.api.sync_vifs(CONTEXT, HOST, vifs, complete=complete, **more)


def pairs(*vifs: Vif) -> list[dict[str, Any]]:
    return [{"instance": INSTANCE, "vif": vif} for vif in vifs]


def plugged(site: Site) -> set[str]:
    return {port["port_id"] for port in site.api.list_vifs(CONTEXT, HOST)}


def taken_in(site: Site, payload: Payload) -> None:
    """The casts before this one are stored, and looked at."""
    marker = numbered(payload("tap"), 999)
    site.plug(marker)
    site.unplug(marker)


def ids(*vifs: Vif) -> set[str]:
    return {vif["id"] for vif in vifs}


def test_complete_set_plugs_what_is_missing_and_unplugs_the_rest(
    site: Site, vifs: list[Vif]
) -> None:
    before = site.host.links().keys()
    for vif in vifs[:3]:
        site.plug(vif)
    sync(site, *pairs(*vifs[2:]))
    wait_for(lambda: plugged(site) == ids(*vifs[2:]), "the set, no more and no less")
    wait_for(lambda: site.states() == {"ready"}, "ready ports")
    assert site.host.links().keys() - before == {
        vifs[2]["devname"],
        vifs[2]["network"]["bridge"],
        vifs[3]["devname"],
    }
    assert site.ovs_ports() == {vifs[3]["devname"]}


def test_complete_set_of_neutron_is_about_its_own_ports(
    site: Site, vifs: list[Vif], left: str, payload: Payload
) -> None:
    """Neither nova's, nor what no request tells whose it is; and nova's leaves Neutron's."""
    signed = [wishes.signed(vif, wishes.NEUTRON) for vif in vifs[:2]]
    for vif in (*signed, *vifs[2:]):
        site.plug(vif)
    sync(site, signed[0], sender=wishes.NEUTRON)
    wait_for(lambda: plugged(site) == ids(signed[0], *vifs[2:]), "one port less")
    sync(site, *pairs(vifs[2]))
    wait_for(lambda: plugged(site) == ids(signed[0], vifs[2]), "another port less")
    assert left not in site.host.links(), "nova's set is of all that is not signed"


def test_empty_set_of_neutron_comes_twice_whatever_others_send(
    site: Site, vifs: list[Vif], left: str, payload: Payload
) -> None:
    site.plug(vif := wishes.signed(vifs[0], wishes.NEUTRON))
    sync(site, sender=wishes.NEUTRON)
    taken_in(site, payload)
    sync(site)
    time.sleep(INTERVAL)
    sync(site, *pairs(vifs[2]), complete=False)
    taken_in(site, payload)
    assert plugged(site) == ids(vif, vifs[2])
    sync(site, sender=wishes.NEUTRON)
    wait_for(lambda: plugged(site) == ids(vifs[2]), "Neutron's port gone")
    assert left in site.host.links()


def test_complete_set_of_what_is_there_writes_nothing(site: Site, vifs: list[Vif]) -> None:
    for vif in vifs:
        site.plug(vif)
    assert site.writes(lambda: sync(site, *pairs(*vifs))) == []
    assert site.writes(lambda: sync(site, *vifs)) == [], "without the instances"
    assert plugged(site) == ids(*vifs)


def test_set_that_is_not_complete_unplugs_nothing(
    site: Site, vifs: list[Vif], payload: Payload
) -> None:
    site.plug(vifs[0])
    sync(site, *vifs[1:3], complete=False)
    sync(site, *vifs[1:3], {"id": "no UUID"})
    taken_in(site, payload)
    assert plugged(site) == ids(*vifs[:3])


def test_empty_set_unplugs_nothing_until_it_is_said_again_an_interval_later(
    site: Site, vifs: list[Vif], payload: Payload
) -> None:
    for vif in vifs[:2]:
        site.plug(vif)
    with frozen(site.daemon):  # so that they come within the interval
        for _ in range(3):
            sync(site)
    taken_in(site, payload)
    assert plugged(site) == ids(*vifs[:2])
    assert "nothing is unplugged, unless this is sent again" in site.daemon.log()
    time.sleep(INTERVAL)  # the interval itself
    sync(site)
    wait_for(lambda: not plugged(site), "the second sight")


def test_another_set_in_between_makes_an_empty_one_the_first_again(
    site: Site, vifs: list[Vif], payload: Payload
) -> None:
    site.plug(vifs[0])
    sync(site)
    sync(site, vifs[0])
    time.sleep(INTERVAL)
    sync(site)
    taken_in(site, payload)
    assert plugged(site) == ids(vifs[0])
    sync(site, vifs[0])


def test_port_plugged_after_the_list_was_read_stays(
    site: Site, vifs: list[Vif], payload: Payload
) -> None:
    read_at = time.time_ns()
    site.plug(vifs[0])
    sync(site, vifs[1], generation=read_at)
    taken_in(site, payload)
    assert plugged(site) == ids(*vifs[:2])


def test_bad_vif_is_told_and_keeps_its_port_and_the_others_go_on(
    site: Site, vifs: list[Vif]
) -> None:
    site.plug(vifs[0])
    bad = {**vifs[0], "address": "no MAC"}
    with Notices(site.rabbit.url) as notices:
        sync(site, bad, vifs[1])
        _, event, reported = notices.next(lambda p: p["port_id"] == vifs[0]["id"] and p["error"])
    assert (event, reported["error"]["code"]) == ("vif.plug.error", "invalid_request")
    assert "vif.address" in reported["error"]["message"]
    wait_for(lambda: plugged(site) == ids(*vifs[:2]), "both")
    assert site.port(vifs[0])["state"] == "ready"


def test_set_that_is_none_is_told(site: Site) -> None:
    with Notices(site.rabbit.url) as notices:
        site.cast("sync_vifs", vifs="all of them", complete=True)
        _, event, reported = notices.next(lambda p: p["verb"] == "sync")
    assert event == "vif.sync.error"
    assert reported["error"]["message"].startswith("vifs: expected a list")


def test_complete_set_unplugs_what_belongs_to_no_request(
    site: Site, vifs: list[Vif], left: str, stranger: str
) -> None:
    sync(site, vifs[1])
    wait_for(lambda: left not in site.host.links(), "the end of what nobody wants")
    wait_for(lambda: site.port({"id": stranger})["state"] == "unplugged", "its story's end")
    assert plugged(site) == ids(vifs[1])


def test_complete_set_leaves_what_a_guest_holds(
    site: Site, vifs: list[Vif], left: str, payload: Payload
) -> None:
    with TapEnd(left, TUN):
        sync(site, vifs[1])
        taken_in(site, payload)
        assert left in site.host.links()
        (orphan,) = site.api.list_orphans(CONTEXT, HOST)
        assert orphan["in_use"] == f"{left} is held open by a guest"
    sync(site, vifs[1])
    wait_for(lambda: left not in site.host.links(), "its end with the guest's")


def test_plan_of_a_set_is_what_the_set_then_does(site: Site, vifs: list[Vif], left: str) -> None:
    for vif in vifs[:3]:
        site.plug(vif)
    asked: dict[str, Any] = {"vifs": pairs(*vifs[2:]), "complete": True}
    plans: list[dict[str, Any]] = []

    def plan() -> None:
        plans.append(site.api.plan(CONTEXT, HOST, "sync_vifs", **asked))

    assert site.writes(plan) == []
    text = plans[-1]["text"].splitlines()
    gone = {line.rpartition(" ")[2] for line in text if ": remove " in line}
    made = {line.rpartition(" ")[2] for line in text if ": make " in line}
    before = _names(site)
    sync(site, *asked["vifs"])
    wait_for(lambda: left not in site.host.links(), "the end of what nobody wants")
    wait_for(lambda: plugged(site) == ids(*vifs[2:]), "the set")
    wait_for(lambda: site.states() == {"ready"}, "ready ports")
    assert (before - _names(site), _names(site) - before) == (gone, made)


def _names(site: Site) -> set[str]:
    return {*site.host.links(), *site.ovs_ports()}


def test_orphans_are_listed_and_clean_up_refuses_unless_enabled(
    site: Site, left: str, stranger: str
) -> None:
    site.api.repair(CONTEXT, HOST)
    wait_for(lambda: stranger in {o["port_id"] for o in _orphans(site)}, "the orphan")
    (orphan,) = _orphans(site)
    assert orphan["devices"] == [left]
    assert site.api.get_status(CONTEXT, HOST)["orphans"] == 1
    answer = site.api.cleanup(CONTEXT, HOST)
    assert "[cleanup] enabled" in answer["text"]
    assert left in site.host.links()
    ip("link", "del", left)


def _orphans(site: Site) -> list[dict[str, Any]]:
    """As the last look at everything found them: some that are gone may be among them yet."""
    listed: list[dict[str, Any]] = site.api.list_orphans(CONTEXT, HOST)
    return listed


def test_check_tells_what_differs(site: Site, vifs: list[Vif], stranger: str) -> None:
    unknown = site.api.check_vif(CONTEXT, HOST, stranger)
    assert (unknown["ok"], unknown["state"]) == (False, None)
    site.plug(vifs[0])
    assert site.api.check_vif(CONTEXT, HOST, vifs[0]["id"])["ok"]
    refused = {**vifs[1], "type": "unbound"}
    site.plug(refused, wait=None)
    wait_for(lambda: site.port(refused)["state"] == "error", "the refusal")
    answer = site.api.check_vif(CONTEXT, HOST, refused["id"])
    assert (answer["ok"], answer["error"]["code"]) == (False, "binding_refused")
