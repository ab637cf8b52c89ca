"""A plugin whose module does not come to its end when it is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support import foreign
from tests.support.casting import CONTEXT, Site, Vif, wait_for
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

LATE = """
import os, time

while not os.path.exists("{}"):
    time.sleep(0.01)

class Late(Plugin):
    contract = "1.0"
    aliases = {{"former": "2.0"}}

    def resources(self, vif):
        return [Tap(name="tap" + vif.short_id)]
"""
ASK = """
import json, pathlib, queue, sys
from oslo_config import cfg
from vif_agent import config
from vif_agent.errors import NoPlugin, Unanswered
from vif_agent.plugin_host import discovery
from vif_agent.plugin_host.sub_process import SubProcessPlugin
from vif_agent.plugin_host.registry import PluginRegistry
from vif_agent.vif import parse

conf = cfg.ConfigOpts()
config.register(conf)
conf([])
late = SubProcessPlugin(discovery.find("vif_agent.plugins")["late"], conf)
plugins = PluginRegistry({"late": late})
told = queue.Queue()
plugins.on_answer(lambda ports: told.put(*ports))
vif = {**json.loads(sys.argv[2]), "type": "former"}
try:
    plugins.resources(parse({}, vif))
except Unanswered:
    print("waits")
pathlib.Path(sys.argv[1]).touch()
print("told of", told.get(timeout=30))
plugins.await_answers([parse({}, vif)], 30)
print(plugins.resources(parse({}, vif))[0].name)
try:
    plugins.resources(parse({}, {**vif, "type": "nobodys"}))
except NoPlugin as error:
    print(error.code)
plugins.close()
"""
AGENT = str(Path(sys.executable).parent / "vif-agent")


def test_plugin_whose_import_hangs_is_told_and_waited_for_by_its_own_ports(
    scratch_with_bus: ScratchHost, payload: Callable[[str], Vif], tmp_path: Path
) -> None:
    foreign.package(tmp_path, "hanging", "while True:\n    pass", {"hangs": "Hangs"})
    argv = ("env", f"PYTHONPATH={tmp_path}", AGENT)
    with Site(scratch_with_bus, "threading", argv=argv) as site:
        vif = {**payload("tap"), "type": "hangs"}
        site.plug(vif, wait=None)
        assert site.plug(payload("ovs_hybrid"))["state"] == "ready"
        lines = {p["vif_type"]: p["error"] for p in site.api.list_plugins(CONTEXT, HOST)}
        assert lines["hangs"] == "it has not loaded yet"
        assert site.port(vif)["state"] == "pending"
        wait_for(lambda: site.port(vif)["state"] == "error", "the end of patience", 60)
        assert "did not load within 30 s" in site.port(vif)["error"]["message"]


def test_former_name_of_a_plugin_that_loads_late_is_waited_for(
    tmp_path: Path, payload: Callable[[str], Vif]
) -> None:
    """Nobody knows until then whose name it is."""
    foreign.package(tmp_path, "late", LATE.format(tmp_path / "go"), {"late": "Late"})
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(tmp_path / "go"), json.dumps(payload("tap"))],
        env=foreign.environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    answer = ["waits", "told of {id}", "{devname}", "no_plugin"]
    assert done.stdout.splitlines() == [line.format(**payload("tap")) for line in answer]
