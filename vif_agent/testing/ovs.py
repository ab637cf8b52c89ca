"""A real Open vSwitch of one's own: ovsdb-server and ovs-vswitchd with the userspace datapath."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from pathlib import Path

from vif_agent.testing import processes
from vif_agent.testing.processes import Private, Process

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
_DIRECTORIES = ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR")
_QUIET = ("-vconsole:off", "-vsyslog:off")
_BUMP: list[object] = [
    "Open_vSwitch",
    {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]},
    {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]},
]


class PrivateOvs(Private):
    """Everything (database, sockets, logs) is in `directory`; ovs-vswitchd works in the network
    namespace of the thread that starts it.

    Only bridges with datapath_type=netdev work: no kernel module is needed, and none is used. The
    socket is open to every user who can reach `directory`, so that an agent without root can.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.database = directory / "conf.db"
        self.socket = directory / "db.sock"
        self.connection = f"unix:{self.socket}"
        self.ovsdb: Process | None = None
        self.vswitchd: Process | None = None
        self._env = os.environ | dict.fromkeys(_DIRECTORIES, str(directory))

    def start(self) -> None:
        """Both daemons; returns when they answer."""
        try:
            self.start_ovsdb()
            self.start_vswitchd()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Both, politely."""
        self.stop_vswitchd()
        self.stop_ovsdb()

    def start_ovsdb(self) -> None:
        """A database that is already there is used again, as after a crash."""
        if not self.database.exists():
            self._run("ovsdb-tool", "create", str(self.database), SCHEMA)
        self.ovsdb = self._daemon(
            "ovsdb-server", str(self.database), f"--remote=punix:{self.socket}"
        )
        processes.wait_until(self._connectable, "ovsdb-server", self.ovsdb)
        self.socket.chmod(0o666)
        self.vsctl("--no-wait", "init")

    def stop_ovsdb(self) -> None:
        """SIGTERM; the database stays on disk."""
        processes.end(self.ovsdb)
        self.ovsdb = None

    def kill_ovsdb(self) -> None:
        """SIGKILL."""
        processes.kill(self.ovsdb)
        self.ovsdb = None

    def start_vswitchd(self) -> None:
        """Returns when the bridges of the database exist in this namespace."""
        self.vswitchd = self._daemon("ovs-vswitchd", self.connection)
        self.sync()

    def stop_vswitchd(self) -> None:
        """Orderly, and the bridges' own devices go with it. Devices in their ports stay."""
        if processes.alive(self.vswitchd):
            self._exit_cleanly()
        processes.end(self.vswitchd)
        self.vswitchd = None

    def kill_vswitchd(self) -> None:
        """The bridges' own devices stay, with nobody behind them."""
        processes.kill(self.vswitchd)
        self.vswitchd = None

    def vsctl(self, *args: str) -> str:
        """ovs-vsctl as an operator would use it: waits for ovs-vswitchd unless told --no-wait."""
        return self._run("ovs-vsctl", f"--db={self.connection}", "--timeout=30", *args)

    def appctl(self, daemon: str, *args: str) -> str:
        """What ovs-appctl prints; ``daemon`` is ovsdb-server or ovs-vswitchd."""
        return self._run("ovs-appctl", "--timeout=5", "-t", f"{self.directory / daemon}.ctl", *args)

    def ofctl(self, command: str, bridge: str, *args: str) -> str:
        """What ovs-ofctl prints of this bridge."""
        return self._run("ovs-ofctl", command, f"unix:{self.directory / bridge}.mgmt", *args)

    def add_bridge(self, name: str) -> None:
        """With the datapath in userspace, which takes no kernel module."""
        self.vsctl("add-br", name, "--", "set", "bridge", name, "datapath_type=netdev")

    def sync(self, timeout: float = 30) -> None:
        """Wait until ovs-vswitchd has seen all that is in the database now.

        Adds one to next_cfg (a write, to a WriteWatch) and does so in the server, for a number
        read and written back could undo what the agent adds at the same time.
        """
        answer = self._run("ovsdb-client", "transact", self.connection, json.dumps(_BUMP))
        wanted = int(json.loads(answer)[1]["rows"][0]["next_cfg"])
        processes.wait_until(
            lambda: self._current() >= wanted, "ovs-vswitchd", self.vswitchd, timeout
        )

    def _current(self) -> int:
        return int(self.vsctl("get", "open_vswitch", ".", "cur_cfg"))

    def _connectable(self) -> bool:
        with socket.socket(socket.AF_UNIX) as sock, contextlib.suppress(OSError):
            sock.connect(str(self.socket))
            return True
        return False

    def _exit_cleanly(self) -> None:
        """A plain SIGTERM leaves the bridges' devices behind: they are persistent taps."""
        assert self.vswitchd is not None
        with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
            self.appctl("ovs-vswitchd", "exit", "--cleanup")
            processes.ended(self.vswitchd, timeout=5)

    def _daemon(self, program: str, *args: str) -> Process:
        base = self.directory / program
        files = (f"--unixctl={base}.ctl", f"--pidfile={base}.pid", f"--log-file={base}.log")
        argv = (program, *args, "--no-chdir", *files, *_QUIET)
        return processes.start(argv, self._env, Path(f"{base}.out"))

    def _run(self, program: str, *args: str) -> str:
        return processes.run((program, *_QUIET[1:], *args), self._env)
