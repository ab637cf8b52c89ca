"""vif-agentctl of several hosts: two real agents, one of each concurrency, at one RabbitMQ."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.casting import Site, Vif, wait_for
from tests.support.operating import CTL, Said, ctl, frozen
from vif_agent import __version__, bus
from vif_agent.testing.daemon import HOST, Daemon
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.rabbit import free_ports

pytestmark = pytest.mark.broker

OTHER = "second"
STATUS = ["host", "version", "health", "ports", "orphans", "started_at", "why", "no_answer"]


@pytest.fixture(scope="module")
def site(scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, "threading") as running:
        yield running


@pytest.fixture(scope="module")
def other(site: Site) -> Iterator[Daemon]:
    """On the same scratch host, to which the ports of the first are orphans."""
    options: dict[str, dict[str, object]] = {
        "DEFAULT": {"host": OTHER},
        "vif_agent": {"concurrency": "eventlet"},
    }
    with Daemon(site.host, site.rabbit.url, options, directory=OTHER) as running:
        yield running


def run(site: Site, *arguments: str) -> Said:
    return ctl(site.daemon.config_file, *arguments)


def rows(said: Said, code: int = 0) -> list[dict[str, Any]]:
    assert said.code == code, said
    found: list[dict[str, Any]] = json.loads(said.out)
    return found


def test_status_of_all(site: Site, other: Daemon, plugged: Vif) -> None:
    first, second = run(site, "--host", "all", "status", "-f", "json").json()
    assert list(first) == STATUS
    assert [first["host"], second["host"]] == [HOST, OTHER]
    assert first["version"] == second["version"] == __version__
    assert (first["ports"]["ready"], second["ports"].get("ready", 0)) == (1, 0)
    assert first["no_answer"] is second["no_answer"] is None
    table = run(site, "--host", "all", "status")
    assert (table.code, table.err) == (0, "")
    assert "NO_ANSWER" not in table.out
    assert f"| {OTHER} " in table.out


def test_ports_and_orphans_of_all(site: Site, other: Daemon, plugged: Vif) -> None:
    (port,) = run(site, "--host", "all", "list", "-f", "json").json()
    (alone,) = run(site, "list", "-f", "json").json()
    assert port == {"host": HOST, **alone, "no_answer": None}
    site.unplug(plugged)
    assert run(site, "--host", "all", "list", "-f", "json").json() == []
    there = run(site, "--host", f"all,{HOST}", "list", "--unplugged", "-f", "json").json()
    assert plugged["id"] in [row["port"] for row in there if row["host"] == HOST]
    assert run(site, "--host", f"{HOST},{OTHER}", "orphans", "-f", "json").json() == []


def test_who_is_named_and_silent_is_named(site: Site, other: Daemon) -> None:
    with frozen(other):
        said = run(site, "--timeout", "3", "--host", f"all,{OTHER},nobody", "list", "-f", "json")
        alone = run(site, "--timeout", "3", "--host", "all", "status", "-f", "json").json()
    silent = {row["host"]: row["no_answer"] for row in rows(said, 1)}
    assert set(silent) == {"nobody", OTHER}
    assert silent[OTHER].startswith(f"the agent on {OTHER} has not answered over the bus (")
    assert silent["nobody"].startswith("no agent on nobody has joined the bus (")
    assert said.err == f"vif-agentctl: 2 of 3 agents have not answered: nobody, {OTHER}\n"
    assert [row["host"] for row in alone] == [HOST]  # who does not say that he is there
    wait_for(lambda: len(run(site, "--host", "all", "status", "-f", "json").json()) == 2, "both")


def test_terminal_shows_how_many_are_done(site: Site, other: Daemon) -> None:
    ours, theirs = pty.openpty()
    hosts = f"{HOST},{OTHER}"
    argv = (CTL, "--config-file", str(site.daemon.config_file), "--timeout", "4", "--host", hosts)
    with frozen(other):
        done = subprocess.run(
            (*argv, "status"), stdout=subprocess.DEVNULL, stderr=theirs, timeout=60, check=False
        )
    os.close(theirs)
    said = os.read(ours, 10_000).decode()
    os.close(ours)
    assert done.returncode == 1, said
    assert "1 of 2 hosts are done, " in said
    assert said.endswith(f"vif-agentctl: 1 of 2 agents have not answered: {OTHER}\r\n")


def test_interrupt_ends_it_at_once(site: Site, other: Daemon) -> None:
    """Though a host is silent for long yet."""
    ours, theirs = pty.openpty()
    argv = (CTL, "--config-file", str(site.daemon.config_file), "--timeout", "600")
    with frozen(other):
        asking = subprocess.Popen(
            ("env", "--default-signal=INT", *argv, "--host", f"{HOST},{OTHER}", "status"),
            stdout=subprocess.DEVNULL,
            stderr=theirs,
        )
        try:
            assert b" hosts are done" in os.read(ours, 1000)
            asking.send_signal(signal.SIGINT)
            assert asking.wait(40) == 2
        finally:
            asking.kill()
            asking.wait()
    os.close(theirs)
    assert b"Traceback" not in os.read(ours, 10_000)
    os.close(ours)


def test_table_has_the_silent_in_it(site: Site, other: Daemon) -> None:
    said = run(site, "--host", f"{HOST},nobody", "status")
    assert said.code == 1, said
    assert "NO_ANSWER" in said.out
    assert "no agent on nobody has joined" in said.out
    said = run(site, "--host", "nobody,nowhere", "orphans")
    assert said.code == 2, said
    assert said.err.endswith("2 of 2 agents have not answered: nobody, nowhere\n")


def test_what_cannot_be_asked_of_several(site: Site) -> None:
    run(site, "--host", "all", "check", "5843eca1").refused("there are list, orphans and status")
    run(site, "--host", ",", "list").refused("--host ,: names no host")
    run(site, "--host", "all", "--local", "list").refused("--local: this is one host")
    assert "--unplugged" in run(site, "--host", "all", "list", "--help").out
    run(site, "--host", HOST, "check", "12345678").refused("unknown port")


def test_bus_that_is_away(tmp_path: Path) -> None:
    file, port = tmp_path / "a.conf", free_ports(1)[0]
    file.write_text(f"[DEFAULT]\ntransport_url = rabbit://guest:guest@127.0.0.1:{port}/\n")
    ctl(file, "--host", "all", "status").refused("cannot be reached")
    said = ctl(file, "--host", "one,two", "status", "-f", "json")
    assert all("cannot be reached" in row["no_answer"] for row in rows(said, 2))


def test_client_that_is_killed_leaves_nothing_for_long(site: Site, other: Daemon) -> None:
    """While it waits for the answers: neither its queue, nor the question, nor a slow agent."""
    before = _reply_queues(site)
    command = (CTL, "--config-file", str(site.daemon.config_file), "--host", "all", "status")
    asking = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _reply_queues(site) - before, "the queue of its answers")
    finally:
        asking.kill()
        asking.wait()
    left = _reply_queues(site) - before
    assert all('"x-expires",60000' in queue for queue in left), left
    calls = [f"{bus.ADMIN_TOPIC}.{host}" for host in (HOST, OTHER)]
    wait_for(lambda: not any(map(site.rabbit.queue_length, calls)), "no call that waits")
    assert len(run(site, "--host", "all", "status", "-f", "json").json()) == 2
    assert "Traceback" not in site.daemon.log() + other.log()


def _reply_queues(site: Site) -> set[str]:
    table = site.rabbit.ctl("-q", "--no-table-headers", "list_queues", "name", "arguments")
    return {line for line in table.splitlines() if line.startswith("reply_")}


def test_nobody_is_there(site: Site, other: Daemon) -> None:
    site.daemon.kill()
    other.kill()
    try:
        said = run(site, "--timeout", "3", "--host", "all", "status")
        said.refused("no agent has answered over the bus (")
    finally:
        site.daemon.start()
        other.start()
