"""A hypervisor of the cloud: a network namespace with NICs and an Open vSwitch, and the agent."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vif_agent.testing.daemon import Daemon
from vif_agent.testing.frames import TapEnd
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.netns import Namespace
from vif_agent.testing.neutron.configuration import PHYSNET, REPORT_INTERVAL, Options
from vif_agent.testing.neutron.wires import PHYSICAL, ip

if TYPE_CHECKING:
    from vif_agent.testing.neutron.cloud import Cloud

#: in a mount namespace with a /sys of the network namespace
SEEING = ("unshare", "--mount", "sh", "-c", 'mount -t sysfs sysfs /sys && exec "$0" "$@"')
_TUN = Path("/dev/net/tun")


class AgentsHost:
    """A network namespace with an Open vSwitch, and the agent there; to be entered."""

    namespace: Namespace
    scratch: ScratchHost
    agent: Daemon
    _stack: contextlib.ExitStack

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start_agent(self) -> None:
        """Returns when it is ready."""
        with self.entered():
            self.agent.start()

    def stop_agent(self) -> None:
        """Orderly; nothing if it does not run."""
        if self.agent.alive():
            self.agent.stop()

    def entered(self) -> contextlib.AbstractContextManager[None]:
        """The calling thread, and what it starts, is on this host meanwhile."""
        return self.namespace.entered()

    def ip(self, *arguments: str) -> str:
        """What ip(8) prints there."""
        with self.entered():
            return ip(*arguments)

    def links(self) -> dict[str, dict[str, Any]]:
        """What ip(8) says of every link, by name."""
        links = json.loads(self.ip("-j", "-d", "link", "show"))
        return {link["ifname"]: link for link in links}


class Hypervisor(AgentsHost):
    """``name`` is its ``host`` for nova and Neutron; ``address`` that of its tunnels; ``started``:
    whether the agent runs at once."""

    def __init__(self, cloud: Cloud, name: str, options: Options, started: bool = True) -> None:
        self.name = name
        self._started = started
        self._cloud = cloud
        self._options = options

    def __enter__(self) -> Self:
        self.namespace = Namespace()
        with contextlib.ExitStack() as stack:
            stack.callback(self.namespace.close)
            self.address = stack.enter_context(self._cloud.wires.connected(self.namespace))
            with self.entered():
                self.scratch = stack.enter_context(ScratchHost())
            self.agent = Daemon(
                self.scratch,
                self._cloud.rabbit.url,
                self._agents_options(),
                argv=(*SEEING, str(Path(sys.executable).parent / "vif-agent")),
            )
            stack.callback(self.stop_agent)
            if self._started:
                self.start_agent()
            self._stack = stack.pop_all()
        return self

    def add_tap(self, port: Mapping[str, Any]) -> str:
        """As libvirt makes it for a guest; answers its name. ``port``: as Neutron shows it."""
        name, address = tap_of(port["id"]), "fe" + port["mac_address"][2:]
        self.ip("tuntap", "add", "dev", name, "mode", "tap")
        self.ip("link", "set", name, "address", address, "up")
        return name

    @contextlib.contextmanager
    def guest(self, port: Mapping[str, Any]) -> Iterator[TapEnd]:
        """It has the port's tap meanwhile, with a carrier; the end is where its frames go."""
        name = self.add_tap(port)
        try:
            with self.opened(name) as end:
                yield end
        finally:
            self.ip("link", "delete", name)

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[TapEnd]:
        """A tap that is there, as a guest has it."""
        with self.entered():
            end = TapEnd(name, _TUN)
        with end:
            yield end

    def _agents_options(self) -> dict[str, dict[str, object]]:
        groups: dict[str, dict[str, object]] = {
            "DEFAULT": {"host": self.name},
            "bridge": {"wire_taps": "true"},
            "network": {
                "physical_interface_mappings": f"{PHYSNET}:{PHYSICAL}",
                "vxlan_local_ip": self.address,
            },
            "neutron": {"enabled": "true", "report_interval": REPORT_INTERVAL},
        }
        for group, values in self._options.items():
            groups.setdefault(group, {}).update(values)
        return groups


def tap_of(port_id: str) -> str:
    """The name of a port's tap, on every host."""
    return ("tap" + port_id)[:14]
