"""The two contenders: a hypervisor each, with the L2 agent that Neutron's driver asks for."""

from __future__ import annotations

import struct
import threading
from fcntl import ioctl
from pathlib import Path
from socket import socket
from typing import Any

from bench.ovsdb import Ovsdb
from vif_agent.helper import taps
from vif_agent.testing import processes
from vif_agent.testing.neutron.api import Json
from vif_agent.testing.neutron.cloud import Cloud
from vif_agent.testing.neutron.configuration import as_text
from vif_agent.testing.neutron.hypervisor import Hypervisor, tap_of

OURS, THEIRS = "vif-agent", "ML2/OVS"
HOST = "compute-1"
_BRIDGE = "br-int"
_OVSDB = "127.0.0.1:6640"  # as ever with Neutron: the hypervisor has a loopback of its own
_TUN = "/dev/net/tun"
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1


class Ours(Hypervisor):
    """A tap is all: the agent finds it."""

    drivers = "vif_agent"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud, HOST, {})

    def plug(self, port: Json) -> None:
        """As nova does, with libvirt."""
        with self.entered():
            _make_tap(tap_of(port["id"]))

    def unplug(self, ports: list[Json]) -> None:
        """All, as fast as it goes."""
        lines = "\n".join(f"link del {tap_of(port['id'])}" for port in ports)
        batch = self.scratch.directory / "batch"
        batch.write_text(lines + "\n")
        self.ip("-batch", str(batch))

    def pids(self) -> list[int]:
        """What works for Neutron on the host."""
        assert self.agent.process
        return [self.agent.process.pid]


class OfOvs(Ours):
    """Its agent takes what is in br-int with a port's UUID as iface-id, as nova puts it there."""

    drivers = "openvswitch"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._cloud = cloud
        self._local = threading.local()

    def start_agent(self) -> None:
        """Neutron's own, in the place of ours."""
        directory = self.scratch.directory / "neutron"
        directory.mkdir()
        controller = self._cloud.controllers[0]
        config = directory / "ovs.conf"
        config.write_text(as_text(self._config(directory)))
        host, _, port = _OVSDB.partition(":")
        self.scratch.ovs.appctl("ovsdb-server", "ovsdb-server/add-remote", f"ptcp:{port}:{host}")
        argv = (*controller.argv("neutron-openvswitch-agent"), "--config-file", str(config))
        with self.entered():
            directories = {"OVS_RUNDIR": str(self.scratch.ovs.directory)}  # for its ovs-vsctl
            self._process = processes.start(
                argv, controller.environment() | directories, directory / "agent.log"
            )

    def stop_agent(self) -> None:
        """It may take its time."""
        processes.end(self._process, timeout=30)

    def plug(self, port: Json) -> None:
        """In one transaction, by one connection for each thread."""
        name = tap_of(port["id"])
        with self.entered():
            _make_tap(name)
        ids = {
            "iface-id": port["id"],
            "iface-status": "active",
            "attached-mac": port["mac_address"],
            "vm-uuid": port["device_id"],
        }
        self._ovsdb().add_port(_BRIDGE, name, ids)

    def unplug(self, ports: list[Json]) -> None:
        """See Ours."""
        for port in ports:
            self._ovsdb().delete_port(_BRIDGE, tap_of(port["id"]))
        super().unplug(ports)

    def pids(self) -> list[int]:
        """The switch works for it, as the kernel does for ours."""
        assert self.scratch.ovs.vswitchd
        assert self.scratch.ovs.ovsdb
        return [self._process.pid, self.scratch.ovs.vswitchd.pid, self.scratch.ovs.ovsdb.pid]

    def _ovsdb(self) -> Ovsdb:
        if not hasattr(self._local, "ovsdb"):
            self._local.ovsdb = Ovsdb(self.scratch.ovs.connection)
        ovsdb: Ovsdb = self._local.ovsdb
        return ovsdb

    def _config(self, directory: Path) -> dict[str, dict[str, Any]]:
        return {
            "DEFAULT": {"host": HOST, "state_path": directory, "debug": False},
            "ovs": {
                "ovsdb_connection": f"tcp:{_OVSDB}",
                "datapath_type": "netdev",
                "local_ip": self.address,
            },
            "agent": {"tunnel_types": "vxlan", "root_helper": "env", "report_interval": 30},
            "securitygroup": {"firewall_driver": "noop", "enable_security_group": "false"},
        }


SIDES: dict[str, type[Ours]] = {OURS: Ours, THEIRS: OfOvs}


def _make_tap(name: str) -> None:
    with taps.creating(_TUN, name, multi_queue=False, owner=None):
        pass
    with socket() as control:
        ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", name.encode(), _IFF_UP))
