"""A scratch hypervisor: a directory, an Open vSwitch with a bridge and, if wanted, a broker."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any, Self

from vif_agent.testing import processes
from vif_agent.testing.ovs import PrivateOvs
from vif_agent.testing.rabbit import PrivateRabbit

LOG = logging.getLogger(__name__)
TUN = os.makedev(10, 200)


class ScratchHost:
    """To be entered in a fresh network namespace: see fresh_netns() and isolate_process().

    The directory can be entered by every user, for an agent without root; it is removed at the
    end, unless VIF_AGENT_KEEP is set in the environment.
    """

    directory: Path
    ovs: PrivateOvs
    rabbit: PrivateRabbit | None = None

    def __init__(self, rabbit: bool = False, bridge: str = "br-int") -> None:
        self._with_rabbit = rabbit
        self._bridge = bridge

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.directory = Path(tempfile.mkdtemp(prefix="vif-agent-"))
            stack.callback(self._remove_directory)
            self.directory.chmod(0o711)
            self._launch_rabbit(stack)
            self._start_ovs(stack)
            if self.rabbit:
                self.rabbit.wait_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def own_tun_device(self) -> Path:
        """A second node of /dev/net/tun that every user may open; it still takes CAP_NET_ADMIN to
        make a tap with it."""
        path = self.directory / "tun"
        if not path.exists():
            os.mknod(path, stat.S_IFCHR, TUN)
            path.chmod(0o666)
        return path

    def links(self) -> dict[str, dict[str, Any]]:
        """What `ip` says of every link, by name: a view that shares no code with the agent."""
        links = json.loads(self.ip("-j", "-d", "link", "show"))
        return {link["ifname"]: link for link in links}

    def ip(self, *arguments: str) -> str:
        """What ip(8) prints, in the scratch host's namespace."""
        return processes.run(("ip", *arguments), os.environ)

    def _launch_rabbit(self, stack: contextlib.ExitStack) -> None:
        """First, and waited for last: it boots while Open vSwitch starts."""
        if self._with_rabbit:
            self.rabbit = PrivateRabbit(self._subdirectory("rabbit"))
            stack.callback(self.rabbit.discard)
            self.rabbit.launch()

    def _start_ovs(self, stack: contextlib.ExitStack) -> None:
        self.ovs = PrivateOvs(self._subdirectory("ovs"))
        stack.callback(self.ovs.stop)
        self.ovs.start()
        self.ovs.add_bridge(self._bridge)

    def _subdirectory(self, name: str) -> Path:
        path = self.directory / name
        path.mkdir(0o711)
        return path

    def _remove_directory(self) -> None:
        if os.environ.get("VIF_AGENT_KEEP"):
            LOG.warning("kept: %s", self.directory)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)
