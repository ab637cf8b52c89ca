"""A plugin whose module does not come to its end when it is imported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from tests import foreign
from tests.casting import CONTEXT, Site, Vif, wait_for
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

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
