"""A firewall driver of another package that goes wrong closes its ports, and no others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.metrics.test_listener import free_port
from tests.metrics.test_scrape import Watched
from tests.support import foreign
from tests.support.casting import CONTEXT, MODES, Options, Site, Vif, numbered, wait_for
from vif_agent.firewall.base import GROUP
from vif_agent.helper import guards
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]
Port = Callable[..., Vif]

AGENT = str(Path(sys.executable).parent / "vif-agent")
LIMIT = 2  # seconds, [plugins] timeout
BRIDGE = "brq-of-bad-ones"
SOURCE = """
import dataclasses, os, time

if os.path.exists(__file__ + ".broken"):
    os._exit(7)

class Bad(FirewallDriver):
    # does what the port's profile says
    contract = "1.0"

    def guard(self, vif):
        pairs = ((vif.mac, "10.0.0.0/24"), (vif.mac, "fe80::/64"))
        good = Guard(name=vif.tap_name, macs=(vif.mac,), pairs=pairs)
        return getattr(self, vif.profile.get("do", "answer"))(good)

    def answer(self, good):
        if os.path.exists(__file__ + ".slow"):
            time.sleep(0.5)
        return good

    def raises(self, good):
        return {}["nothing"]

    def hangs(self, good):
        while True:
            pass

    def dies(self, good):
        os._exit(7)

    def nonsense(self, good):
        return "all of them"

    def several(self, good):
        return [good, good]

    def others(self, good):
        return dataclasses.replace(good, name="tap-of-another")

    def tap(self, good):
        return Tap(name=good.name)

    def no_macs(self, good):
        return dataclasses.replace(good, macs=("not a MAC",), pairs=())

    def no_pairs(self, good):
        return dataclasses.replace(good, pairs=((good.macs[0], "10.0.0.1/24"),))

    def too_many(self, good):
        nets = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}/32" for n in range(200_000)]
        return dataclasses.replace(good, pairs=tuple(sorted((good.macs[0], net) for net in nets)))
"""
#: what it does, words of the message
BAD = {
    "raises": "raised KeyError('nothing')",
    "nonsense": "answered 'all of them', which is no Guard",
    "several": "answered [Guard(",
    "others": "answered a Guard of device 'tap-of-another', and the port's is tap",
    "tap": "answered Tap(",
    "no_macs": "answered a Guard whose macs is ('not a MAC',), not 1 to 10000 MACs",
    "no_pairs": "answered a Guard whose pairs is (('fa:16:3e:",
    "too_many": "answered a Guard whose pairs is (('fa:16:3e:",
}
#: by the mode in which it is tried; plugins are by the same code in both ways
STOPS = {
    "threading": ("hangs", f"did not answer within {LIMIT} s"),
    "eventlet": ("dies", "ended instead of answering (exit status 7)"),
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("installed")
    foreign.package(directory, "bad-driver", SOURCE, {"bad": "Bad"}, group=GROUP)
    return directory


@pytest.fixture(scope="module", params=MODES)
def site(
    request: pytest.FixtureRequest, scratch_with_bus: ScratchHost, installed: Path
) -> Iterator[Watched]:
    if missing := guards.lacks():
        pytest.skip(f"the kernel cannot guard ports: {missing}")
    argv = ("env", f"PYTHONPATH={installed}", AGENT)
    door = free_port()
    options: Options = {
        "plugins": {"timeout": LIMIT},
        "firewall": {"driver": "bad"},
        "metrics": {"listen": f"127.0.0.1:{door}"},
    }
    with Watched(scratch_with_bus, request.param, options, argv=argv) as running:
        running.door = door
        yield running


@pytest.fixture
def port(payload: Payload) -> Port:
    """A port on a linux bridge, and what the driver does when it is asked about it."""

    def make(number: int, do: str = "answer", bridge: str | None = None) -> Vif:
        vif = numbered({**payload("bridge"), "profile": {"do": do}}, number)
        return {**vif, "network": {**vif["network"], "bridge": bridge}} if bridge else vif

    return make


@pytest.fixture
def ready(site: Site, port: Port) -> Iterator[Vif]:
    vif = port(1)
    assert site.plug(vif)["state"] == "ready"
    yield vif
    site.unplug_all()


def _metric(site: Watched, name: str) -> float:
    labels = 'package="bad-driver 1.0",plugin="firewall driver bad"'
    return site.scrape()[f"vif_agent_plugin_{name}{{{labels}}}"]


def _guards(site: Site) -> dict[str, Any]:
    return {guard["device"]: guard for guard in site.api.get_firewall(CONTEXT, HOST)["guards"]}


def _fails(site: Site, vif: Vif, words: str) -> None:
    site.plug(vif, wait=None)
    wait_for(lambda: site.port(vif)["state"] == "error", "the failure")
    error = site.port(vif)["error"]
    message = f"firewall driver bad {words}"
    assert (error["code"], error["message"][: len(message)]) == ("plugin_failed", message)


def _is_closed(site: Site, vif: Vif) -> None:
    assert not {vif["devname"], BRIDGE} & site.host.links().keys()
    assert vif["devname"] not in _guards(site)


@pytest.mark.parametrize("do", BAD)
def test_nonsense_closes_the_port(
    site: Site, port: Port, payload: Payload, ready: Vif, do: str
) -> None:
    before, tap = _guards(site)[ready["devname"]], site.host.links()[ready["devname"]]["ifindex"]
    new = port(2, do, BRIDGE)
    _fails(site, new, BAD[do])
    _is_closed(site, new)
    _fails(site, {**ready, "profile": {"do": do}}, BAD[do])
    assert _guards(site)[ready["devname"]] == before
    assert site.host.links()[ready["devname"]]["ifindex"] == tap
    assert site.plug(payload("ovs_create_tap"))["state"] == "ready"
    assert site.plug(ready)["state"] == "ready"
    assert "Reconcile broke" not in site.daemon.log()


def test_it_is_logged_once(site: Site, port: Port) -> None:
    vif = port(3, "raises")
    site.plug(vif, wait=None)
    wait_for(lambda: site.port(vif)["state"] == "error", "the failure")
    words = f"Firewall driver bad failed on port {vif['id']}: Traceback"
    assert site.daemon.log().count(words) == 1
    site.unplug_all()


def test_driver_that_stops_closes_the_port_and_rests(
    site: Watched, port: Port, payload: Payload, ready: Vif
) -> None:
    """Others that it is asked for wait, and keep what they have."""
    do, words = STOPS[site.concurrency]
    before, falls = _guards(site)[ready["devname"]], _metric(site, "falls_total")
    new = port(2, do, BRIDGE)
    _fails(site, new, words)
    _is_closed(site, new)
    changed = {**ready, "profile": {"do": "answer", "since": do}}
    site.plug(changed, wait=None)
    wait_for(lambda: site.port(ready)["state"] == "retrying", "the rest")
    message = site.port(ready)["error"]["message"]
    why = f"firewall driver bad rests for a while: it {words} on port {new['id']}"
    assert message.startswith(why)
    assert _guards(site)[ready["devname"]] == before
    assert site.plug(payload("ovs_create_tap"))["state"] == "ready"
    wait_for(lambda: site.port(ready)["state"] == "ready", "the end of its rest")
    assert _guards(site)[ready["devname"]] == before
    assert site.port(new)["state"] == "error"
    assert _metric(site, "falls_total") == falls + 1
    assert _metric(site, "up") == 1


def test_ports_keep_their_guards_until_it_has_answered(
    site: Site, port: Port, ready: Vif, installed: Path
) -> None:
    slow = installed / "bad_driver.py.slow"
    vifs = [ready, *(port(number) for number in (4, 5, 6))]
    for vif in vifs:
        site.plug(vif)
    before, links = _guards(site), site.host.links()
    site.daemon.stop()
    slow.touch()
    try:
        site.daemon.start()
        new = port(7)
        site.plug(new, wait=None)
        seen = []
        while site.port(new)["state"] != "ready":
            there = site.host.links()
            seen.append((new["devname"] in there, new["devname"] in _guards(site)))
            assert {vif["devname"] for vif in vifs} <= there.keys()
            assert before.items() <= _guards(site).items()
        assert (False, False) in seen
        assert (True, False) not in seen
    finally:
        slow.unlink()
    assert site.writes(lambda: site.plug(ready)) == []
    kept = {vif["devname"]: links[vif["devname"]]["ifindex"] for vif in vifs}
    assert {n: site.host.links()[n]["ifindex"] for n in kept} == kept


def test_dry_run_asks_it_too(site: Site, port: Port) -> None:
    for do, words in (("answer", "create: make guard tap"), ("raises", "raised KeyError")):
        reported = site.api.plan(CONTEXT, HOST, "plug_vif", instance={}, vif=port(8, do))
        assert words in reported["text"]


def test_driver_that_dies_of_its_import_closes_its_ports_alone(
    site: Watched, port: Port, payload: Payload, ready: Vif, installed: Path
) -> None:
    """It may have been the machine's fault: all other ports are worth a start."""
    before = _guards(site)
    broken = installed / "bad_driver.py.broken"
    site.daemon.stop()
    broken.touch()
    try:
        site.daemon.start()
        new = port(9, "answer", BRIDGE)
        site.plug(new, wait=None)
        wait_for(lambda: site.port(new)["state"] == "error", "the failure")
        words = "firewall driver bad cannot be used: ended instead of loading (exit status 7)"
        error = site.port(new)["error"]
        assert (error["code"], error["message"]) == ("no_plugin", words)
        _is_closed(site, new)
        assert _metric(site, "up") == 0
        assert _guards(site) == before
        assert site.plug(payload("ovs_create_tap"))["state"] == "ready"
        (used,) = (d for d in site.api.list_firewall_drivers(CONTEXT, HOST) if d["used"])
        assert used["error"] == "ended instead of loading (exit status 7)"
    finally:
        broken.unlink()
    site.daemon.stop()
    site.daemon.start()
    wait_for(lambda: site.port(new)["state"] == "ready", "its return")
