"""No guest pretends to be another: the real agent, real frames, and who else has a hand in it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.casting import MODES, Notices, Site, Vif, numbered, wait_for
from tests.support.operating import Said, ctl, stopped
from tests.support.prober import ARP, arp, with_addresses
from tests.support.real_host import Ports, bridge_fdb, ip, links, real_host
from vif_agent.errors import NotConfigured
from vif_agent.firewall.nftables import NftablesDriver
from vif_agent.helper import guards
from vif_agent.ports.store import Store
from vif_agent.testing import processes
from vif_agent.testing.frames import BROADCAST, TapEnd, frame, tolerating
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]

TABLE = ("table", "bridge", "vif_agent")


@pytest.fixture(scope="module", params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    if missing := guards.lacks():
        pytest.skip(f"the kernel cannot guard ports: {missing}")
    options: dict[str, dict[str, Any]] = {
        "firewall": {"driver": "nftables"},
        "bridge": {"create_tap": True},
        "vif_agent": {"check_interval": 0},
    }
    with Site(scratch_with_bus, request.param, options) as running:
        yield running


@pytest.fixture
def pair(site: Site, payload: Payload) -> Iterator[tuple[Vif, Vif]]:
    """Two ports in one bridge, whose senders say which addresses they may use."""
    yield plugged(site, payload, 1, 2)
    site.unplug_all()


def plugged(site: Site, payload: Payload, *numbers: int) -> tuple[Vif, Vif]:
    vifs = [numbered(payload("bridge"), n) for n in numbers]
    one, two = (with_addresses(vif, f"10.0.0.{n}") for n, vif in enumerate(vifs, 1))
    assert site.plug(one)["state"] == site.plug(two)["state"] == "ready"
    return one, two


def arrives(sender: Vif, receiver: Vif, mac: str, address: str, again: float = 2) -> bool:
    """Does an ARP request of this sender come to the other port's guest?"""
    said, end = arp(mac, address), time.monotonic() + again
    with TapEnd(sender["devname"]) as a, TapEnd(receiver["devname"]) as b:
        while time.monotonic() < end:
            with tolerating(5, 100):  # a tap is up in a moment
                a.send(frame(mac, BROADCAST, said, ARP))
            if b.receive(said, 0.1):
                return True
    return False


def spoofs(sender: Vif, receiver: Vif) -> list[str]:
    """What of another's came through."""
    victim = ("fa:16:3e:00:00:02", "10.0.0.2")
    own = sender["address"]
    tries = {"address": (own, victim[1]), "MAC": victim, "both": (victim[0], "10.0.0.1")}
    return [what for what, claim in tries.items() if arrives(sender, receiver, *claim, again=0.3)]


def run(site: Site, *arguments: str, **more: Any) -> Said:
    return ctl(site.daemon.config_file, *arguments, **more)


def nft(*arguments: str) -> str:
    if not shutil.which("nft"):
        pytest.skip("nft is not installed (Debian: nftables)")
    return processes.run(("nft", *arguments), os.environ)


def test_own_frames_pass_and_anothers_do_not(site: Site, pair: tuple[Vif, Vif]) -> None:
    one, two = pair
    assert arrives(one, two, one["address"], "10.0.0.1")
    assert spoofs(one, two) == []


def test_another_address_is_one_change_and_takes_effect(site: Site, pair: tuple[Vif, Vif]) -> None:
    one, two = pair
    assert not arrives(one, two, one["address"], "10.0.0.9", again=0.3)
    more = with_addresses(one, "10.0.0.1", "10.0.0.9")
    plan = run(site, "plan", "plug", stdin={"instance": {}, "vif": more})
    words = f"create: change guard {one['devname']}: pairs {one['address']} 10.0.0.9/32 added"
    assert plan.out.splitlines() == [words]
    site.plug(more)
    assert arrives(one, two, one["address"], "10.0.0.9")
    site.plug(one)
    assert not arrives(one, two, one["address"], "10.0.0.9", again=0.3)


def test_port_security_off_lets_all_pass(site: Site, pair: tuple[Vif, Vif]) -> None:
    one, two = pair
    site.plug({**one, "meta": {"port_security_enabled": False}})
    assert arrives(one, two, "fa:16:3e:00:00:02", "10.0.0.2")
    site.plug(one)
    assert spoofs(one, two) == []


def test_guard_holds_over_a_kill_and_for_a_tap_that_is_made_anew(
    site: Site, pair: tuple[Vif, Vif]
) -> None:
    one, two = pair
    site.daemon.kill()
    assert spoofs(one, two) == []
    site.daemon.start()
    before = links()[one["devname"]]["ifindex"]
    ip("link", "del", one["devname"])
    wait_for(lambda: links()[one["devname"]]["ifindex"] != before, "a new tap")
    wait_for(lambda: TapEnd(one["devname"]), "the end of its making").close()
    assert arrives(one, two, one["address"], "10.0.0.1")
    assert spoofs(one, two) == []


@pytest.mark.parametrize("to", ["01:80:c2:00:00:0e", "01:80:c2:00:00:02"])
def test_bridge_learns_nothing_of_another_from_what_no_guard_sees(
    to: str, site: Site, pair: tuple[Vif, Vif]
) -> None:
    one, two = pair
    ip("link", "set", "dev", one["network"]["bridge"], "type", "bridge", "no_linklocal_learn", "0")
    wait_for(lambda: _learns_not(one["network"]["bridge"]), "the bridge as it must be")
    with TapEnd(one["devname"]) as end:
        wait_for(lambda: _learnt(end, one), "its own MAC, which the bridge learns")
        end.send(frame(two["address"], to, b"?" * 46, 0x88CC))
        assert two["address"] not in _learnt(end, one)


def _learnt(end: TapEnd, vif: Vif) -> str:
    """What the bridge says, once it has learnt what its guest says of itself."""
    end.send(frame(vif["address"], BROADCAST, arp(vif["address"], "10.0.0.1"), ARP))
    text = bridge_fdb("show", "dev", vif["devname"])
    return text if vif["address"] in text else ""


def _learns_not(bridge: str) -> bool:
    return bool(links()[bridge]["linkinfo"]["info_data"]["no_linklocal_learn"])


def test_driver_noop_takes_the_guards_away(
    namespace: None, scratch_with_bus: ScratchHost, store: Store, payload: Payload
) -> None:
    if missing := guards.lacks():
        pytest.skip(f"the kernel cannot guard ports: {missing}")
    vif = numbered(payload("bridge"), 4)
    with real_host(scratch_with_bus) as host:
        (port,) = Ports(host, store, driver=NftablesDriver()).plug(vif)
        assert [f.owner for f in host.guards.read().values()] == [vif["id"]]
        later = Ports(host, store)
        later.reconcile(later.engine.load(), everywhere=True)
        assert host.guards.read() == {}
        assert vif["devname"] in links()
        assert port.devices == later.stored(vif)[0].devices


def test_what_others_do_to_the_rules_is_undone(site: Site, pair: tuple[Vif, Vif]) -> None:
    """Where the kernel lets them: not where it has owner and persist (6.9)."""
    one, two = pair
    for command in (
        ("flush", "ruleset"),
        ("delete", *TABLE),
        ("flush", "chain", *TABLE[1:], "guard"),
    ):
        with contextlib.suppress(RuntimeError):
            nft(*command)
        wait_for(lambda: run(site, "check", one["id"]).code == 0, "the guards")
        wait_for(lambda: run(site, "firewall").code == 0, "the rules")
        assert arrives(one, two, one["address"], "10.0.0.1")
        assert spoofs(one, two) == []


def test_operators_see_the_guard_and_its_drops(site: Site, pair: tuple[Vif, Vif]) -> None:
    one, two = pair
    assert not arrives(one, two, one["address"], "10.0.0.2", again=0.3)
    guard = run(site, "show", one["id"], "-f", "json").json()["guard"]
    assert (guard["device"], guard["macs"]) == (one["devname"], [one["address"]])
    assert guard["pairs"] == [f"{one['address']} 10.0.0.1/32", f"{one['address']} {_local(one)}"]
    assert guard["drops"]["arp_address"] > 0
    words = f"{one['devname']} sends from {', '.join(guard['pairs'])}; dropped: "
    check = run(site, "check", one["id"])
    assert check.code == 0
    assert f"guard: {words}{guard['drops']['arp_address']} arp_address" in check.out
    table = run(site, "firewall")
    assert table.code == 0
    assert f"port {one['id']}: {words}" in table.out
    assert f"port {two['id']}: {two['devname']} sends from" in table.out
    assert "dropped, of all ports there were: " in table.out
    answer = run(site, "firewall", "--json").json()
    assert [g["port_id"] for g in answer["guards"]] == [one["id"], two["id"]]
    assert answer["drops"]["arp_address"] > 0
    without = run(site, "firewall", "--local", "--json").json()
    assert [g["pairs"] for g in without["guards"]] == [g["pairs"] for g in answer["guards"]]


def test_drops_are_told_once(site: Site, payload: Payload) -> None:
    one, two = plugged(site, payload, 3, 4)  # of which nothing was dropped before
    good = site.daemon.config_file.read_text()
    with Notices(site.rabbit.url) as notices:
        assert not arrives(one, two, one["address"], "10.0.0.2", again=1)
        _hang_up(site, good.replace("check_interval = 0", "check_interval = 0.2"))
        *_, told = notices.next(lambda payload: "new_drops" in payload)
        _hang_up(site, good)
    assert (told["port_id"], told["device"]) == (one["id"], one["devname"])
    assert told["new_drops"] == told["drops"] == {"arp_address": told["drops"]["arp_address"]}
    assert site.daemon.log().count(f"dropped frames of port={one['id']}") == 1
    site.unplug_all()


def _hang_up(site: Site, text: str) -> None:
    assert site.daemon.process
    site.daemon.config_file.write_text(text)
    time.sleep(1)  # no line is said twice a second
    before = site.daemon.log().count("was read again")
    os.kill(site.daemon.process.pid, signal.SIGHUP)
    wait_for(lambda: site.daemon.log().count("was read again") > before, "the signal's effect")


def _local(vif: Vif) -> str:
    octets = vif["address"].split(":")
    return f"fe80::f816:3eff:fe{octets[3]}:{int(octets[4] + octets[5], 16):x}/128"


def test_operators_of_ports_without_agent_can_repair_them(
    site: Site, pair: tuple[Vif, Vif]
) -> None:
    one, two = pair
    with stopped(site.daemon):
        with contextlib.suppress(RuntimeError):
            nft("flush", "ruleset")
        assert run(site, "repair").code == 0
        assert spoofs(one, two) == []


def test_second_plug_and_second_unplug_change_nothing(site: Site, pair: tuple[Vif, Vif]) -> None:
    one, _ = pair
    assert site.writes(lambda: site.plug(one)) == []
    assert run(site, "check", one["id"]).code == 0
    site.unplug(one)
    assert one["devname"] not in run(site, "firewall").out
    assert site.writes(lambda: site.unplug(one)) == []


def test_bad_pair_is_refused_at_the_door(site: Site, payload: Payload) -> None:
    vif = with_addresses(numbered(payload("bridge"), 3), "10.0.0.3", "10.0.0.400")
    refused = run(site, "plan", "plug", stdin=vif)
    expected = "vif.meta.allowed_address_pairs[0].ip_address: expected an IP address or network"
    assert expected in refused.out


def test_kernel_that_cannot_is_said_at_the_start() -> None:
    from vif_agent.host.guarding import Guarding
    from vif_agent.host.guards import Guards

    missing = "the kernel cannot guard ports"
    with pytest.raises(NotConfigured, match=rf"\[firewall\] driver: {missing}; driver = noop"):
        Guards(Guarding(needed=True, missing=missing), lambda _: None).check()
