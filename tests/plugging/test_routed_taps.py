"""Taps that the host routes, with ``[firewall] routed_taps``: the real agent, and the host's stack
as the one whom a guest would deceive."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.casting import CONTEXT, Site, Vif, wait_for
from tests.support.operating import ctl
from tests.support.packets import ARP, BROADCAST, IPV4, UDP, arp, ether, ip4, udp
from tests.support.prober import with_addresses
from tests.support.real_host import ip, links
from vif_agent.helper import guards
from vif_agent.testing import processes
from vif_agent.testing.daemon import HOST
from vif_agent.testing.frames import TapEnd, tolerating
from vif_agent.testing.host import ScratchHost

#: whose helper holds no table: others can undo it
UNHELD = (sys.executable, "-m", "tests.support.unheld_agent")
OPTIONS: dict[str, dict[str, Any]] = {
    "firewall": {"driver": "nftables", "routed_taps": "true"},
    "vif_agent": {"check_interval": 0},
}
OURS = ["table bridge vif_agent", "table inet vif_agent", "table arp vif_agent"]
OWN, OTHERS, HOSTS = "192.0.2.17", "192.0.2.99", "192.0.2.254"
PORT = 1234


@pytest.fixture(scope="module")
def site(scratch_with_bus: ScratchHost) -> Iterator[Site]:
    if missing := guards.lacks(routed=True):
        pytest.skip(f"the kernel cannot guard routed taps: {missing}")
    with Site(scratch_with_bus, "threading", OPTIONS, argv=UNHELD) as running:
        yield running


@pytest.fixture
def vif(site: Site, payload: Callable[[str], Vif]) -> Iterator[Vif]:
    plugged = with_addresses(payload("tap"), OWN)
    assert site.plug(plugged)["state"] == "ready"
    yield plugged
    site.unplug_all()


def reaches_host(vif: Vif, address: str, seconds: float) -> bool:
    """Does a datagram from this address of its own MAC come to the host's socket?"""
    device, mark, end_at = vif["devname"], os.urandom(16), time.monotonic() + seconds
    to = links()[device]["address"]
    said = ip4(address, HOSTS, UDP, udp(PORT, PORT, mark))
    with receiving(device) as receiver, TapEnd(device) as end:
        while time.monotonic() < end_at:
            with tolerating(5, 100):  # a tap is up in a moment
                end.send(ether(vif["address"], to, IPV4, said))
            with contextlib.suppress(TimeoutError):
                return receiver.recv(100) == mark
    return False


@contextlib.contextmanager
def receiving(device: str) -> Iterator[socket.socket]:
    """The host's, by an address of its own there."""
    with contextlib.suppress(RuntimeError):
        ip("address", "add", f"{HOSTS}/24", "dev", device)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind((HOSTS, PORT))
        receiver.settimeout(0.1)
        yield receiver


def believed(vif: Vif, address: str, seconds: float) -> bool:
    """Does the host take this MAC for the one of that address?"""
    request = arp(1, vif["address"], address, HOSTS)
    end_at = time.monotonic() + seconds
    with receiving(vif["devname"]), TapEnd(vif["devname"]) as end:
        while time.monotonic() < end_at:
            with tolerating(5, 100):
                end.send(ether(vif["address"], BROADCAST, ARP, request))
            if f"{address} lladdr {vif['address']}" in neighbors(vif):
                return True
            time.sleep(0.05)
    return False


def neighbors(vif: Vif) -> str:
    return processes.run(("ip", "neighbor", "show", "dev", vif["devname"]), os.environ)


def holds(vif: Vif) -> bool:
    """What is its own comes to the host, and nothing else."""
    own = reaches_host(vif, OWN, 20) and believed(vif, OWN, 20)
    return own and not (reaches_host(vif, OTHERS, 0.5) or believed(vif, OTHERS, 0.5))


def nft(*words: str) -> str:
    if not shutil.which("nft"):
        pytest.skip("nft is not installed (Debian: nftables)")
    return processes.run(("nft", *words), os.environ)


def test_host_is_not_deceived(site: Site, vif: Vif) -> None:
    assert holds(vif)
    drops = site.port(vif)["guard"]["drops"]
    assert drops.keys() == {"ip4_source", "arp_address"}
    assert ctl(site.daemon.config_file, "check", vif["id"]).code == 0
    words = f"port {vif['id']}: {vif['devname']} sends to the host from {vif['address']} {OWN}/32"
    table = ctl(site.daemon.config_file, "firewall")
    assert (table.code, words in table.out) == (0, True)
    site.unplug(vif)
    assert set(nft("list", "tables").splitlines()) & {*OURS} == {*OURS[:1]}


def test_without_port_security_the_host_believes_all(site: Site, vif: Vif) -> None:
    site.plug({**vif, "meta": {"port_security_enabled": False}})
    assert reaches_host(vif, OTHERS, 20)
    assert believed(vif, OTHERS, 20)
    site.plug(vif)
    assert not reaches_host(vif, OTHERS, 0.5)


def test_guard_holds_over_a_kill_and_for_a_tap_that_is_made_anew(site: Site, vif: Vif) -> None:
    site.daemon.kill()
    assert holds(vif)
    site.daemon.start()
    before = links()[vif["devname"]]["ifindex"]
    ip("link", "del", vif["devname"])
    wait_for(lambda: links().get(vif["devname"], {}).get("ifindex", before) != before, "a new tap")
    wait_for(lambda: TapEnd(vif["devname"]), "the end of its making").close()
    assert holds(vif)


@pytest.mark.parametrize(
    "words",
    ["flush ruleset", "delete table inet vif_agent", "flush chain arp vif_agent guard_arp_sender"],
)
def test_what_others_undo_is_back_and_told(site: Site, vif: Vif, words: str) -> None:
    known = len(site.daemon.log())
    nft(words)
    wait_for(lambda: "were undone by nft (pid" in site.daemon.log()[known:], "who it was")
    wait_for(lambda: ctl(site.daemon.config_file, "firewall").code == 0, "the rules")
    assert {*OURS} <= {*nft("list", "tables").splitlines()}
    assert holds(vif)
    wait_for(lambda: _drift(site, vif), "what was done about it")


def _drift(site: Site, vif: Vif) -> list[str]:
    events = site.api.explain_vif(CONTEXT, HOST, vif["id"])["events"]
    return [event["text"] for event in events if event["what"] == "drift"]


def test_without_the_option_guards_and_tables_go_at_the_next_start(site: Site, vif: Vif) -> None:
    before = links()[vif["devname"]]["ifindex"]
    good = site.daemon.config_file.read_text()
    assert {*OURS} <= {*nft("list", "tables").splitlines()}
    site.daemon.stop()
    site.daemon.config_file.write_text(good.replace("routed_taps = true", "routed_taps = false"))
    site.daemon.start()
    wait_for(lambda: not {*OURS[1:]} & {*nft("list", "tables").splitlines()}, "the tables' end")
    site.settled()
    assert "guard" not in site.port(vif)
    assert links()[vif["devname"]]["ifindex"] == before
    assert reaches_host(vif, OTHERS, 20)
    site.daemon.stop()
    site.daemon.config_file.write_text(good)
    site.daemon.start()
    wait_for(lambda: {*OURS} <= {*nft("list", "tables").splitlines()}, "the tables")
    site.settled()
    assert holds(vif)
