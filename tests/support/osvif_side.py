"""nova-compute's half, run by the python of .venv-osvif: os-vif from PyPI with our drop-in.

Reads one JSON request a line, `{"op": ..., ...}`, and answers with `{"result": ...}` or with
`{"error": [class, text]}`. os-vif is started as nova-compute starts it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
import warnings
from typing import Any


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config-file", required=True)
    parser.add_argument("--log-file", required=True)
    parser.add_argument("--eventlet", action="store_true", help="patched, as nova-compute was")
    parser.add_argument("--late", help="a last directory to find distributions in")
    return parser.parse_args()


def configure(args: argparse.Namespace) -> None:
    """What nova has done before it loads os-vif: its option `host`, its log."""
    cfg = importlib.import_module("oslo_config.cfg")
    log = importlib.import_module("oslo_log.log")
    cfg.CONF.register_opt(cfg.HostAddressOpt("host"))
    log.register_options(cfg.CONF)
    cfg.CONF(["--config-file", args.config_file, "--log-file", args.log_file], project="nova")
    log.setup(cfg.CONF, "nova")


class Side:
    def __init__(self) -> None:
        self.os_vif: Any = importlib.import_module("os_vif")

    def initialize(self, reset: bool = False) -> dict[str, Any]:
        self.os_vif.initialize(reset=reset)
        manager = self.os_vif._EXT_MANAGER
        names = manager.names()
        return {"names": names, "modules": [type(manager[name].obj).__module__ for name in names]}

    def privileged_here(self) -> None:
        """os-vif's own plugin does in this process what takes capabilities."""
        importlib.import_module("vif_plug_ovs.privsep").vif_plug.set_client_mode(False)

    def spoil(self) -> None:
        """An os-vif that keeps its extensions elsewhere."""
        self.os_vif._EXT_MANAGER = {}

    def load(self) -> None:
        importlib.import_module("vif_agent.nova.plugin").VifAgentPlugin.load("vif_agent")

    def host_info(self, permitted: list[str] | None = None) -> dict[str, Any]:
        info = self.os_vif.host_info(permitted)
        return {plugin.plugin_name: _described(plugin) for plugin in info.plugin_info}

    def plug(self, vifs: list[Any], instance: Any) -> float:
        return self._each(self.os_vif.plug, vifs, instance)

    def unplug(self, vifs: list[Any], instance: Any) -> float:
        return self._each(self.os_vif.unplug, vifs, instance)

    def _each(self, call: Any, vifs: list[Any], instance: Any) -> float:
        """One after the other, as nova does; the seconds of the calls alone."""
        build = importlib.import_module("osvif_objects").build
        made, owner = [build(vif) for vif in vifs], build(instance)
        begin = time.perf_counter()
        for vif in made:
            call(vif, owner)
        return time.perf_counter() - begin

    def plug_at_once(self, vifs: list[Any], instance: Any) -> None:
        """Each in a thread of its own, all from the first call on."""
        threads = importlib.import_module("concurrent.futures")
        with threads.ThreadPoolExecutor(len(vifs)) as pool:
            list(pool.map(lambda vif: self.plug([vif], instance), vifs))


def _described(plugin: Any) -> dict[str, Any]:
    vifs = plugin.vif_info
    for vif in vifs:
        assert vif.get_common_version()
        for profile in vif.supported_port_profiles:
            assert profile.get_common_version()
    return {
        vif.vif_object_name: [p.profile_object_name for p in vif.supported_port_profiles]
        for vif in vifs
    }


def answer(side: Side, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"result": getattr(side, request.pop("op"))(**request)}
    except Exception as error:
        return {"error": [type(error).__name__, str(error)]}


def main() -> None:
    args = arguments()
    warnings.simplefilter("ignore")
    if args.eventlet:
        importlib.import_module("eventlet").monkey_patch()
    sys.path += [args.late] if args.late else []
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not be taken for an answer
    configure(args)
    side = Side()
    for line in sys.stdin:
        print(json.dumps(answer(side, json.loads(line))), file=out)


if __name__ == "__main__":
    main()
