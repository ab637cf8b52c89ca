"""The parent's end of nova_check/side.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nova_check.cases import Case, Vif
from tests.support.asked import Asked
from tests.support.osvif_specs import Spec
from vif_agent.testing.daemon import HOST

PYTHON = Path(__file__).parent.parent / ".venv-nova" / "bin" / "python"
SIDE = ("-m", "nova_check.side")  # from the tree's root, where scripts/test-nova is

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
[neutron]
auth_type = none
endpoint_override = {neutron}
"""


class Compute(Asked):
    """A process like nova-compute's, with the settings of CONFIG. ``take_over``: "" leaves os-vif's
    own plugins where they are; ``neutron``: the URL of one's API. ``seeing``: a command before it.

    ``plug``, ``unplug`` and ``booted`` answer with what nova raised, `Class: text`, or with "".
    """

    def __init__(self, directory: Path, seeing: Sequence[str] = (), **settings: object) -> None:
        directory.mkdir()
        config, log = directory / "nova.conf", directory / "nova.log"
        given = {"host": HOST, "directory": directory, "neutron": "", **settings}
        config.write_text(CONFIG.format_map(given))
        files = ["--config-file", str(config), "--log-file", str(log)]
        cache = {"XDG_CACHE_HOME": str(directory)}  # stevedore's
        super().__init__([*seeing, str(PYTHON), *SIDE, *files], cache, log)

    def versions(self) -> list[str]:
        found: list[str] = self._done("versions")
        return found

    def plug(self, case: Case) -> str:
        return self._raised("plug", case)

    def unplug(self, case: Case) -> str:
        return self._raised("unplug", case)

    def bind(self, port_id: str, host: str, case: Case) -> None:
        self._done("bind", port_id=port_id, host=host, owner=case.owner)

    def vif(self, port_id: str) -> Vif:
        """What nova makes of Neutron's port."""
        vif: Vif = self._done("vif", port_id=port_id)
        return vif

    def domain(self, case: Case, virt_type: str = "kvm") -> str:
        """The interface in the guest's domain XML."""
        return str(self._done("domain", vif=case.vif, owner=case.owner, virt_type=virt_type))

    def domain_of(self, osvif: Spec, case: Case, virt_type: str = "kvm") -> str:
        """The same for an object of os-vif's, of a VIF that nova itself makes none of any more."""
        return str(self._done("domain_of", osvif=osvif, owner=case.owner, virt_type=virt_type))

    def boot(self, case: Case) -> None:
        """Begins."""
        self._done("boot", vif=case.vif, owner=case.owner)

    def hear(self, body: dict[str, Any], case: Case) -> None:
        """A request to nova's API that Neutron has made."""
        self._done("hear", body=body, owner=case.owner)

    def booted(self, timeout: float) -> str:
        """When nova waits for Neutron no more."""
        return str(self._done("booted", timeout=timeout))

    def _done(self, op: str, **arguments: Any) -> Any:
        answer = self._ask(op, **arguments)
        if "error" in answer:
            raise RuntimeError(f"nova: {op}: {': '.join(answer['error'])}")
        return answer["result"]

    def _raised(self, op: str, case: Case) -> str:
        return ": ".join(self._ask(op, vif=case.vif, owner=case.owner).get("error", ()))

    def _ask(self, op: str, **arguments: Any) -> dict[str, Any]:
        self.send(op, **arguments)
        return self.received()
