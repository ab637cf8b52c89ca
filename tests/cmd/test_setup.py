"""vif-agent-setup, from a real wheel in a real virtual environment, on this machine's files with
all changes put aside. With a running systemd: tests/service/."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import spare_host
from tests.support.spare_host import ENVIRONMENT, SpareHost
from vif_agent.cmd.setup import host as of_host

SETUP = f"{ENVIRONMENT}/bin/vif-agent-setup"
UNIT = "/usr/local/lib/systemd/system/vif-agent.service"
CONFIGURATION = "/etc/vif-agent/vif-agent.conf"
DROP_IN = "ovsdb-server.service.d/00-vif-agent.conf"
BROUGHT = f"{ENVIRONMENT}/lib/systemd/system/vif-agent.service"
#: what useradd and userdel of any program leave of these
ACCOUNTS = re.compile(
    r"/etc(/(passwd|group|shadow|gshadow|subuid|subgid)-?|/\.pwd\.lock|/\.updated)?$"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return spare_host.wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def host(tmp_path: Path, wheel: Path) -> Iterator[SpareHost]:
    with SpareHost(tmp_path) as host:
        host.install(wheel)
        yield host


def laid(host: SpareHost) -> set[str]:
    """Beside the environment; and directories that hold nothing new count for nothing."""
    changes = {path for path in host.changes() if not path.startswith("/opt")}
    return {path for path in changes if not ACCOUNTS.match(path) and not host.is_old(path)}


def test_puts_all_in_place(host: SpareHost) -> None:
    said = host.done(SETUP, "install")
    assert "next: systemctl enable --now vif-agent" in said
    unit = host.read(UNIT)
    assert f"ExecStart={ENVIRONMENT}/bin/vif-agent --config-file {CONFIGURATION}" in unit
    assert "/usr/bin/vif" not in unit
    for name in ("vif-agent", "vif-agentctl", "vif-agent-neutron"):
        assert host.done("readlink", f"/usr/local/bin/{name}") == f"{ENVIRONMENT}/bin/{name}\n"
    assert host.done("stat", "-c", "%U:%G %a", CONFIGURATION) == "root:vif-agent 640\n"
    assert host.done("stat", "-c", "%U:%G %a", UNIT) == "root:root 644\n"
    assert "/var/lib/vif-agent" in host.done("getent", "passwd", "vif-agent")
    for path in (
        "/usr/local/share/man/man8/vif-agent.8",
        "/usr/local/share/bash-completion/completions/vif-agentctl",
        "/usr/local/share/doc/vif-agent/docs/install.md",
    ):
        host.read(path)


def test_again_changes_nothing(host: SpareHost) -> None:
    host.done(SETUP, "install")
    before = host.times()
    assert "nothing to do\n" in host.done(SETUP, "install")
    assert host.times() == before


def test_removed_and_purged_nothing_is_left(host: SpareHost) -> None:
    assert laid(host) == set()
    host.done(SETUP, "install")
    host.write("/var/lib/vif-agent/store.db", "requests")
    host.done(SETUP, "remove")
    assert laid(host) == {
        "/etc/vif-agent",
        CONFIGURATION,
        "/var/lib/vif-agent",
        "/var/lib/vif-agent/store.db",
    }
    host.done("getent", "passwd", "vif-agent")
    host.done(SETUP, "remove", "--purge")
    assert laid(host) == set()
    assert host.run("getent", "passwd", "vif-agent").returncode
    assert host.run("getent", "group", "vif-agent").returncode
    assert host.done(SETUP, "remove", "--purge") == "nothing to do\n"


def test_purge_keeps_what_else_the_operator_has_put_beside_the_configuration(
    host: SpareHost,
) -> None:
    host.done(SETUP, "install")
    host.write("/etc/vif-agent/broker.pem", "a key")
    host.done(SETUP, "remove", "--purge")
    assert laid(host) == {"/etc/vif-agent", "/etc/vif-agent/broker.pem"}


def test_brings_up_to_date_what_a_newer_wheel_brings(host: SpareHost) -> None:
    host.done(SETUP, "install")
    newer = host.read(BROUGHT) + "# newer\n"
    host.write(BROUGHT, newer)
    host.done("rm", f"{ENVIRONMENT}/share/doc/vif-agent/docs/why.md")  # no longer brought
    said = host.done(SETUP, "install")
    assert f"lay {UNIT}\n" in said
    assert "take /usr/local/share/doc/vif-agent/docs/why.md\n" in said
    assert host.read(UNIT).endswith("# newer\n")
    assert host.run("cat", "/usr/local/share/doc/vif-agent/docs/why.md").returncode


def test_configuration_is_the_operators(host: SpareHost) -> None:
    host.done(SETUP, "install")
    host.write(CONFIGURATION, "[DEFAULT]\nhost = mine\n")
    host.write(f"{ENVIRONMENT}{CONFIGURATION}", "# a newer sample\n")
    done = host.run(SETUP, "install")
    assert done.returncode == 0
    assert f"{CONFIGURATION} has been changed by others" in done.stderr
    assert host.read(CONFIGURATION) == "[DEFAULT]\nhost = mine\n"


def test_configuration_that_was_there_before_is_kept(host: SpareHost) -> None:
    host.write(CONFIGURATION, "[DEFAULT]\nhost = mine\n")
    assert host.run(SETUP, "install").returncode == 0
    assert host.read(CONFIGURATION) == "[DEFAULT]\nhost = mine\n"


def test_sample_that_nobody_has_touched_is_renewed(host: SpareHost) -> None:
    host.done(SETUP, "install")
    host.write(f"{ENVIRONMENT}{CONFIGURATION}", "# a newer sample\n")
    host.done(SETUP, "install")
    assert host.read(CONFIGURATION) == "# a newer sample\n"
    assert host.done("stat", "-c", "%U:%G %a", CONFIGURATION) == "root:vif-agent 640\n"


def test_what_was_changed_since_stays_and_is_named(host: SpareHost) -> None:
    host.done(SETUP, "install")
    host.write(UNIT, "[Service]\n# mine\n")
    for command in ("install", "remove"):
        done = host.run(SETUP, command)
        assert done.returncode == 0
        assert f"{UNIT} has been changed by others: it stays as it is" in done.stderr
        assert host.read(UNIT) == "[Service]\n# mine\n"


def test_file_of_others_is_in_the_way_of_all(host: SpareHost) -> None:
    host.write(UNIT, "another's\n")
    done = host.run(SETUP, "install")
    assert done.returncode == 1
    assert f"{UNIT} is not of vif-agent-setup: take it away" in done.stderr
    assert laid(host) >= {UNIT}
    assert "/usr/local/bin/vif-agentctl" not in laid(host)
    assert host.read(UNIT) == "another's\n"


def test_what_another_has_laid_alike_is_not_taken(host: SpareHost) -> None:
    link = "/usr/local/bin/vif-agentctl"
    host.done("ln", "-s", f"{ENVIRONMENT}/bin/vif-agentctl", link)
    host.done(SETUP, "install")
    host.done(SETUP, "remove", "--purge")
    assert laid(host) == {link}


def test_dry_run_says_what_is_done_and_does_nothing(host: SpareHost) -> None:
    for command in (("install",), ("remove", "--purge")):
        before = host.times()
        would = host.done(SETUP, *command, "--dry-run").splitlines()
        assert host.times() == before
        done = [line for line in host.done(SETUP, *command).splitlines() if "next: " not in line]
        assert would == [f"would {line}" for line in done]


KILLED = """
import sys
from pathlib import Path
from vif_agent.cmd.setup import brought, plan
from vif_agent.cmd.setup.place import Place

place = Place(Path(sys.prefix), Path("/usr/local"))
unit = place.environment / "lib/systemd/system/vif-agent.service"
versions = [unit.read_text(), unit.read_text() + "# newer"]

def install():
    found = plan.install(place, brought.things(place))
    assert not found.stay and not found.foreign, found
    return found.steps

def remove():
    return plan.remove(place, purge=True).steps

def do(steps):
    for step in steps:
        step.do()

for killed in range(len(install()) + 1):
    unit.write_text(versions[0])
    do(install()[:killed])
    do(install())
    assert not install(), killed
    unit.write_text(versions[1])
    do(install()[:killed])
    do(install())
    assert not install(), killed
    do(remove()[:killed])
    do(remove())
    assert not remove(), killed
print(killed)
"""


def test_killed_at_any_line_the_next_run_finishes_it(host: SpareHost) -> None:
    assert int(host.done(f"{ENVIRONMENT}/bin/python", "-c", KILLED).splitlines()[-1]) > 20
    assert laid(host) == set()


def test_lays_the_files_of_a_package(host: SpareHost) -> None:
    lay = (SETUP, "install", "--prefix", "/usr", "--root", "/opt/package")
    host.done(*lay)
    assert laid(host) == set()
    assert host.run("getent", "passwd", "vif-agent").returncode
    unit = host.read("/opt/package/usr/lib/systemd/system/vif-agent.service")
    assert "file:/usr/share/doc/vif-agent/README.md" in unit
    host.read("/opt/package/usr/lib/sysusers.d/vif-agent.conf")
    assert host.done("stat", "-c", "%a", f"/opt/package{CONFIGURATION}") == "640\n"
    assert "laid.json" not in host.done("find", "/opt/package")
    assert host.done(*lay) == "nothing to do\n"


def refused(host: SpareHost, *words: str) -> str:
    before = host.changes()
    done = host.run(*words)
    assert done.returncode == 1
    assert host.changes() == before
    return done.stderr


def test_refuses_what_the_agent_could_not_run_from(host: SpareHost, wheel: Path) -> None:
    host.install(wheel, "/var/tmp/agent")
    assert "below /var/tmp, which the unit hides" in refused(
        host, "/var/tmp/agent/bin/vif-agent-setup", "install"
    )
    host.done("chmod", "0750", ENVIRONMENT)
    assert f"{ENVIRONMENT} is closed to others" in refused(host, SETUP, "install")


def test_refuses_to_be_anybody_but_root(host: SpareHost) -> None:
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    for command in ("install", "remove"):
        assert "run it as root" in refused(host, *nobody, SETUP, command)


def test_refuses_beside_a_package_or_a_unit_made_by_hand(host: SpareHost) -> None:
    assert "belongs to the packages" in refused(host, SETUP, "install", "--prefix", "/usr")
    by_hand = "/etc/systemd/system/vif-agent.service"
    host.write(by_hand, "[Service]\n")
    assert f"{by_hand}, made by hand, would hide the unit" in refused(host, SETUP, "install")
    host.write("/usr/lib/systemd/system/vif-agent.service", "[Service]\n")
    for command in (("install",), ("remove", "--purge")):
        assert "is there, of a package" in refused(host, SETUP, *command)


def test_refuses_to_purge_what_a_unit_made_by_hand_needs(host: SpareHost) -> None:
    by_hand = "/etc/systemd/system/vif-agent.service"
    host.write(by_hand, "[Service]\nUser=vif-agent\n")
    host.write("/var/lib/vif-agent/store.db", "requests")
    said = refused(host, SETUP, "remove", "--purge")
    assert f"{by_hand} is there, made by hand: state and account are its, too" in said


def test_refuses_to_purge_an_account_that_another_drop_in_names(host: SpareHost) -> None:
    host.done(SETUP, "install")
    theirs, ours = f"/etc/systemd/system/{DROP_IN}", f"/usr/local/lib/systemd/system/{DROP_IN}"
    for path in (theirs, ours):
        host.write(path, "[Service]\nGroup=vif-agent\n# changed\n")
    said = refused(host, SETUP, "remove", "--purge")
    assert [line.split()[1] for line in said.splitlines()] == [theirs, ours]
    host.done("rm", theirs, ours)
    host.done(SETUP, "remove", "--purge")
    assert host.run("getent", "passwd", "vif-agent").returncode


def test_what_open_vswitch_made_with_our_group_is_roots_after_a_purge(host: SpareHost) -> None:
    host.done(SETUP, "install")
    host.write("/var/lib/openvswitch/conf.db", "rows")
    host.done("chgrp", "vif-agent", "/var/lib/openvswitch/conf.db")
    host.done(SETUP, "remove", "--purge")
    assert host.done("stat", "-c", "%G", "/var/lib/openvswitch/conf.db") == "root\n"


@pytest.mark.parametrize(
    ("group", "given", "taken"),
    [
        ("", 0, 0),
        ("root", 2, 0),
        ("vif-agent", 0, 2),
        ("openvswitch", 0, 0),
    ],
)
def test_socket_of_another_group_keeps_it(group: str, given: int, taken: int) -> None:
    paths = [Path("/usr/local/lib/systemd/system", DROP_IN)]
    assert len([*of_host.socket_to("vif-agent", paths, group)]) == given
    assert len([*of_host.socket_to("root", paths, group)]) == taken
    assert ("SupplementaryGroups=" in of_host.socket_of_others(group)) is (group == "openvswitch")


def test_refuses_an_editable_checkout() -> None:
    command = Path(sys.executable).with_name("vif-agent-setup")
    done = subprocess.run(
        (command, "install", "--dry-run"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "has the program without its files" in done.stderr
