"""vif-agentctl where agent or bus are away: from the store and the host, or an honest refusal."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.casting import CONTEXT, Site, Vif, wait_for
from tests.support.operating import Said, ctl, frozen, stopped
from vif_agent.ownership import alias
from vif_agent.ports.store import Store
from vif_agent.testing import processes
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.rabbit import free_ports

Payload = Callable[[str], Vif]

QVB, QVO = "qvb5843eca1-e1", "qvo5843eca1-e1"
STRANGER = "99999999-0000-4000-8000-000000000009"
NOBODY = 65534
#: it may enter the directories on the way to Python, wherever that is
AS_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),
)


@pytest.fixture(scope="module")
def site(scratch_with_bus: ScratchHost) -> Iterator[Site]:
    options: dict[str, dict[str, object]] = {"ovs": {"ovsdb_timeout": 3}}
    with Site(scratch_with_bus, "threading", options) as running:
        yield running


def run(site: Site, *arguments: str, **more: Any) -> Said:
    return ctl(site.daemon.config_file, *arguments, **more)


def ip_link(*arguments: str) -> None:
    processes.run(("ip", "link", *arguments), os.environ)


def test_same_answers_as_the_agent(site: Site, plugged: Vif, payload: Payload) -> None:
    tap, port = payload("tap"), plugged["id"]
    questions: list[tuple[tuple[str, ...], object]] = [
        (("list", "-f", "json"), None),
        (("show", port[:11], "-f", "json"), None),
        (("check", port, "--json"), None),
        (("plan", "plug", "--json"), tap),
        (("plan", "unplug", "--json"), plugged),
        (("plan", "sync", "--complete", "--json"), [tap]),
        (("plan", "cleanup", "--json"), None),
        (("orphans", "-f", "json"), None),
        (("plugin", "list", "-f", "json"), None),
    ]
    agents = [run(site, *words, stdin=given).json() for words, given in questions]
    beside = [run(site, *words, "--local", stdin=given).json() for words, given in questions[:4]]
    with stopped(site.daemon):
        without = [run(site, *words, "--local", stdin=given).json() for words, given in questions]
    assert beside == agents[:4]
    assert without == agents


def test_status_knows_what_a_process_of_a_moment_can(site: Site, plugged: Vif) -> None:
    agents = site.api.get_status(CONTEXT, HOST)
    words = "started_at waiting rounds last_round_at round_lasts_s told casts_wait link_events"
    looks = "casts_queue last_full_look_at last_full_look_s health"
    own = dict.fromkeys([*words.split(), *looks.split()])
    assert run(site, "status", "--local", "-f", "json").json() == {
        **agents, **own, "agent": "runs",
    }  # fmt: skip
    with stopped(site.daemon):
        status = run(site, "status", "--local", "-f", "json").json()
    assert status["agent"] == "does not run"
    assert status["ports"] == agents["ports"]


def test_status_without_ovsdb_does_not_say_no_orphans(site: Site) -> None:
    site.host.ovs.kill_ovsdb()
    try:
        status = run(site, "status", "--local", "-f", "json").json()
        orphans = run(site, "orphans", "--local")
    finally:
        site.host.ovs.start_ovsdb()
    assert status["orphans"] is None
    orphans.refused("ovsdb: not connected")
    wait_for(lambda: run(site, "orphans", "--local").code == 0, "OVSDB again")


def test_check_tells_of_drift_while_the_agent_hangs(site: Site, plugged: Vif) -> None:
    with frozen(site.daemon):
        ip_link("set", QVB, "mtu", "1400")
        answer = run(site, "check", plugged["id"], "--local")
        assert (answer.code, answer.err) == (1, "")
        assert f"create: change veth {QVB}: mtu 1400 -> " in answer.out
        fell = run(site, "check", plugged["id"], "--timeout", "1")
        assert (fell.code, fell.out) == (1, answer.out)
        assert fell.err.count("\n") == 1
        assert "agent on scratch has not answered" in fell.err
        assert f"answering from {site.daemon.state_path} and the host" in fell.err
    wait_for(lambda: run(site, "check", plugged["id"]).code == 0, "the drift mended")


def test_repair_puts_right_when_no_agent_runs(site: Site, plugged: Vif) -> None:
    with stopped(site.daemon):
        for port in ((), (plugged["id"][:8],)):
            ip_link("del", QVO)
            site.host.ovs.vsctl("del-port", QVO)
            answer = run(site, "repair", *port, "--local")
            assert (answer.code, answer.err) == (0, "")
            assert answer.out.startswith(f"repaired {plugged['id']} ready: br-int, ")
            assert {QVB, QVO} <= site.host.links().keys()
            assert QVO in site.ovs_ports()
            assert run(site, "check", plugged["id"], "--local").code == 0
        assert run(site, "repair", "--local").out == "nothing to do\n"
    assert site.writes(lambda: site.api.repair(CONTEXT, HOST)) == []


def test_repair_says_and_stores_what_it_could_not(site: Site, plugged: Vif) -> None:
    with stopped(site.daemon):
        site.host.ovs.kill_ovsdb()
        try:
            answer = run(site, "repair", "--local")
        finally:
            site.host.ovs.start_ovsdb()
        assert (answer.code, answer.err) == (1, "")
        assert f"not repaired {plugged['id']}: ovsdb_unavailable: " in answer.out
        stored = run(site, "show", plugged["id"], "--local", "-f", "json").json()
        assert stored["state"] == "retrying"
    wait_for(lambda: site.port(plugged)["state"] == "ready", "the port by the agent")


def test_repair_waits_for_open_vswitch(site: Site, plugged: Vif) -> None:
    with stopped(site.daemon):
        site.host.ovs.kill_vswitchd()
        try:
            ip_link("del", QVO)
            site.host.ovs.vsctl("--no-wait", "del-port", QVO)
            answer = run(site, "repair", plugged["id"], "--local")
        finally:
            site.host.ovs.start_vswitchd()
    assert answer.code == 1, answer
    assert f"{QVO}: Open vSwitch has given it no ofport" in answer.out
    wait_for(lambda: site.port(plugged)["state"] == "ready", "the port by the agent")


@pytest.mark.parametrize("command", ["repair", "cleanup"])
def test_changes_are_left_to_the_agent_that_runs(site: Site, plugged: Vif, command: str) -> None:
    run(site, command, "--local").refused("the agent runs on this host")
    with frozen(site.daemon):
        ip_link("set", QVB, "mtu", "1400")
        fell = run(site, command, "--timeout", "1")
        assert (fell.code, fell.out) == (2, "")
        assert "has not answered" in fell.err.splitlines()[0]
        assert "the agent runs on this host" in fell.err.splitlines()[1]
        assert site.host.links()[QVB]["mtu"] == 1400


def test_cleanup_without_the_agent_removes_nothing(site: Site) -> None:
    orphan = "tap99999999-00"
    with stopped(site.daemon):
        ip_link("add", orphan, "type", "bridge")
        ip_link("set", orphan, "alias", alias(STRANGER))
        listed = run(site, "orphans", "--local", "-f", "json").json()
        assert [(o["port"], o["sightings"], o["due"]) for o in listed] == [(STRANGER, 1, False)]
        for option, code in ((), 1), (("--dry-run",), 0):
            answer = run(site, "cleanup", *option, "--local")
            assert (answer.code, answer.err) == (code, "")
            assert "nothing is removed without the agent" in answer.out
            assert f"{orphan} of port {STRANGER}: seen 1 time" in answer.out
        assert run(site, "plan", "cleanup", "--local").out == answer.out
        assert orphan in site.host.links()
        ip_link("del", orphan)


def test_bus_killed(site: Site, plugged: Vif) -> None:
    agents = run(site, "list", "-f", "json").json()
    site.rabbit.kill()
    try:
        answer = run(site, "list", "-f", "json")
        other = run(site, "--host", "compute-7", "list")
    finally:
        site.rabbit.start()
    assert answer.code == 0
    assert f'"port": "{agents[0]["port"]}"' in answer.out
    assert answer.err.count("\n") == 1
    bus = f"the bus (127.0.0.1:{site.rabbit.port}) cannot be reached"
    assert answer.err.startswith(f"vif-agentctl: {bus}: [Errno 111]")
    other.refused(bus)
    wait_for(lambda: run(site, "list").err == "", "the agent on the bus again", 60)
    site.rejoined()


def test_dead_and_silent_brokers_are_given_up_in_time(site: Site, tmp_path: Path) -> None:
    """A port that refuses, one that takes the connection and says nothing, a wrong password."""
    dead, mute = free_ports(2)
    file = tmp_path / "vif-agent.conf"
    brokers = {
        f"g:g@127.0.0.1:{dead},g:g@127.0.0.1:{dead}": "cannot be reached: [Errno 111]",
        f"g:g@127.0.0.1:{mute}": "has not answered over the bus",
        f"g:wrong@127.0.0.1:{site.rabbit.port}": "ACCESS_REFUSED",
    }
    file.write_text("")
    start = ctl(file, "--help").seconds  # of Python, which a busy machine takes seconds for
    with socket.create_server(("127.0.0.1", mute)):
        for broker, words in brokers.items():
            there = f"host = far\nstate_path = {tmp_path}/none"  # an agent may be installed here
            file.write_text(f"[DEFAULT]\n{there}\ntransport_url = rabbit://{broker}/\n")
            answer = ctl(file, "--timeout", "2", "status")
            answer.refused(words)
            assert answer.seconds - start < 8, answer  # 2, and a busy machine
    file.write_text("[DEFAULT]\ntransport_url = nonsense://x\n")
    ctl(file, "status").refused("transport_url: ")
    file.write_text("[DEFAULT]\ntransport_url = rabbit://g:pass/word@h/\n")
    line = ctl(file, "status").refused("[DEFAULT] transport_url: expected rabbit://USER:PASSWORD@")
    assert not {"'pass'", "pass", "word"} & set(line.split())  # nothing of the password
    file.write_text("[ovs]\novsdb_timeout = -1\n")
    ctl(file, "status").refused("ovsdb_timeout")


def test_agent_of_the_host_is_down(site: Site, plugged: Vif) -> None:
    """Its queue is there, so the call waits its time out; it must not be carried out later."""
    with stopped(site.daemon):
        answer = run(site, "list", "--timeout", "1", "-f", "value", "-c", "state")
        assert (answer.code, answer.out) == (0, "ready\n")
        assert "has not answered" in answer.err


def test_no_store_no_local_answer(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "vif-agent.conf"
    (dead,) = free_ports(1)
    file.write_text(
        f"[DEFAULT]\nhost = {HOST}\nstate_path = {tmp_path}\n"
        f"transport_url = rabbit://g:g@127.0.0.1:{dead}/\n"
    )
    ctl(file, "list").refused("cannot be reached")
    ctl(file, "list", "--local").refused(f"No such file or directory: {tmp_path}/vif-agent.sqlite")
    ctl(file, "--local", "--host", "far", "list").refused("this host is scratch, not far")
    assert list(tmp_path.iterdir()) == [file]


def test_files_stay_the_agents_own(site: Site) -> None:
    """Root looks and repairs; the agent, which is not root, must still be able to open them."""
    directory = site.host.directory / "owned"
    directory.mkdir()
    Store(directory / "vif-agent.sqlite").close()
    for path in (directory, *directory.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    file = site.host.directory / "owned.conf"
    file.write_text(f"[DEFAULT]\nhost = {HOST}\nstate_path = {directory}\n[ovs]\n"
                    f"ovsdb_connection = {site.host.ovs.connection}\n")  # fmt: skip
    assert ctl(file, "list", "--local", "-f", "json").json() == []
    assert ctl(file, "repair", "--local").code == 0
    assert {path.stat().st_uid for path in directory.iterdir()} == {NOBODY}
    assert ctl(file, "list", "--local", "-f", "json", under=AS_NOBODY).json() == []
    ctl(file, "repair", "--local", under=AS_NOBODY).refused("takes root")
    os.chown(directory / "vif-agent.sqlite", 0, 0)
    ctl(file, "list", "--local", under=AS_NOBODY).refused("Permission denied")
