"""A compute node in a machine: the agent as a service, Open vSwitch and a broker beside it."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.service.machine import TREE, Machine
from vif_agent.testing import processes

PACKAGES = (
    "network-manager", "nftables", "openvswitch-switch", "python3-venv", "rabbitmq-server",
)  # fmt: skip
UNIT = "vif-agent.service"
CONFIG = "etc/vif-agent/vif-agent.conf"
PREFIX = "/opt/vif-agent"
_SOURCE = "/opt/source"
_OPTIONS = {"bridge": {"create_tap": True}}
_INSTALL = f"""
systemctl disable --now NetworkManager NetworkManager-wait-online
cd {_SOURCE}
python3 -m venv {PREFIX}
{PREFIX}/bin/pip install -q -c constraints.txt .
{PREFIX}/bin/vif-agent-setup install
ln -sf /bin/true /usr/share/openvswitch/scripts/ovs-kmod-ctl  # this kernel has no module
systemctl restart ovsdb-server openvswitch-switch
ovs-vsctl --may-exist add-br br-int -- set bridge br-int datapath_type=netdev
"""

Options = Mapping[str, Mapping[str, object]]


class Compute:
    """Installed as README says, but that nothing is started. Its broker is its own."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.run = machine.run

    def install(self) -> None:
        """What lies in this tree."""
        listed = ("git", "-C", str(TREE), "ls-files", "-co", "--exclude-standard")
        with tempfile.TemporaryDirectory() as directory:
            for name in processes.run(listed, os.environ).splitlines():
                target = Path(directory, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes((TREE / name).read_bytes())
            self.machine.copy_in(Path(directory), _SOURCE)
        self.run(_INSTALL, online=True, timeout=900)
        self.configure()
        self.run(f"systemctl enable --now {UNIT}", timeout=300)

    def configure(self, more: Options | None = None, text: str = "") -> None:
        """With these options beside those that all tests need, or with ``text`` alone."""
        groups = {name: {**(more or {}).get(name, {})} for name in {*_OPTIONS, *(more or {})}}
        for name, values in _OPTIONS.items():
            groups[name] = {**values, **groups[name]}
        lines = [
            f"[{name}]\n" + "".join(f"{option} = {value}\n" for option, value in values.items())
            for name, values in groups.items()
        ]
        (self.machine.files / CONFIG).write_text(text or "".join(lines))

    def cast(self, what: str, payload: str, wait: float = 60) -> str:
        """The state that the port has then, of a cast that is waited for."""
        file = f"{_SOURCE}/examples/payloads/{payload}.json"
        caster = f"{_SOURCE}/tests/service/cast.py"
        told = self.run(
            f"cd / && {PREFIX}/bin/python -W ignore {caster} {what} {file} {wait}",
            timeout=wait + 60,
        )
        return str(json.loads(told).get("state", ""))

    def plug(self, *payloads: str) -> None:
        for payload in payloads:
            assert self.cast("plug_vif", payload) == "ready", payload

    def unplug(self, *payloads: str) -> None:
        for payload in payloads:
            assert self.cast("unplug_vif", payload) == "unplugged", payload

    def shown(self, name: str) -> str:
        """A property of the unit."""
        return self.run(f"systemctl show --value -p {name} {UNIT}").strip()

    def pid(self) -> int:
        """Of the agent, as it is named there; 0 while there is none."""
        return int(self.shown("MainPID"))

    def helper(self) -> int:
        """The agent's first child."""
        pid = self.pid()
        return int(self.run(f"cut -d' ' -f1 /proc/{pid}/task/{pid}/children"))

    def wait(self, is_so: Callable[[], bool], what: str, timeout: float = 180) -> None:
        """A look is a process there, so not as often as it can be looked."""
        deadline = time.monotonic() + timeout
        while not is_so():
            assert time.monotonic() < deadline, (
                f"no {what} after {timeout:g} s:\n{self.journal()[-4000:]}"
            )
            time.sleep(0.3)

    def wait_active(self) -> None:
        self.wait(lambda: self.shown("ActiveState") == "active", "the agent")

    def wait_another(self, than: int) -> None:
        """Another agent than this process, ready."""
        self.wait(lambda: self.pid() not in (0, than), "another agent")
        self.wait_active()

    def journal(self) -> str:
        """What the agent says, and systemd of it."""
        return self.machine.journal("--unit", UNIT, "--output", "cat")

    def hear(self) -> Callable[[], str]:
        """What the journal says of them from now on."""
        before = len(self.journal())
        return lambda: self.journal()[before:]

    @contextmanager
    def drop_in(
        self, *lines: str, more: Options | None = None, wait: bool = True
    ) -> Iterator[None]:
        """With these settings of [Service], and these options; the agent is started anew with them,
        and without. ``wait``: until it is ready."""
        file = self.machine.files / f"run/systemd/system/{UNIT}.d/test.conf"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(("[Service]", *lines, "")))
        self.configure(more)
        restart = f"systemctl daemon-reload; systemctl --no-block restart {UNIT}"
        try:
            before = self.pid()
            self.run(restart)
            if wait:
                self.wait_another(before)
            yield
        finally:
            file.unlink()
            self.configure()
            before = self.pid()
            self.run(restart)
            self.wait_another(before)

    def links(self) -> dict[str, dict[str, Any]]:
        """By name, as `ip` has them."""
        answer = json.loads(self.run("ip -d -j link show"))
        return {link["ifname"]: link for link in answer}
