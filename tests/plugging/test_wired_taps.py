"""Linux bridge on nova 34: nova makes the tap, the agent wires it, whenever it comes or goes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.casting import CONTEXT, MODES, Notices, Site, Vif, numbered, wait_for
from tests.support.real_host import ip, links
from vif_agent.bus.api import VifAgentAPI
from vif_agent.testing.daemon import HOST
from vif_agent.testing.frames import TapEnd, crosses
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]

BRQ = "brq7151fa78-2a"


@pytest.fixture(scope="module")
def ports_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ports") / "ports.json"


@pytest.fixture(scope="module", params=MODES)
def site(
    request: pytest.FixtureRequest, scratch_with_bus: ScratchHost, ports_file: Path
) -> Iterator[Site]:
    ports_file.unlink(missing_ok=True)
    options: dict[str, dict[str, Any]] = {
        "bridge": {"wire_taps": True, "create_tap": False},
        "vif_agent": {"check_interval": 0, "retry_min": 0.1, "ports_file": ports_file},
        "ovs": {"ovsdb_timeout": 1},
        "cleanup": {"interval": 2},
    }
    with Site(scratch_with_bus, request.param, options) as running:
        yield running


@pytest.fixture
def vif(payload: Payload, site: Site) -> Iterator[Vif]:
    vif = payload("tap")
    vif = {**vif, "network": {**vif["network"], "bridge": BRQ}}
    yield vif
    with contextlib.suppress(OSError):
        nova_unplugs(vif)
    site.unplug_all()


def nova_plugs(vif: Vif) -> None:
    """As nova.privsep.linux_net.create_tap_dev does."""
    name = vif["devname"]
    ip("tuntap", "add", name, "mode", "tap")
    ip("link", "set", name, "address", vif["address"])
    ip("link", "set", name, "mtu", "1450", "up")


def nova_unplugs(vif: Vif) -> None:
    if vif["devname"] in links():
        ip("link", "delete", vif["devname"])


def cast(site: Site, vif: Vif) -> None:
    site.plug(vif, wait=None)


def wired(vif: Vif) -> bool:
    link = links()[vif["devname"]]
    return bool(link.get("master") == BRQ and link["address"] == "fe" + vif["address"][2:])


def is_ready(site: Site, vif: Vif) -> bool:
    return bool(site.port(vif)["state"] == "ready")


def test_tap_that_comes_after_the_cast_is_wired_when_it_comes(site: Site, vif: Vif) -> None:
    with Notices(site.rabbit.url) as notices:
        cast(site, vif)
        wait_for(lambda: BRQ in links(), "the network's bridge")
        reported = notices.next(
            lambda reported: reported["port_id"] == vif["id"] and reported["error"]
        )[2]
        assert reported["error"]["code"] == "not_yet"
        waits = f"{vif['devname']}: others make it, and it is not there yet"
        assert reported["error"]["message"] == waits
        nova_plugs(vif)
        assert notices.next(lambda reported: reported["state"] == "ready")[1] == "vif.plug.end"
    assert wired(vif)
    assert "ifalias" not in links()[vif["devname"]]


def test_tap_that_is_there_is_wired_by_the_cast(site: Site, vif: Vif) -> None:
    nova_plugs(vif)
    assert site.plug(vif)["state"] == "ready"
    assert wired(vif)
    assert site.writes(lambda: site.plug(vif)) == []


def test_hard_reboot_makes_another_tap_of_the_name(site: Site, vif: Vif) -> None:
    nova_plugs(vif)
    site.plug(vif)
    for _ in range(3):
        nova_unplugs(vif)
        nova_plugs(vif)
        wait_for(lambda: wired(vif), "the new tap in the bridge")
    wait_for(lambda: is_ready(site, vif), "a ready port")


def test_tap_may_go_at_any_moment(site: Site, vif: Vif) -> None:
    """The race for which Neutron took this way of wiring back (6ad51779f3)."""
    cast(site, vif)
    for _ in range(100):
        nova_plugs(vif)
        nova_unplugs(vif)
    nova_plugs(vif)
    wait_for(lambda: wired(vif) and is_ready(site, vif), "the last tap in the bridge")
    site.unplug(vif)
    assert "Traceback" not in site.daemon.log()


def test_unplug_leaves_the_tap_to_nova(site: Site, vif: Vif) -> None:
    nova_plugs(vif)
    site.plug(vif)
    assert site.unplug(vif)["state"] == "unplugged"
    assert BRQ not in links()
    assert "master" not in links()[vif["devname"]]
    assert site.writes(lambda: site.unplug(vif)) == []


def test_unplug_of_a_tap_that_nova_has_removed(site: Site, vif: Vif) -> None:
    nova_plugs(vif)
    site.plug(vif)
    nova_unplugs(vif)
    assert site.unplug(vif)["state"] == "unplugged"
    assert BRQ not in links()


def test_agent_killed_and_the_port_unplugged_meanwhile(site: Site, vif: Vif) -> None:
    nova_plugs(vif)
    site.plug(vif)
    site.daemon.kill()
    site.unplug(vif, wait=None)
    site.daemon.start()
    wait_for(lambda: BRQ not in links(), "the bridge to go")
    assert "master" not in links()[vif["devname"]]


def test_bridge_stays_while_a_port_of_its_network_waits(site: Site, vif: Vif) -> None:
    other = numbered(vif, 7)
    nova_plugs(vif)
    site.plug(vif)
    cast(site, other)
    site.unplug(vif)
    assert BRQ in links()
    site.unplug(other)
    assert BRQ not in links()


def test_frames_cross(site: Site, vif: Vif) -> None:
    other = numbered(vif, 8)
    for each in (vif, other):
        nova_plugs(each)
        site.plug(each)
    with TapEnd(vif["devname"]) as a, TapEnd(other["devname"]) as b:
        assert crosses(a, b, source_mac=vif["address"])
        assert crosses(b, a, source_mac=other["address"])
    nova_unplugs(other)


# -- from a file ---------------------------------------------------------------------------------


def write(path: Path, *items: object, text: str | None = None) -> None:
    """As whoever writes it should: a new file, moved over the old one."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(items) if text is None else text)
    new.rename(path)


def known(api: VifAgentAPI) -> set[str]:
    return {port["port_id"] for port in api.list_vifs(CONTEXT, HOST)}


def complains(site: Site, words: str, act: Callable[[], object]) -> None:
    before = site.daemon.log().count(words)
    act()
    wait_for(lambda: site.daemon.log().count(words) > before, f"a line with: {words}")


def test_file_says_which_network_a_tap_is_on(site: Site, vif: Vif, ports_file: Path) -> None:
    other = numbered(vif, 9)
    nova_plugs(vif)
    write(ports_file, vif, {"instance": {"uuid": other["id"]}, "vif": other})
    wait_for(lambda: known(site.api) == {vif["id"], other["id"]}, "both ports")
    wait_for(lambda: wired(vif) and is_ready(site, vif), "the tap in the bridge")
    write(ports_file, other)
    wait_for(lambda: known(site.api) == {other["id"]}, "the unplug")
    assert "master" not in links()[vif["devname"]]


def test_file_leaves_alone_what_was_cast(site: Site, vif: Vif, ports_file: Path) -> None:
    other = numbered(vif, 10)
    cast(site, vif)
    write(ports_file, other)
    wait_for(lambda: known(site.api) == {vif["id"], other["id"]}, "both ports")
    site.api.sync_vifs(CONTEXT, HOST, [vif], complete=True)
    third = numbered(vif, 11)
    write(ports_file, third)
    wait_for(lambda: known(site.api) == {vif["id"], third["id"]}, "the file's new port")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Expecting value"),
        ('[{"id": ', "Expecting value"),
        ('{"id": 1}', "vifs: expected a list"),
        ("[" * 100_000, "its ports stay as they are"),
    ],
)
def test_file_that_is_no_list_changes_nothing(
    site: Site, vif: Vif, ports_file: Path, text: str, words: str
) -> None:
    write(ports_file, vif)
    wait_for(lambda: known(site.api) == {vif["id"]}, "the port")
    complains(site, words, lambda: write(ports_file, text=text))
    complains(site, "No such file", ports_file.unlink)
    assert known(site.api) == {vif["id"]}
    write(ports_file, vif, numbered(vif, 12))
    wait_for(lambda: len(known(site.api)) == 2, "the port that is new")


def test_bad_item_is_refused_and_the_others_are_plugged(
    site: Site, vif: Vif, ports_file: Path
) -> None:
    other, bad = numbered(vif, 13), {**numbered(vif, 14), "address": "nonsense"}
    write(ports_file, other)
    wait_for(lambda: known(site.api) == {other["id"]}, "the first port")
    with Notices(site.rabbit.url) as notices:
        write(ports_file, vif, bad)
        reported = notices.next(lambda reported: reported["port_id"] == bad["id"])[2]
    assert reported["error"]["message"].startswith("vif.address: expected a MAC address")
    wait_for(lambda: known(site.api) == {vif["id"]}, "the good port, and the other gone")
    complains(site, "an item names no port", lambda: write(ports_file, {"type": "tap"}))
    assert known(site.api) == {vif["id"]}


def test_empty_list_is_believed_after_a_while(site: Site, vif: Vif, ports_file: Path) -> None:
    write(ports_file, vif)
    wait_for(lambda: known(site.api) == {vif["id"]}, "the port")
    complains(site, "no port in it: believed in 2 s", lambda: write(ports_file))
    assert known(site.api) == {vif["id"]}
    wait_for(lambda: known(site.api) == set(), "the unplug")


def test_file_that_changed_while_the_agent_was_away(site: Site, vif: Vif, ports_file: Path) -> None:
    other = numbered(vif, 15)
    write(ports_file, vif)
    wait_for(lambda: known(site.api) == {vif["id"]}, "the port")
    site.daemon.kill()
    write(ports_file, other)
    site.daemon.start()
    wait_for(lambda: known(site.api) == {other["id"]}, "what the file says now")
