"""A whole small cloud of Neutron's: see the package's own words."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from vif_agent.bus.api import VifAgentAPI
from vif_agent.testing import processes
from vif_agent.testing.daemon import transport
from vif_agent.testing.neutron import configuration
from vif_agent.testing.neutron.api import Json, NeutronApi, Refused
from vif_agent.testing.neutron.configuration import PHYSNET, Options
from vif_agent.testing.neutron.controller import API, PERIODIC, RPC, TREE, Controller
from vif_agent.testing.neutron.hypervisor import Hypervisor
from vif_agent.testing.neutron.mariadb import PrivateMariaDb
from vif_agent.testing.neutron.nova_api import NovaApi
from vif_agent.testing.neutron.sql import Sql
from vif_agent.testing.neutron.wires import CONTROL, Wires
from vif_agent.testing.rabbit import PrivateRabbit

VENV = Path(os.environ.get("VIF_AGENT_NEUTRON") or TREE / ".venv-neutron-29")


class Cloud:
    """``options`` of neutron.conf: {group: {option: value}}; ``venv``: of another Neutron."""

    def __init__(
        self,
        controllers: int = 1,
        drivers: str = "vif_agent",
        options: Options | None = None,
        venv: Path = VENV,
        api_processes: int = 1,
    ) -> None:
        self._size = controllers, api_processes
        self._options = [{"ml2": {"mechanism_drivers": drivers}}, options or {}]
        self._venv = venv
        self.controllers: list[Controller] = []

    def __enter__(self) -> Self:
        if not self._venv.exists():
            raise FileNotFoundError(f"{self._venv}: scripts/neutron makes it")
        with contextlib.ExitStack() as stack:
            self.directory = Path(tempfile.mkdtemp(prefix="vif-agent-neutron-"))
            stack.callback(self._remove_directory)
            self.directory.chmod(0o711)
            self.wires = stack.enter_context(Wires())
            self.nova = stack.enter_context(NovaApi())
            self._launch_services(stack)
            self._start_controllers(stack)
            self.sql = Sql(self._venv / "bin/python", self.database.socket)
            stack.callback(self.sql.close)
            messaging = transport(self.rabbit.url)
            stack.callback(messaging.cleanup)
            self.agents = VifAgentAPI(transport=messaging, timeout=10)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def api(self) -> NeutronApi:
        """The first controller's."""
        return self.controllers[0].api

    def hypervisor(self, name: str, options: Options | None = None) -> Hypervisor:
        """To be entered: its agent runs then. ``options`` of vif-agent.conf."""
        return Hypervisor(self, name, options or {})

    def network(
        self, kind: str = "vxlan", cidr: str = "10.1.0.0/16", dhcp: bool = False, **fields: object
    ) -> Json:
        """With a subnet. ``kind``: local, flat, vlan or vxlan."""
        segment: Json = {"provider:network_type": kind}
        if kind in ("flat", "vlan"):
            segment["provider:physical_network"] = PHYSNET
        network = self.api.create("network", **{"name": kind, **segment, **fields})
        subnet = {"network_id": network["id"], "cidr": cidr, "ip_version": 4, "enable_dhcp": dhcp}
        self.api.create("subnet", **subnet)
        return network

    def port(self, network: Json, host: str, **fields: object) -> Json:
        """As nova makes one for a guest on this host."""
        return self.api.create("port", **guests_port(network, host, **fields))

    def remove_all(self) -> None:
        """Every port and network."""
        for kind in ("port", "network"):
            for one in self.api.list(kind):
                self.api.delete(kind, one["id"])

    def wait_agents(self, *hosts: str, alive: bool = True, timeout: float = 60) -> None:
        """Until Neutron thinks so of all of these."""
        wanted = f"agents on {hosts} {'alive' if alive else 'down'}"
        wait(lambda: all(self._alive(host) is alive for host in hosts), wanted, timeout)

    def _alive(self, host: str) -> bool | None:
        agents = self.api.list("agent", agent_type="vif-agent", host=host)
        return bool(agents[0]["alive"]) if agents else None

    def run(self, program: str, *arguments: str, timeout: float = 300) -> str:
        """What a program of the venv prints, with Neutron's configuration in its environment."""
        controller = self.controllers[0]
        argv = (*controller.argv(program), *arguments)
        return processes.run(argv, controller.environment(), timeout)

    def python(self, code: str, *arguments: str) -> str:
        """What this prints, run by the venv's Python."""
        argv = (str(self._venv / "bin/python"), "-W", "ignore", "-c", code, *arguments)
        return processes.run(argv, self.controllers[0].environment())

    def wait_workers(self, count: int, timeout: float = 120) -> None:
        """Until so many of them listen for the agents, of all controllers together."""
        wait(lambda: self._consumers("q-plugin") == count, f"{count} RPC workers", timeout)

    def logs(self, part: str) -> str:
        """Of all controllers."""
        return "".join(controller.log(part) for controller in self.controllers)

    def upgrade(self, drivers: str, venv: Path = VENV) -> None:
        """All controllers stop; another Neutron goes on with the database and the agents."""
        for controller in self.controllers:
            controller.stop()
        self._venv = venv
        self._options[0] = {"ml2": {"mechanism_drivers": drivers}}
        first = len(self.controllers) + 1
        self.controllers = [self._controller(first + number) for number in range(self._size[0])]
        self.run("neutron-db-manage", "upgrade", "head")
        self._run_controllers(self._stack)

    def _launch_services(self, stack: contextlib.ExitStack) -> None:
        self.rabbit = PrivateRabbit(self._subdirectory("rabbit"), address=CONTROL)
        self.database = PrivateMariaDb(self._subdirectory("db"))
        for service in (self.rabbit, self.database):
            stack.callback(service.stop)
        self.rabbit.launch()

    def _start_controllers(self, stack: contextlib.ExitStack) -> None:
        self.controllers = [self._controller(number) for number in range(1, self._size[0] + 1)]
        self._start_database()
        self.rabbit.wait_ready()
        self._run_controllers(stack)

    def _run_controllers(self, stack: contextlib.ExitStack) -> None:
        for controller in self.controllers:
            stack.callback(controller.stop)
            controller.launch(API, RPC, PERIODIC)
        for controller in self.controllers:
            controller.wait_api()
        self.wait_workers(self._workers())

    def _start_database(self) -> None:
        """Its migrations take seconds of CPU: once for each release."""
        (release,) = self._venv.glob("lib/python3*/site-packages/neutron-[0-9]*.dist-info")
        kept = self._venv / f"database-of-{release.stem}"
        if kept.exists():
            shutil.copytree(kept, self.database.data)
            self.database.start()
            return
        self.database.start()
        self.run("neutron-db-manage", "upgrade", "head")
        self.database.stop()
        self._keep_database(kept)
        self.database.start()

    def _keep_database(self, kept: Path) -> None:
        """Whole or not at all; somebody else may have been faster."""
        new = Path(tempfile.mkdtemp(dir=self._venv))
        shutil.copytree(self.database.data, new, dirs_exist_ok=True)
        try:
            new.rename(kept)
        except OSError:
            shutil.rmtree(new)

    def _workers(self) -> int:
        """neutron-rpc-server has a process more than rpc_workers, for reports alone."""
        wanted: Any = self._options[1].get("DEFAULT", {}).get("rpc_workers", 2)
        return int(wanted) * self._size[0]

    def _controller(self, number: int, options: Options | None = None) -> Controller:
        directory = self._subdirectory(f"controller{number}")
        config = configuration.write(
            directory,
            [*self._options, options or {}],
            database=self.database.url,
            bus=self.rabbit.url,
            nova=self.nova.url,
            paste=str(self._venv / "etc/neutron/api-paste.ini"),
        )
        return Controller(self._venv, directory, config, self._size[1])

    @contextlib.contextmanager
    def another_api(self, options: Options) -> Iterator[Controller]:
        """A controller with the API alone, and options of its own."""
        controller = self._controller(len(self.controllers) + 1, options)
        controller.launch(API)
        try:
            controller.wait_api()
            yield controller
        finally:
            controller.stop()
            shutil.rmtree(controller.directory)

    def _consumers(self, queue: str) -> int:
        table = self.rabbit.ctl("-q", "--no-table-headers", "list_queues", "name", "consumers")
        counts = dict(line.rsplit("\t", 1) for line in table.splitlines())
        return int(counts.get(queue, 0))

    def _subdirectory(self, name: str) -> Path:
        path = self.directory / name
        path.mkdir(0o711)
        return path

    def _remove_directory(self) -> None:
        if not os.environ.get("VIF_AGENT_KEEP"):
            shutil.rmtree(self.directory, ignore_errors=True)


def guests_port(network: Json, host: str, **fields: object) -> Json:
    """What nova asks Neutron for; a guest of its own."""
    return {
        "network_id": network["id"],
        "device_id": str(uuid.uuid4()),
        "device_owner": "compute:nova",
        "binding:host_id": host,
        **fields,
    }


def wait(reached: Callable[[], object], what: str, timeout: float = 60) -> None:
    """Until it is so; an error while looking is a look too early."""
    deadline, last = time.monotonic() + timeout, ""
    while time.monotonic() < deadline:
        try:
            if reached():
                return
        except (OSError, LookupError, Refused, RuntimeError) as error:
            last = repr(error)
        time.sleep(0.1)
    raise TimeoutError(f"not in {timeout} s: {what}; {last}")
