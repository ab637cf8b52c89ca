"""The parent's end of nova_check/side.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nova_check.cases import Case
from tests.support.asked import Asked
from vif_agent.testing.daemon import HOST

PYTHON = Path(__file__).parent.parent / ".venv-nova" / "bin" / "python"
SIDE = Path(__file__).with_name("side.py")

#: isolation is on, as docs/nova.md wants it with ML2/OVS; the agent's own is switched on likewise
CONFIG = """
[DEFAULT]
host = {host}
transport_url = {url}
state_path = {directory}
[oslo_concurrency]
lock_path = {directory}
[os_vif_ovs]
ovsdb_connection = {ovsdb}
isolate_vif = true
per_port_bridge = {own_bridge}
[vif_agent_nova]
take_over = {take_over}
"""


class Compute(Asked):
    """A process like nova-compute's, with the settings of CONFIG. ``take_over``: "" leaves os-vif's
    own plugins where they are.

    ``plug`` and ``unplug`` answer with what nova raised, `Class: text`, or with "".
    """

    def __init__(self, directory: Path, **settings: object) -> None:
        directory.mkdir()
        config, log = directory / "nova.conf", directory / "nova.log"
        config.write_text(CONFIG.format(host=HOST, directory=directory, **settings))
        files = ["--config-file", str(config), "--log-file", str(log)]
        cache = {"XDG_CACHE_HOME": str(directory)}  # stevedore's
        super().__init__([str(PYTHON), str(SIDE), *files], cache, log)

    def versions(self) -> list[str]:
        found: list[str] = self._ask("versions")["result"]
        return found

    def plug(self, case: Case) -> str:
        return self._raised("plug", case)

    def unplug(self, case: Case) -> str:
        return self._raised("unplug", case)

    def _raised(self, op: str, case: Case) -> str:
        return ": ".join(self._ask(op, vif=case.vif, owner=case.owner).get("error", ()))

    def _ask(self, op: str, **arguments: Any) -> dict[str, Any]:
        self.send(op, **arguments)
        return self.received()
