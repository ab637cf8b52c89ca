"""What README and docs/install.md tell an operator to type, typed as it stands there, on a fresh
Debian: from "Install" to the first port, a reboot, and what else there is to choose; once with the
package, once with a virtual environment.

The tests of one go on from each other, as an operator does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.machine import TREE, Machine, Root, online
from tests.support.documented import section, steps
from vif_agent.testing import processes

README = (TREE / "README.md").read_text()
DOCUMENT = (TREE / "docs" / "install.md").read_text()
CHECKOUT = "/srv/vif-agent"
PORT = "tap5e4179f1-1b"  # of README's cast
#: by README's command, what is in that which it prints
SEEN = {
    "vif-agentctl status": "ready",
    "vif-agentctl health": "healthy",
    "vif-agentctl list": "5e4179f1",
    "vif-agentctl check 5e4179f1": "",
    "vif-agentctl why 5e4179f1": "ready",
    "vif-agentctl watch": "",
    "vif-agentctl topology": PORT,
}
#: by way of installing: where its environment is, and which commands are the other's
WAYS = {
    "environment": (
        "/opt/vif-agent",
        re.compile(r"scripts/package|/vif-agent_|apt (remove|purge)"),
    ),
    "package": ("/usr/lib/vif-agent", re.compile(r"/opt/|venv|vif-agent-setup|pip ")),
}
#: they reach the registries
_FETCHES = re.compile(r"\b(apt|pip)\b.* (install|wheel) ")
#: it runs until Ctrl-C
_WATCHES = re.compile(r"vif-agentctl watch")
_BUILDS = re.compile(r"scripts/package ")


class Desk:
    """Of an operator, root in a checkout on a machine fresh from Debian."""

    def __init__(self, machine: Machine, way: str) -> None:
        self.machine = machine
        self.environment, self._other = WAYS[way]
        # who says yes when apt asks
        machine.run("echo 'APT::Get::Assume-Yes true;' >/etc/apt/apt.conf.d/yes")
        machine.run("apt-get -qq update", online=True)

    def steps(self, text: str) -> list[str]:
        """Those of its way."""
        return [command for command in steps(text) if not self._other.search(command)]

    def type(self, command: str) -> str:
        """What it prints."""
        if _BUILDS.match(command):
            return self._built()
        if _WATCHES.match(command):
            command = f"timeout --signal=INT 5 {command} || test $? = 124"
        there = f"cd {CHECKOUT}\nPATH=$PATH:{self.environment}/bin"
        fetches = _FETCHES.search(command) is not None
        return self.machine.run(f"{there}\n{command}", online=fetches, timeout=900)

    def _built(self) -> str:
        """Here, for it is built on any machine; brought there under the name that is documented."""
        path = online(str(TREE / "scripts" / "package"), self.machine.root.release).strip()
        self.machine.copy_in(Path(path), f"{CHECKOUT}/vif-agent_VERSION_amd64.deb")
        return path


@pytest.fixture(scope="module", params=[way for way in WAYS if WAYS[way][0] in README + DOCUMENT])
def desk(
    release: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    checkout = tmp_path_factory.mktemp("clone") / "vif-agent"
    clone = ("git", "clone", "-q", "--depth=1", f"file://{TREE}", str(checkout))
    processes.run(clone, {"PATH": "/usr/bin:/bin"})
    with Machine(Root(release)) as machine:
        machine.copy_in(checkout, CHECKOUT)
        yield Desk(machine, str(request.param))


@pytest.fixture
def machine(desk: Desk) -> Machine:
    """Whose journal is shown when a test fails."""
    return desk.machine


def test_readme_installs_the_agent_on_a_fresh_debian(desk: Desk, machine: Machine) -> None:
    for command in desk.steps(section(README, "Install")):
        desk.type(command)
    assert machine.run("systemctl is-active vif-agent") == "active\n"
    assert machine.failed() == []


def test_readme_casts_the_first_port(desk: Desk, machine: Machine) -> None:
    text = section(README, "The first cast")
    cast, bridge = steps(text)
    (program,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (machine.files / CHECKOUT.lstrip("/") / "cast.py").write_text(program)
    desk.type(bridge)
    assert "ready" in desk.type(cast.replace("/opt/vif-agent", desk.environment))
    assert PORT in desk.type("ovs-vsctl list-ports br-int")
    assert PORT in desk.type("ls /sys/class/net")


def test_readme_shows_it(desk: Desk, machine: Machine) -> None:
    told = {command: desk.type(command) for command in steps(section(README, "See it"))}
    assert told.keys() == SEEN.keys()
    for command, expected in SEEN.items():
        assert expected in told[command], command


def test_ports_are_back_after_a_reboot(desk: Desk, machine: Machine) -> None:
    """Nothing asks for them: what is enabled starts by itself, in the right order."""
    machine.reboot()
    machine.run(f"until ovs-vsctl list-ports br-int | grep {PORT}; do sleep 0.2; done")
    assert PORT in machine.run("ls /sys/class/net")
    assert machine.failed() == []


def test_document_says_what_else_there_is_to_do(desk: Desk, machine: Machine) -> None:
    """In its order, which ends with nothing left but what was plugged."""
    for command in desk.steps(DOCUMENT):
        if "vif-agentctl" not in command:  # that is for problems, and the agent is gone by then
            desk.type(command.replace("DIR", "/srv/staged"))
    assert PORT in desk.type("ls /sys/class/net")
    others = "-path /srv -prune -o -path /root/.cache/pip -prune"
    found = f"find / -xdev {others} -o -iname '*vif?agent*' -print"
    assert machine.run(found) == ""
    assert "vif-agent" not in machine.run("cat /etc/passwd /etc/group")
