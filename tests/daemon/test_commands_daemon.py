"""Vendors' commands through the whole agent, in both modes, as a user without root."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.helper.test_privileges import AS_NOBODY, NOBODY
from tests.support import accounts
from tests.support.casting import MODES, Site, Vif, wait_for
from tests.support.real_host import links, new_vif
from tests.support.standins import Standins
from vif_agent.bus.api import PlugFailed
from vif_agent.testing.host import ScratchHost

Load = Callable[[str], Vif]

WORDS = "midolman does not answer"


@pytest.fixture(scope="module")
def programs() -> Iterator[Standins]:
    """Where that user may write, too."""
    directory = Path(tempfile.mkdtemp(prefix="vif-agent-standins-"))
    os.chown(directory, NOBODY, NOBODY)
    yield Standins(directory, "mm-ctl", "ebrctl")
    shutil.rmtree(directory)


@pytest.fixture(scope="module", params=MODES)
def site(
    request: pytest.FixtureRequest, scratch_with_bus: ScratchHost, programs: Standins
) -> Iterator[Site]:
    accounts.must_reach()
    options = {"commands": {"allowed": programs.option(), "timeout": 8, "at_once": 4}}
    running = Site(scratch_with_bus, request.param, options, argv=AS_NOBODY)
    os.chown(running.daemon.state_path, NOBODY, NOBODY)
    with running:
        yield running


@pytest.fixture
def standins(site: Site, programs: Standins) -> Iterator[Standins]:
    """With nothing plugged, before and after."""
    yield programs
    programs.be_well()
    site.unplug_all()
    programs.ran()


def test_plug_and_unplug_run_it_once_each(site: Site, standins: Standins, payload: Load) -> None:
    vif = payload("midonet")
    for _again in range(2):
        port = site.plug(vif)
        assert (port["state"], port["devices"]) == ("ready", [vif["devname"]])
    bound = f"mm-ctl --bind-port {vif['id']} {vif['devname']}"
    assert standins.ran() == [f"{bound} | {vif['devname']}"]
    assert f"Ran {bound} (" in site.daemon.log()
    for _again in range(2):
        assert site.unplug(vif)["state"] == "unplugged"
    assert standins.ran() == [f"mm-ctl --unbind-port {vif['id']}"]


def test_it_is_run_as_the_agents_user_and_without_capabilities(
    site: Site, standins: Standins, payload: Load
) -> None:
    standins.then('(id -u; grep Cap /proc/self/status) >"$here/who"')
    site.plug(payload("midonet"))
    user, *capabilities = (standins.directory / "who").read_text().splitlines()
    assert user == str(NOBODY)
    held = dict(line.split() for line in capabilities)
    assert {held[which] for which in ("CapInh:", "CapPrm:", "CapEff:", "CapAmb:")} == {"0" * 16}


def test_kill_between_runs_nothing_again(site: Site, standins: Standins, payload: Load) -> None:
    vif = payload("midonet")
    site.plug(vif)
    wait_for(lambda: site.port(vif)["state"] == "ready", "a ready port")
    standins.ran()
    site.daemon.kill()
    site.daemon.start()
    assert site.plug(vif)["state"] == "ready"
    assert standins.ran() == []
    site.unplug(vif)
    assert standins.ran() == [f"mm-ctl --unbind-port {vif['id']}"]


def test_kill_amid_the_run_runs_it_again(site: Site, standins: Standins, payload: Load) -> None:
    vif = payload("midonet")
    standins.hang()
    site.plug(vif, wait=None)
    wait_for(standins.ran, "a run")
    site.daemon.kill()
    standins.be_well()
    site.daemon.start()
    wait_for(lambda: site.port(vif)["state"] == "ready", "a ready port")
    assert len(standins.ran()) == 1


def test_hanging_commands_hold_up_nobody_else(
    site: Site, standins: Standins, payload: Load
) -> None:
    """As many as may run at once but one, of another port each."""
    before = standins.children()
    standins.hang()
    slow = [new_vif(payload("midonet"), number) for number in range(3)]
    for vif in slow:
        site.plug(vif, wait=None)
    wait_for(lambda: len(standins.children() - before) == 3, "commands that hang")
    standins.be_well()
    assert site.plug(payload("tap"))["state"] == "ready"
    assert site.plug(payload("ib_hostdev"))["state"] == "ready"
    assert len(standins.children() - before) == 3
    assert {site.port(vif)["state"] for vif in slow} == {"pending"}
    wait_for(lambda: site.states() == {"ready"}, "all ports", 60)
    assert "did not end in time" in site.daemon.log()


def test_child_that_lives_on_is_not_waited_for(
    site: Site, standins: Standins, payload: Load
) -> None:
    """It keeps the pipe open, and prints nothing."""
    before = standins.children()
    standins.then('sleep 600 & echo $! >>"$here/children"')
    try:
        assert site.plug(payload("midonet"))["state"] == "ready"
    finally:
        for child in standins.children() - before:
            os.kill(child, signal.SIGKILL)


def test_burst_is_plugged_and_unplugged(site: Site, standins: Standins, payload: Load) -> None:
    vifs = [new_vif(payload("midonet"), number) for number in range(50)]
    for vif in vifs:
        site.plug(vif, wait=None)
    wait_for(lambda: len(site.api.list_vifs({}, "scratch")) == 50, "all casts", 60)
    site.settled()
    assert site.states() == {"ready"}
    assert len(standins.ran()) == 50
    site.unplug_all()
    assert len(standins.ran()) == 50
    assert not [name for name in links() if name.startswith("tap")]


def test_failure_is_told_in_its_words(site: Site, standins: Standins, payload: Load) -> None:
    standins.fail(WORDS)
    vif = payload("midonet")
    site.plug(vif, wait=None)
    wait_for(lambda: site.port(vif)["state"] == "retrying", "a failure")
    error = site.port(vif)["error"]
    assert (error["code"], error["transient"]) == ("command_failed", True)
    assert error["message"].endswith(f"exit status 3: {WORDS}")
    standins.be_well()
    wait_for(lambda: site.port(vif)["state"] == "ready", "a success")


def test_program_that_is_not_allowed_fails_the_plug(
    site: Site, standins: Standins, payload: Load
) -> None:
    with pytest.raises(PlugFailed, match="allowed does not say where this program is") as failed:
        site.plug(payload("ivs"))
    assert failed.value.code == "command_not_allowed"
    assert site.unplug(payload("ivs"))["state"] == "unplugged"


def test_operators_repair_runs_it_again(site: Site, standins: Standins, payload: Load) -> None:
    site.plug(payload("midonet"))
    standins.ran()
    site.api.repair({}, "scratch", payload("midonet")["id"])
    wait_for(standins.ran, "a run")


def test_dry_run_shows_the_command_line(site: Site, standins: Standins, payload: Load) -> None:
    vif = payload("midonet")
    text = site.api.plan({}, "scratch", "plug_vif", instance={}, vif=vif)
    bound = f"mm-ctl --bind-port {vif['id']} {vif['devname']}"
    assert text["text"] == f"create: make tun {vif['devname']}\nconnect: run {bound}"
    site.plug(vif)
    text = site.api.plan({}, "scratch", "unplug_vif", vif=vif)
    unbound = f"mm-ctl --unbind-port {vif['id']}"
    assert text["text"] == f"connect: run {unbound}\ndelete: remove tun {vif['devname']}"
    (step,) = text["steps"]["wire"]
    assert (step["verb"], step["fields"]) == ("run", {"command": unbound.split()})
    assert site.api.check_vif({}, "scratch", vif["id"])["ok"]
    assert len(standins.ran()) == 1
