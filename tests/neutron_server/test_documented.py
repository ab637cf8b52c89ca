"""Each command of docs/neutron.md, typed as it stands there, does what is said of it.

The Neutron here refuses ports with security groups, as one does that nobody has told otherwise.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.documented import commands
from vif_agent.testing import netns, processes
from vif_agent.testing.neutron.api import Json
from vif_agent.testing.neutron.cloud import VENV, Cloud, wait
from vif_agent.testing.neutron.hypervisor import Hypervisor

TREE = Path(__file__).parents[2]
DOCUMENT = TREE / "docs" / "neutron.md"
HOST = "documented"


@dataclass
class Desk:
    """Of an operator, who has the tree, Neutron's client and a shell on the hypervisor."""

    cloud: Cloud
    host: Hypervisor

    def type(self, command: str, **words: str) -> str:
        """What it prints. ``words`` stand for those in capitals."""
        for word, value in words.items():
            command = command.replace(word, value)
        there = {"OS_AUTH_TYPE": "none", "OS_ENDPOINT": self.cloud.controllers[0].url}
        path = f"{VENV / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        argv = ("sh", "-ec", f"cd {TREE} && exec {command}")
        with self.host.entered():
            return processes.run(argv, {**os.environ, **there, "PATH": path}, 280)

    def refused(self) -> Json:
        """A port in its project's default group."""
        port = self.cloud.port(self.cloud.network(), HOST)
        assert port["binding:vif_type"] == "binding_failed"
        assert port["security_groups"]
        return port

    def is_bound(self, port: Json) -> Json:
        return self.cloud.api.wait(
            "port", port["id"], lambda it: it["binding:vif_type"] == "tap", timeout=30
        )


def installs(desk: Desk, command: str, tmp_path: Path) -> None:
    """Into a directory of its own, for the environment has it already."""
    desk.type(f"{command} --no-deps --quiet --target {tmp_path}")
    assert (tmp_path / "bin" / "vif-agent").exists()
    (listed,) = tmp_path.glob("vif_agent-*.dist-info/entry_points.txt")
    assert "vif_agent = vif_agent.neutron.driver:VifAgentDriver" in listed.read_text()


def lists_the_agent(desk: Desk, command: str, _: Path) -> None:
    (row,) = [line for line in desk.type(command).splitlines() if f" {HOST} " in line]
    assert "vif-agent" in row
    assert ":-)" in row


def shows_the_agent(desk: Desk, command: str, _: Path) -> None:
    told = desk.type(f"{command} {_agent(desk)}")
    assert "network_types" in told
    assert "vxlan" in told


def deletes_the_agent(desk: Desk, command: str, _: Path) -> None:
    """It comes back with its next report."""
    before = _agent(desk)
    desk.type(f"{command} {before}")
    desk.cloud.wait_agents(HOST)
    assert _agent(desk) != before


def says_that_ports_are_open(desk: Desk, command: str, _: Path) -> None:
    port = desk.refused()
    desk.type(command, PORT=port["id"])
    shown = desk.is_bound(port)
    assert not shown["security_groups"]
    assert shown["port_security_enabled"] is ("--disable-port-security" not in command)


def says_it_of_networks(desk: Desk, command: str, _: Path) -> None:
    network = desk.cloud.network()
    desk.type(command, NETWORK=network["id"])
    assert desk.cloud.port(network, HOST)["binding:vif_type"] == "tap"


def tells_of_neutron(desk: Desk, command: str, _: Path) -> None:
    assert "neutron" in desk.type(_there(desk, command))


def finds_it_well(desk: Desk, command: str, _: Path) -> None:
    assert desk.type(_there(desk, command))


def tells_of_ports(desk: Desk, command: str, _: Path) -> None:
    """Of one whose tap is not there yet, and of the same when it is."""
    port = desk.cloud.port(desk.cloud.network(port_security_enabled=False), HOST)
    wait(lambda: port["id"] in desk.type(_there(desk, command)), "the port in the list")
    with desk.host.guest(port):
        wait(lambda: "ready" in desk.type(_there(desk, command)), "the port as ready")


def upgrades_the_database(desk: Desk, command: str, _: Path) -> None:
    program, *arguments = command.split()
    desk.cloud.run(program, *arguments)


def makes_the_tunnel_anew(desk: Desk, command: str, _: Path) -> None:
    network = desk.cloud.network(port_security_enabled=False)
    tunnel = f"vxlan-{network['provider:segmentation_id']}"
    desk.cloud.port(network, HOST)
    wait(lambda: tunnel in desk.host.links(), "the tunnel")
    before = desk.host.links()[tunnel]["ifindex"]
    desk.type(f"{command} {tunnel}")
    wait(lambda: desk.host.links()[tunnel]["ifindex"] != before, "another tunnel")


def holds_all_it_claims(desk: Desk, command: str, _: Path) -> None:
    assert "checks held" in desk.type(command)


def _there(desk: Desk, command: str) -> str:
    """The agent's own file is no other than the one it was started with."""
    file = desk.host.agent.config_file
    return command.replace("vif-agentctl", f"vif-agentctl --config-file {file}")


def _agent(desk: Desk) -> str:
    (agent,) = desk.cloud.api.list("agent", host=HOST)
    return str(agent["id"])


Check = Callable[[Desk, str, Path], None]
#: by the command as the document has it
CHECKS: dict[str, Check] = {
    "pip install '.[neutron]'": installs,
    "pip install .": installs,
    "neutron-db-manage upgrade head": upgrades_the_database,
    "ip link delete": makes_the_tunnel_anew,
    "openstack network agent list": lists_the_agent,
    "openstack network agent show": shows_the_agent,
    "openstack network agent delete": deletes_the_agent,
    "openstack port set --no-security-group PORT": says_that_ports_are_open,
    "openstack port set --no-security-group --disable-port-security PORT": says_that_ports_are_open,
    "openstack network set --disable-port-security NETWORK": says_it_of_networks,
    "vif-agentctl status": tells_of_neutron,
    "vif-agentctl health": finds_it_well,
    "vif-agentctl list": tells_of_ports,
    "scripts/demo --neutron": holds_all_it_claims,
}
#: and those that a whole test of its own is about
ELSEWHERE = dict.fromkeys(
    (
        "vif-agent-neutron prepare",
        "vif-agent-neutron prepare --apply",
        "vif-agent-neutron adopt HOST",
        "vif-agent-neutron adopt HOST --apply",
        "vif-agent-neutron return HOST --apply",
        "vif-agentctl inherit",
        "vif-agentctl inherit --apply",
        "vif-agentctl inherit --apply --firewall",
    ),
    "tests/neutron_server/test_adoption.py::test_the_document_says_no_other_commands",
)
#: no scratch host has systemd: the tests start and end what these name
NOT_HERE = {
    f"systemctl {what} --now {unit}"
    for what in ("enable", "disable")
    for unit in ("vif-agent", "neutron-linuxbridge-agent")
}


@pytest.fixture(scope="module")
def desk(isolated: None) -> Iterator[Desk]:
    strict = {"ml2_vif_agent": {"security_groups": "not_bound"}}
    with ExitStack() as stack:
        stack.enter_context(netns.fresh_netns())  # the other tests' cloud stays in the old one
        cloud = stack.enter_context(Cloud(options=strict))
        host = stack.enter_context(cloud.hypervisor(HOST))
        cloud.wait_agents(HOST)
        yield Desk(cloud, host)


@pytest.mark.parametrize("command", CHECKS)
def test_command_does_what_the_document_says(desk: Desk, command: str, tmp_path: Path) -> None:
    assert command in commands(DOCUMENT)
    CHECKS[command](desk, command, tmp_path)
    desk.cloud.remove_all()
