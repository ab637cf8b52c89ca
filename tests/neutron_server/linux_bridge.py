"""A host of a cloud with Neutron 25's own linux bridge agent, as it was before ours came."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from vif_agent.testing import processes
from vif_agent.testing.neutron import configuration
from vif_agent.testing.neutron.cloud import Cloud
from vif_agent.testing.neutron.configuration import PHYSNET, REPORT_INTERVAL, Options
from vif_agent.testing.neutron.controller import TREE
from vif_agent.testing.neutron.hypervisor import SEEING, Hypervisor
from vif_agent.testing.neutron.wires import PHYSICAL

#: Neutron 25's, the last that had the driver and the agent
VENV = Path(os.environ.get("VIF_AGENT_NEUTRON_25") or TREE / ".venv-neutron-25")


class LinuxBridgeHost(Hypervisor):
    """Our agent does not run at first. ``tunnels``: options of the other's group ``vxlan``."""

    def __init__(self, cloud: Cloud, name: str, options: Options, tunnels: dict[str, Any]) -> None:
        super().__init__(cloud, name, options, started=False)
        self._tunnels = tunnels
        self._former: processes.Process | None = None

    def __exit__(self, *given: object) -> None:
        self.stop_former()
        super().__exit__(*given)

    def start_former(self) -> None:
        """neutron-linuxbridge-agent; returns while it is coming up."""
        directory = self.scratch.directory / "linuxbridge"
        directory.mkdir(exist_ok=True)
        file = directory / "agent.conf"
        file.write_text(configuration.as_text(self._formers_options(directory)))
        argv = (*SEEING, str(VENV / "bin/neutron-linuxbridge-agent"), "--config-file", str(file))
        environment = {
            **os.environ,
            "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}",
            "PYTHONWARNINGS": "ignore",
        }
        with self.entered():
            self._former = processes.start(argv, environment, directory / "log")

    def stop_former(self) -> None:
        """As systemd does."""
        processes.end(self._former, timeout=60)
        self._former = None

    def log_of_former(self) -> str:
        return (self.scratch.directory / "linuxbridge/log").read_text(errors="replace")

    def inherits(self, *options: str) -> list[str]:
        """Lines of vif-agentctl inherit."""
        program = str(Path(sys.executable).parent / "vif-agentctl")
        argv = (program, "--config-file", str(self.agent.config_file), "inherit", *options)
        with self.entered():
            return processes.run(argv, os.environ).splitlines()

    def add_guest(self, port: dict[str, Any]) -> str:
        """By nova and libvirt's ``<interface type='bridge'>``: the bridge is there before the tap,
        whoever comes first makes it; answers the tap's name."""
        bridge = "brq" + port["network_id"][:11]
        if bridge not in self.links():
            self.ip("link", "add", bridge, "up", "type", "bridge", "forward_delay", "0",
                    "stp_state", "0", "mcast_snooping", "0")  # fmt: skip
        name = self.add_tap(port)
        self.ip("link", "set", name, "master", bridge, "txqueuelen", "10000")
        return name

    def _formers_options(self, directory: Path) -> Options:
        return {
            "DEFAULT": {
                "host": self.name,
                "transport_url": self._cloud.rabbit.url,
                "state_path": directory / "state",
            },
            "oslo_concurrency": {"lock_path": directory / "locks"},
            "experimental": {"linuxbridge": "true"},
            "linux_bridge": {"physical_interface_mappings": f"{PHYSNET}:{PHYSICAL}"},
            "vxlan": {"local_ip": self.address, **self._tunnels},
            "securitygroup": {"firewall_driver": "iptables"},
            "agent": {
                "report_interval": REPORT_INTERVAL,
                "polling_interval": 1,
                "root_helper": "env",
            },
        }
