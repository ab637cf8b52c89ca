"""scripts/root and the machines that tests of services have from it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.machine import Machine, Root
from vif_agent.testing import processes


@pytest.fixture(scope="module")
def machine(release: str) -> Iterator[Machine]:
    with Machine(Root(release)) as machine:
        yield machine


def test_boots_the_release_with_no_failed_unit(machine: Machine) -> None:
    assert f"VERSION_CODENAME={machine.root.release}" in machine.run("cat /etc/os-release")
    assert machine.run("cat /proc/1/comm").strip() == "systemd"
    assert machine.failed() == []


def test_has_nothing_of_this_machine_but_the_kernel(machine: Machine) -> None:
    assert machine.run("ls /sys/class/net").split() == ["lo"]
    assert machine.run("hostname").strip() == machine.root.release
    assert "vif" not in machine.run("cat /proc/1/cgroup /proc/self/mountinfo")


def test_writes_the_settings_of_its_network_alone(machine: Machine) -> None:
    machine.run("echo 1 >/proc/sys/net/ipv4/ip_forward")
    machine.run("test ! -w /proc/sys/kernel/pid_max")


def test_services_run_in_cgroups_and_log_to_the_journal(machine: Machine) -> None:
    machine.run("systemd-run --wait --unit=said sh -c 'echo hello; cat /proc/self/cgroup'")
    said = machine.journal("--unit=said")
    assert "hello" in said
    assert "0::/system.slice/said.service" in said


def test_what_is_online_starts_services_that_are_not(machine: Machine) -> None:
    network = "readlink /proc/self/ns/net"
    outside = machine.run(network, online=True).strip()
    assert outside != machine.run(network).strip()
    machine.run(f"systemd-run --wait sh -c 'test $({network}) != {outside}'", online=True)
    machine.run("apt-get -qq update", online=True)


def test_reboot_keeps_the_disk_and_nothing_else(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "brought").write_text("in\n")
    machine.copy_in(tmp_path, "/var/lib/kept")
    machine.run("touch /run/gone; ip link add dum type veth")
    machine.reboot()
    assert machine.run("cat /var/lib/kept/brought") == "in\n"
    assert machine.run("ls /run/gone || true") == ""
    assert machine.run("ls /sys/class/net").split() == ["lo"]
    assert machine.failed() == []


def test_pristine_root_is_not_changed(machine: Machine) -> None:
    machine.run("touch /changed; rm /etc/issue")
    root = machine.root.make()
    assert not (root / "changed").exists()
    assert (root / "etc" / "issue").exists()


@pytest.mark.parametrize("mode", ["--boot", "sleep 1000"])
def test_killed_it_leaves_nothing(release: str, mode: str) -> None:
    """SIGKILL of scripts/root alone: no process, mount, cgroup, nor file."""
    before = _left()
    running = subprocess.Popen((*Root(release).script, *mode.split()), stdout=subprocess.PIPE)
    processes.wait_until(lambda: len(_left() - before) > SOME, "what it starts", timeout=120)
    processes.kill(running)
    processes.wait_until(lambda: not _left() - before, "what it has started goes", timeout=120)


@pytest.mark.parametrize(("command", "status"), [("true", 0), ("exit 7", 7), ("kill $$", 143)])
def test_command_runs_in_a_clean_clone_and_its_status_is_told(command: str, status: int) -> None:
    before = _left()
    checks = "test -x scripts/demo && test ! -e .venv && test $(id -u) = 0 && touch /changed"
    root = Root("trixie")
    done = subprocess.run((*root.script, "bash", "-c", f"{checks} && {command}"), check=False)
    assert done.returncode == status
    assert not _left() - before
    assert not (root.make() / "changed").exists()


def test_process_that_a_command_leaves_ends_with_it() -> None:
    before = _left()
    script = Root("trixie").script
    subprocess.run((*script, "sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 &"), check=True)
    assert not _left() - before


#: of scripts/root itself: itself, unshare, a process in the copy, who removes it; its directory
SOME = 4


def _left() -> set[str]:
    """What there is of copies of roots: processes that have one as / or hold one, and directories;
    a mount or a cgroup is there only while a process is in it."""
    roots = Root("trixie").make().parent
    found = {str(one) for one in roots.glob("run.*")}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{roots}/run." in (process / "mountinfo").read_text():
                found.add(process.name)
    return found
