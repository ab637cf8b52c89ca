"""The Debian package in a clean root of its release, with that release's Open vSwitch and RabbitMQ:
installed, upgraded from the last release, downgraded, removed, purged. scripts/test-package."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.service.machine import ONLINE, SERVICES, TREE, Machine, Root
from vif_agent.testing import processes

#: the last commit whose program had no package; what it is upgraded from
PREVIOUS = "611bc78"
VIFS = "/root/vifs"
CAST = f"""
import json, pathlib, socket, sys
from oslo_config import cfg
from vif_agent.bus.api import VifAgentAPI
cfg.CONF(["--config-file", "/etc/vif-agent/vif-agent.conf"])
api = VifAgentAPI(cfg.CONF)
for path in sorted(pathlib.Path("{VIFS}").iterdir()):
    vif = json.loads(path.read_text())
    instance = dict(uuid=vif["id"])
    answer = getattr(api, sys.argv[1])(dict(), socket.gethostname(), instance, vif, wait=60)
    print(vif["devname"], answer["state"])
"""
_APT = "DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Options::=--force-confold"
#: what others write while we are looked at: apt, dpkg, the services, whoever changes accounts
_OTHERS = re.compile(
    r"/(root|tmp|var/(cache/(apt|debconf|man|ldconfig)|log|tmp)"
    r"|var/lib/(apt|dpkg|rabbitmq|openvswitch|systemd/random-seed)"
    r"|etc/(openvswitch|ld\.so\.cache|resolv\.conf|machine-id|\.pwd\.lock)"
    r"|etc/(passwd|group|g?shadow|sub[ug]id)-?)(/|$| )"
)


@functools.cache
def package(release: str, *options: str) -> Path:
    """Built if it is not there; from the network that reaches the registries."""
    online = ("nsenter", f"--net={os.environ[ONLINE]}")
    build = (str(TREE / "scripts" / "package"), release, *options)
    return Path(processes.run((*online, *build), os.environ, 1200).strip())


@pytest.fixture(scope="module")
def previous(release: str) -> Path:
    old = PREVIOUS
    if subprocess.run(("git", "-C", TREE, "cat-file", "-e", old), check=False).returncode:
        old = "HEAD"  # a shallow clone
    return package(release, "--code", old, "--as", "0.0.1")


@pytest.fixture
def machine(release: str) -> Iterator[Machine]:
    with Machine(Root(release, (*SERVICES, "python3"))) as machine:
        yield machine


def apt(machine: Machine, package: Path, *options: str) -> float:
    """Seconds."""
    machine.copy_in(package, f"/root/{package.name}")
    began = time.monotonic()
    machine.run(f"{_APT} install {' '.join(options)} /root/{package.name}", timeout=600)
    return time.monotonic() - began


def test_life_of_a_package(
    machine: Machine,
    release: str,
    previous: Path,
    payload: Callable[[str], dict[str, Any]],
    figures: Callable[[str], None],
) -> None:
    clean, users = files(machine), accounts(machine)
    table = Table(release, figures)
    table.row("installed", apt(machine, previous), machine)
    assert_serves(machine)
    taps = plug(machine, payload)
    machine.run("echo '# mine' >>/etc/vif-agent/vif-agent.conf")
    before = state(machine)
    for what, deb in (("upgraded", package(release)), ("downgraded", previous)):
        with guests(machine, taps) as heard:
            seconds = apt(machine, deb, "--allow-downgrades")
            assert_serves(machine)
        assert state(machine) == before
        table.row(what, seconds, machine, heard)
        assert heard["wrong"] == []
    apt(machine, package(release))
    assert "# mine\n" in machine.run("cat /etc/vif-agent/vif-agent.conf")
    with guests(machine, taps) as heard:
        seconds = clocked(machine, "remove")
    left = files(machine) - clean
    table.row("removed", seconds, machine, heard, left)
    assert heard["wrong"] == []
    store = "/var/lib/vif-agent"
    assert any(line.startswith(f"{store}/vif-agent.sqlite ") for line in left)
    assert {path for line in left if not (path := line.split()[0]).startswith(store)} == {
        "/etc/systemd/system/multi-user.target.wants/vif-agent.service",
        "/etc/vif-agent",
        "/etc/vif-agent/vif-agent.conf",
        "/var/lib/systemd/deb-systemd-helper-enabled/multi-user.target.wants/vif-agent.service",
        "/var/lib/systemd/deb-systemd-helper-enabled/vif-agent.service.dsh-also",
    }
    assert links(machine) == before["links"]
    seconds = clocked(machine, "purge")
    left = files(machine) ^ clean
    table.row("purged", seconds, machine, None, left)
    assert left == set()
    assert accounts(machine) == users
    assert "vif-agent" not in machine.run("systemctl list-units --all; systemctl list-unit-files")
    assert machine.run("stat -c %U:%G /run/openvswitch/db.sock") == "root:root\n"
    assert machine.failed() == []


def test_installed_again_it_goes_on_where_it_was(
    machine: Machine, release: str, payload: Callable[[str], dict[str, Any]]
) -> None:
    apt(machine, package(release))
    taps = plug(machine, payload)
    before = state(machine)
    clocked(machine, "remove")
    apt(machine, package(release))
    assert_serves(machine)
    assert state(machine) == before
    for tap in taps[2:]:  # libvirt takes it away before nova unplugs
        machine.run(f"ip link delete {tap.split(',')[0]}")
    assert cast(machine, "unplug_vif").count(" unplugged\n") == len(before["ports"])


def test_with_open_vswitch_in_one_go_in_a_clean_root(release: str) -> None:
    """Whose postinst may come first: the drop-in names our account."""
    with Machine(Root(release)) as machine:
        machine.run("apt-get -qq update", online=True, timeout=600)
        machine.copy_in(package(release), "/root/agent.deb")
        words = f"{_APT} install /root/agent.deb {' '.join(SERVICES)}"
        machine.run(words, online=True, timeout=900)
        assert_serves(machine)
        assert machine.failed() == []
        machine.run("systemctl restart openvswitch-switch ovsdb-server", timeout=300)
        assert_serves(machine)


def test_without_a_broker_apt_goes_on_and_policy_is_asked(machine: Machine, release: str) -> None:
    machine.run("systemctl stop rabbitmq-server", timeout=300)
    machine.run(
        "printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d"
    )
    apt(machine, package(release))
    assert machine.run("systemctl is-active vif-agent || true") == "inactive\n"
    assert machine.run("systemctl is-enabled vif-agent") == "enabled\n"
    machine.run("rm /usr/sbin/policy-rc.d; dpkg-reconfigure vif-agent")
    assert machine.run("systemctl is-active vif-agent || true") == "activating\n"
    machine.run("systemctl start rabbitmq-server", timeout=300)
    assert_serves(machine)


def test_disabled_it_stays_disabled(machine: Machine, release: str, previous: Path) -> None:
    apt(machine, previous)
    machine.run("systemctl disable --now vif-agent")
    apt(machine, package(release))
    assert machine.run("systemctl is-enabled vif-agent || true") == "disabled\n"
    assert machine.run("systemctl is-active vif-agent || true") == "inactive\n"


class Table:
    """What the issue asks to be shown."""

    def __init__(self, release: str, figures: Callable[[str], None]) -> None:
        self._release, self._figures = release, figures

    def row(
        self,
        what: str,
        seconds: float,
        machine: Machine,
        heard: Mapping[str, Any] | None = None,
        left: set[str] | None = None,
    ) -> None:
        version = machine.run("dpkg-query -W -f '${Version}' vif-agent 2>/dev/null || true") or "-"
        cells = [f"{self._release:8} {what:10} {version:40} {seconds:5.1f} s"]
        if heard:
            cells.append(f"{heard['sent']} frames, lost: {heard['wrong'] or 0}")
        if left is not None:
            cells.append(f"files left: {', '.join(sorted(x.split()[0] for x in left)) or 'none'}")
        self._figures("  ".join(cells))


def clocked(machine: Machine, word: str) -> float:
    began = time.monotonic()
    machine.run(f"{_APT} {word} vif-agent", timeout=300)
    return time.monotonic() - began


def assert_serves(machine: Machine) -> None:
    """It has joined the bus, and finds the host as it should be."""
    machine.run("systemctl start vif-agent", timeout=300)  # waits until it is ready
    well = "vif-agentctl health"
    machine.run(f"for n in $(seq 60); do {well} && exit; sleep 1; done; {well}", timeout=300)


def plug(machine: Machine, payload: Callable[[str], dict[str, Any]]) -> list[str]:
    """Two ports of each kind that this kernel carries; of those that have a network tap, MAC and
    address, as guards let them pass. The last two are in a bridge: libvirt's, for whom we stand
    in."""
    machine.run("ovs-vsctl add-br br-int -- set bridge br-int datapath_type=netdev")
    kinds = ("ovs_create_tap", "bridge", "tap")
    vifs = [numbered(payload(kind), number) for kind in kinds for number in (1, 2)]
    for vif in vifs:
        write(machine, f"{VIFS}/{vif['id']}", json.dumps(vif))
    assert cast(machine, "plug_vif").count(" ready\n") == len(vifs)
    for vif in vifs:
        if vif["type"] == "bridge":
            name, bridge = vif["devname"], vif["network"]["bridge"]
            machine.run(f"ip tuntap add {name} mode tap; ip link set {name} master {bridge} up")
    return [f"{vif['devname']},{vif['address']},{fixed(vif)['address']}" for vif in vifs[:4]]


def numbered(vif: dict[str, Any], number: int) -> dict[str, Any]:
    """``vif`` itself, as another port of its network, with a MAC and an address of its own."""
    vif["id"] = f"{number}{vif['id'][1:]}"
    vif["devname"] = f"tap{vif['id'][:11]}"
    vif["address"] = f"{vif['address'][:-2]}{number}{vif['address'][-1]}"
    fixed(vif)["address"] = f"192.0.2.{20 + number}"
    if vif["type"] == "tap":
        vif["details"]["mac_address"] = vif["address"]
    return vif


def fixed(vif: dict[str, Any]) -> dict[str, Any]:
    ip: dict[str, Any] = vif["network"]["subnets"][0]["ips"][0]
    return ip


def cast(machine: Machine, word: str) -> str:
    write(machine, "/root/cast.py", CAST)
    return machine.run(f"/usr/lib/vif-agent/bin/python -W ignore /root/cast.py {word}")


def state(machine: Machine) -> dict[str, Any]:
    """What an upgrade may not change: the devices, the rows of Open vSwitch, the store."""
    rows = machine.run("ovs-vsctl --format=json --columns=_uuid,name,external_ids list interface")
    return {
        "links": links(machine),
        "rows": sorted(json.loads(rows)["data"], key=str),
        "ports": json.loads(machine.run("vif-agentctl list -f json")),
    }


def links(machine: Machine) -> dict[str, int]:
    listed = json.loads(machine.run("ip -json link"))
    return {link["ifname"]: link["ifindex"] for link in listed}


@contextlib.contextmanager
def guests(machine: Machine, taps: list[str]) -> Iterator[dict[str, Any]]:
    """After the end: what they sent, and what was wrong."""
    network = ("nsenter", f"--net=/proc/{machine.pid}/ns/net")
    running = subprocess.Popen(
        (*network, sys.executable, "-m", "tests.service.guests", *taps),
        cwd=TREE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout
    heard: dict[str, Any] = {}
    try:
        assert running.stdout.readline() == "running\n"
        yield heard
        heard.update(json.loads(running.communicate()[0]))
    finally:
        running.kill()
        running.wait()


def files(machine: Machine) -> set[str]:
    """Of all that lies on its disk: path, kind, mode, owners, size of files, target of links."""
    find = (
        "find / -xdev ( -type f -printf '%p %y %m %u:%g %s\\n' -o -printf '%p %y %m %u:%g %l\\n' )"
    )
    lines = machine.run(find.replace("(", "\\(").replace(")", "\\)"), timeout=300).splitlines()
    return {line for line in lines if not _OTHERS.match(line)}


def accounts(machine: Machine) -> str:
    return machine.run("getent passwd; getent group; getent shadow | cut -d: -f1")


def write(machine: Machine, path: str, text: str) -> None:
    target = machine.files / path[1:]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
