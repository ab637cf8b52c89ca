"""From Neutron 25 with its linux bridge driver to this, host by host, and back, while guests of a
flat network and of a VXLAN one talk all the time, with port security and without."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.neutron_server.linux_bridge import VENV, LinuxBridgeHost
from tests.support import packets
from tests.support.traffic import Flow, Traffic
from vif_agent.neutron.adoption.ports import LINUX_BRIDGE_AGENT, VIF_AGENT
from vif_agent.testing import processes
from vif_agent.testing.frames import TapEnd, crosses
from vif_agent.testing.netns import Namespace
from vif_agent.testing.neutron.agree import agree
from vif_agent.testing.neutron.api import Json
from vif_agent.testing.neutron.cloud import Cloud
from vif_agent.testing.processes import wait_until

DOC = Path(__file__).parents[2] / "docs/neutron.md"
KINDS = ("flat", "vxlan")
#: of two guests: their network, and whether they have port security
PAIRS = [(kind, secured) for kind in KINDS for secured in (True, False)]
INTERVAL = 0.03  # seconds: what a machine that runs two Neutrons carries
OPTIONS: dict[str, dict[str, object]] = {
    # else a busy machine "revives" the linux bridge agent, which makes its rules anew, with gaps
    "DEFAULT": {"agent_down_time": 75},
    "experimental": {"linuxbridge": "true"},
    "ml2_vif_agent": {"security_groups": "ignored"},
}
DRIVERS = "vif_agent,linuxbridge,l2population"


class Moving:
    """A cloud with two hosts, each with two guests on each network."""

    def __init__(self, cloud: Cloud, one: LinuxBridgeHost, two: LinuxBridgeHost) -> None:
        self.cloud = cloud
        self.one, self.two = one, two
        self.networks = {
            kind: cloud.network(kind, cidr=f"10.{number}.0.0/16")
            for number, kind in enumerate(KINDS)
        }
        self.ports: dict[tuple[str, str, bool], Json] = {}
        self.ends: dict[tuple[str, str, bool], TapEnd] = {}
        self.traffic: dict[tuple[str, bool], Traffic] = {}
        self.excused: dict[Flow, set[int]] = {}
        self.commands: set[str] = set()

    def start_guests(self, stack: contextlib.ExitStack) -> None:
        for host in (self.one, self.two):
            for kind, secured in PAIRS:
                fields = {} if secured else {"port_security_enabled": False, "security_groups": []}
                port = self.cloud.port(self.networks[kind], host.name, **fields)
                name = host.add_guest(port)
                self.ports[host.name, kind, secured] = port
                self.ends[host.name, kind, secured] = stack.enter_context(host.opened(name))
        for port in self.ports.values():
            self.is_active(port)

    def start_traffic(self, stack: contextlib.ExitStack) -> None:
        for pair in PAIRS:
            ends = [self.ends[name, *pair] for name in ("one", "two")]
            ports = [self.ports[name, *pair] for name in ("one", "two")]
            macs = [port["mac_address"] for port in ports]
            one, two = zip(ends, macs, strict=True)
            assert crosses(one[0], two[0], source_mac=one[1])
            addresses = (_address(ports[0]), _address(ports[1]))
            self.traffic[pair] = stack.enter_context(Traffic(one, two, INTERVAL, addresses))

    def is_active(self, port: Json) -> None:
        self.cloud.api.wait("port", port["id"], lambda it: it["status"] == "ACTIVE")

    def lost(self) -> list[str]:
        """So far, but for what is on its way."""
        return [
            f"{pair}: {len(lost)} of {flow.sent} lost: {lost[:3]}"
            for pair, traffic in self.traffic.items()
            for flow in traffic.flows
            if (lost := sorted(_lost(flow) - self.excused.get(flow, set())))
        ]

    def excuse(self, host: LinuxBridgeHost) -> None:
        """The linux bridge agent makes its rules of ebtables anew whenever it starts, or has missed
        something: first what drops, then what permits what its guests send."""
        time.sleep(60 * INTERVAL)
        for (_, secured), traffic in self.traffic.items():
            if secured:
                flow = traffic.flows[host is self.two]
                self.excused[flow] = _lost(flow)

    def tool(self, *arguments: str, status: int = 0) -> list[str]:
        """Lines of vif-agent-neutron."""
        self.commands.add(" ".join(("vif-agent-neutron", *arguments)))
        controller = self.cloud.controllers[0]
        done = subprocess.run(
            [str(controller.venv / "bin/python"), "-m", "vif_agent.neutron.adoption.command",
             *arguments, "--config-file", str(controller.config)],
            env=controller.environment(), capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout.splitlines()

    def vif_types(self, host: str) -> set[str]:
        return {self.cloud.api.show("port", port["id"])["binding:vif_type"]
                for (where, *_), port in self.ports.items() if where == host}  # fmt: skip

    def indexes(self, host: LinuxBridgeHost) -> dict[str, int]:
        ours = ("tap", "brq", "vxlan-")
        return {n: link["ifindex"] for n, link in host.links().items() if n.startswith(ours)}

    def inherits(self, host: LinuxBridgeHost, *options: str) -> list[str]:
        """Lines of vif-agentctl inherit."""
        self.commands.add(" ".join(("vif-agentctl inherit", *options)))
        return host.inherits(*options)

    def to_ours(self, host: LinuxBridgeHost) -> None:
        host.stop_former()
        self.starts(host, VIF_AGENT, host.start_agent)
        self.tool("adopt", host.name, "--apply")
        agree(self.cloud, host)

    def to_theirs(self, host: LinuxBridgeHost) -> None:
        host.stop_agent()
        self.starts(host, LINUX_BRIDGE_AGENT, host.start_former)
        self.tool("return", host.name, "--apply")

    def starts(self, host: LinuxBridgeHost, agent: str, start: Callable[[], None]) -> None:
        """Returns when it has told Neutron."""
        before = self._started(host, agent)
        start()
        wait_until(lambda: self._started(host, agent) != before, f"{agent}'s report", timeout=90)

    def _started(self, host: LinuxBridgeHost, agent: str) -> str:
        found = self.cloud.api.list("agent", agent_type=agent, host=host.name)
        return str(found and found[0]["started_at"])


def _lost(flow: Flow) -> set[int]:
    return {number for number in range(flow.sent - 50) if number not in flow.arrived}


def _address(port: Json) -> str:
    address: str = port["fixed_ips"][0]["ip_address"]
    return address


@pytest.fixture(scope="module")
def former(isolated: None) -> Iterator[Cloud]:
    """In a network namespace of its own: others' clouds have the same addresses."""
    with contextlib.ExitStack() as stack:
        namespace = Namespace()
        stack.callback(namespace.close)
        stack.enter_context(namespace.entered())
        yield stack.enter_context(Cloud(drivers=DRIVERS, options=OPTIONS, venv=VENV))


@pytest.fixture(scope="module")
def moving(former: Cloud) -> Iterator[Moving]:
    options: dict[str, dict[str, Any]] = {"neutron": {"vxlan_peers": "true"}}
    tunnels = {"l2_population": "true"}
    with contextlib.ExitStack() as stack:
        one, two = (
            stack.enter_context(LinuxBridgeHost(former, name, options, tunnels))
            for name in ("one", "two")
        )
        moving = Moving(former, one, two)
        for host in (one, two):
            moving.starts(host, LINUX_BRIDGE_AGENT, host.start_former)
        moving.start_guests(stack)
        moving.start_traffic(stack)
        yield moving


def test_neutron_25_runs_with_both_drivers(former: Cloud) -> None:
    assert former.api.list("port") == []


def test_ports_are_bound_by_the_linux_bridge_driver_at_first(moving: Moving) -> None:
    assert moving.vif_types("one") == moving.vif_types("two") == {"bridge"}


def test_nothing_is_moved_while_the_former_agent_runs(moving: Moving) -> None:
    *_, counts, why = moving.tool("adopt", "one", "--apply", status=1)
    assert counts.startswith("one: 4 to change")
    assert why == (
        "one: nothing of it can change: no vif-agent of one has ever reported: start it first"
    )
    assert moving.vif_types("one") == {"bridge"}


def test_tunnel_ends_are_made_known_first(moving: Moving) -> None:
    assert moving.tool("prepare")[-1] == "2 tunnel ends to make known, 0 are known"
    assert moving.tool("prepare", "--apply")[-1] == "2 tunnel ends made known, 0 are known"
    assert moving.tool("prepare", "--apply")[-1] == "0 tunnel ends made known, 2 are known"


def test_a_host_is_moved(moving: Moving) -> None:
    before = moving.indexes(moving.one)
    moving.one.stop_former()
    moving.starts(moving.one, VIF_AGENT, moving.one.start_agent)
    shown = moving.tool("adopt", "one")
    assert (
        shown[-1] == "one: 4 to change (2 flat, 2 vxlan), 0 refused, 0 are so, 0 of other drivers"
    )
    assert moving.vif_types("one") == {"bridge"}
    done = moving.tool("adopt", "one", "--apply")
    assert done[-2] == (
        "one: 4 changed (2 flat, 2 vxlan), 0 refused, 0 were so before, 0 of other drivers"
    )
    assert done[-1] == "one: nova told to read 4 ports anew, 0 times in vain"
    assert moving.vif_types("one") == {"tap"}
    agree(moving.cloud, moving.one)
    assert moving.indexes(moving.one) == before
    assert moving.lost() == []


def test_moved_again_it_is_as_it_was(moving: Moving) -> None:
    assert moving.tool("adopt", "one", "--apply")[-2] == (
        "one: 0 changed, 0 refused, 4 were so before, 0 of other drivers"
    )


def test_what_was_left_behind_is_handed_over(moving: Moving) -> None:
    shown = moving.inherits(moving.one)
    assert shown[-1] == f"# {len(shown) - 1} commands, none is run: see --apply"
    vxlan = next(name for name in moving.one.links() if name.startswith("vxlan-"))
    with moving.one.entered():
        known = processes.run(("bridge", "fdb", "show", "dev", vxlan), os.environ)
    guests = [moving.ports["two", "vxlan", secured]["mac_address"] for secured in (True, False)]
    tag = f"ip link set dev {vxlan} alias 'vif-agent shared'"
    entries = {
        f"bridge fdb del {mac} dev {vxlan} dst {moving.two.address}"
        for mac in guests
        if mac in known  # Neutron tells of each when it is ACTIVE: perhaps too late
    }
    assert entries
    assert {*shown[:-1]} == {tag, *entries}
    assert moving.inherits(moving.one, "--apply")[-1] == f"# {len(entries) + 1} commands"
    assert moving.inherits(moving.one) == ["# 0 commands, none is run: see --apply"]
    agree(moving.cloud, moving.one)
    assert moving.lost() == []


def test_guests_that_come_hear_each_other_from_host_to_host(moving: Moving) -> None:
    for network in moving.networks.values():
        here, there = (moving.cloud.port(network, name) for name in ("one", "two"))
        with moving.one.guest(here) as end, there_of(moving, there) as other:
            moving.is_active(here)
            moving.is_active(there)
            reaches(end, other, here, there)
            reaches(other, end, there, here)
        for port in (here, there):
            moving.cloud.api.delete("port", port["id"])
    assert moving.lost() == []


def reaches(end: TapEnd, other: TapEnd, source: Json, target: Json) -> None:
    """Also where it must be flooded, and as soon as its rules are there."""
    mark = f"{source['id']} says".encode()
    packet = packets.ip4(_address(source), _address(target), packets.UDP, packets.udp(7, 7, mark))
    macs = source["mac_address"], target["mac_address"]
    for _ in range(300):
        end.send(packets.ether(*macs, packets.IPV4, packet))
        if other.receive(mark, 0.1):
            return
    raise AssertionError(f"{source} does not reach {target}")


@contextlib.contextmanager
def there_of(moving: Moving, port: Json) -> Iterator[TapEnd]:
    """A guest of the host that still has the linux bridge agent."""
    name = moving.two.add_guest(port)
    try:
        with moving.two.opened(name) as end:
            yield end
    finally:
        moving.two.ip("link", "delete", name)


def test_rules_of_the_former_agent_go(moving: Moving) -> None:
    assert len(moving.inherits(moving.one, "--apply", "--firewall")) > 10
    assert moving.inherits(moving.one, "--firewall") == ["# 0 commands, none is run: see --apply"]
    assert moving.lost() == []


def test_it_goes_back(moving: Moving) -> None:
    before = moving.indexes(moving.one)
    moving.to_theirs(moving.one)
    assert moving.vif_types("one") == {"bridge"}
    for (where, *_), port in moving.ports.items():
        if where == "one":
            moving.is_active(port)
    assert moving.indexes(moving.one) == before
    rules = "its rules of both guests with port security"
    wait_until(lambda: len(moving.one.inherits("--firewall")) > 12, rules, timeout=60)
    moving.one.stop_former()
    moving.excuse(moving.one)
    assert moving.lost() == []


@pytest.mark.timeout(600)  # one Neutron stops, a database is migrated, another starts
def test_neutron_is_upgraded_while_one_host_has_ours_and_one_the_former_agent(
    moving: Moving,
) -> None:
    moving.to_ours(moving.one)
    moving.cloud.upgrade("vif_agent,l2population")
    agree(moving.cloud, moving.one)
    moving.excuse(moving.two)
    assert moving.lost() == []


def test_the_last_host_is_moved(moving: Moving, figures: Callable[[str], None]) -> None:
    moving.two.stop_former()
    moving.excuse(moving.two)
    moving.to_ours(moving.two)
    moving.inherits(moving.two, "--apply", "--firewall")
    assert moving.vif_types("two") == {"tap"}
    agree(moving.cloud, moving.one, moving.two)
    assert moving.lost() == []
    for (kind, secured), traffic in moving.traffic.items():
        gaps = sum(len(moving.excused.get(flow, ())) for flow in traffic.flows)
        figures(
            f"from Neutron 25 to ours, {kind}, {'with' if secured else 'without'} port security: "
            f"{traffic.sent} frames, 0 lost by us, {gaps} by the linux bridge agent's starts"
        )


def test_the_document_says_no_other_commands(moving: Moving) -> None:
    section = DOC.read_text().partition("## From Neutron's linux bridge agent\n")[2]
    ours = re.findall(r"\n    (vif-agent(?:-neutron|ctl inherit).*?)(?= +#|\n)", section)
    assert len(ours) == 8
    assert {line.replace("HOST", "one") for line in ours} <= moving.commands
