"""A DHCP or L3 agent's half, run by Neutron's python: Neutron's own loader, our driver.

Reads one JSON request a line, `{"op": ..., ...}`, and answers with `{"result": ...}` or with
`{"error": [class, text]}`. Its network namespaces have names that nobody else sees.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from typing import Any


class Side:
    def __init__(self) -> None:
        cfg = importlib.import_module("oslo_config.cfg")
        options = importlib.import_module("neutron.conf.agent.common")
        self.ip_lib: Any = importlib.import_module("neutron.agent.linux.ip_lib")
        self._loader = importlib.import_module("neutron.agent.common.utils")
        options.register_interface_driver_opts_helper(cfg.CONF)
        options.register_interface_opts(cfg.CONF)
        cfg.CONF([], project="neutron", default_config_files=[])
        _privileged_here()
        self._conf = cfg.CONF

    def load(self, name: str) -> str:
        self._conf.set_override("interface_driver", name)
        self._driver = self._loader.load_interface_driver(self._conf)
        return type(self._driver).__module__

    def plug(self, **arguments: Any) -> None:
        self._driver.plug(**arguments)

    def set_mtu(self, **arguments: Any) -> None:
        self._driver.set_mtu(**arguments)

    def unplug(self, **arguments: Any) -> None:
        self._driver.unplug(**arguments)

    def name(self, port: str) -> str:
        thing = type("Port", (), {"id": port})
        return str(self._driver.get_device_name(thing))

    def is_ready(self, device_name: str, namespace: str) -> bool:
        """As the DHCP agent asks, before it plugs."""
        return bool(self.ip_lib.ensure_device_is_ready(device_name, namespace=namespace))

    def ip(self, *_: object, args: list[str]) -> str:
        """In our view of the namespaces' names."""
        return subprocess.run(["ip", *args], check=True, capture_output=True, text=True).stdout

    def hold(self, namespace: str) -> int:
        """A process that keeps a namespace when its name has gone; it is in there."""
        command = ["ip", "netns", "exec", namespace, "sh", "-c", "echo in; exec sleep 600"]
        self._held = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._held.stdout
        self._held.stdout.readline()
        return self._held.pid

    def let_go(self) -> None:
        self._held.kill()
        self._held.wait()


def _privileged_here() -> None:
    """What takes capabilities is done in this process."""
    privileged = importlib.import_module("neutron.privileged")
    context = importlib.import_module("oslo_privsep.priv_context").PrivContext
    for thing in vars(privileged).values():
        if isinstance(thing, context):
            thing.set_client_mode(False)


def answer(side: Side, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"result": getattr(side, request.pop("op"))(**request)}
    except Exception as error:
        return {"error": [type(error).__name__, str(error)]}


def main() -> None:
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not be taken for an answer
    side = Side()
    for line in sys.stdin:
        print(json.dumps(answer(side, json.loads(line))), file=out)


if __name__ == "__main__":
    main()
