"""The parent's end of nova_check/side.py."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Self

from nova_check.cases import Case
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


class Compute:
    """A process like nova-compute's, with the settings of CONFIG. ``take_over``: "" leaves os-vif's
    own plugins where they are.

    ``plug`` and ``unplug`` answer with what nova raised, `Class: text`, or with "".
    """

    def __init__(self, directory: Path, **settings: object) -> None:
        directory.mkdir()
        config, self._log = directory / "nova.conf", directory / "nova.log"
        config.write_text(CONFIG.format(host=HOST, directory=directory, **settings))
        files = ["--config-file", str(config), "--log-file", str(self._log)]
        self._command = [str(PYTHON), str(SIDE), *files]
        self._env = {**os.environ, "XDG_CACHE_HOME": str(directory)}  # stevedore's

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            self._command, env=self._env, stdin=pipe, stdout=pipe, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        """It ends at the end of its input."""
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

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
        assert self._process.stdout
        print(json.dumps({"op": op, **arguments}), file=self._process.stdin, flush=True)
        if line := self._process.stdout.readline():
            answer: dict[str, Any] = json.loads(line)
            return answer
        log = self._log.read_text()[-4000:] if self._log.exists() else ""
        raise RuntimeError(f"nova's side ended with {self._process.wait()}:\n{log}")
