"""The parent's end of osvif_side.py: a process like nova-compute's, of this Site's host."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.asked import Asked
from tests.support.osvif_specs import Spec, instance
from vif_agent.testing.daemon import HOST

ROOT = Path(__file__).parent.parent.parent
PYTHON = ROOT / os.environ.get("VIF_AGENT_NOVA_VENV", ".venv-osvif") / "bin" / "python"
SIDE = Path(__file__).with_name("osvif_side.py")
ALL = (
    "ovs", "linux_bridge", "vrouter", "ivs", "agilio_ovs", "vhostuser_fp", "contrail_vrouter",
    "noop",
)  # fmt: skip


class OsVifError(Exception):
    """What os-vif raised in the other process: ``kind`` is the class's name."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class NovaSide(Asked):
    """``directory``: its scratch. ``early`` and ``late``: directories of more distributions.

    ``novas_url``: nova's own bus, where it is not the agent's. ``more``: of nova.conf.
    ``python``: of an environment like ours, with another tree's drop-in. ``seeing``: a command
    before it.
    """

    def __init__(
        self,
        directory: Path,
        url: str,
        wait: float = 30,
        take_over: Sequence[str] = ALL,
        eventlet: bool = False,
        early: Path | None = None,
        late: Path | None = None,
        novas_url: str = "",
        host: str = HOST,
        more: str = "",
        python: Path = PYTHON,
        seeing: Sequence[str] = (),
    ) -> None:
        assert python.exists(), "scripts/venv .venv-osvif nova makes it; scripts/test does so"
        config, log = directory / "nova.conf", directory / "nova.log"
        config.write_text(
            f"[DEFAULT]\nhost = {host}\ntransport_url = {novas_url or url}\n"
            f"[vif_agent_nova]\nwait = {wait}\ntake_over = {','.join(take_over)}\n"
            + (f"transport_url = {url}\n" if novas_url else "")
            + more
        )
        files = ["--config-file", str(config), "--log-file", str(log)]
        command = [*seeing, str(python), str(SIDE), *files]
        command += ["--eventlet"] if eventlet else []
        command += ["--late", str(late)] if late else []
        cache = {"XDG_CACHE_HOME": str(directory)}  # of stevedore: which entry points there are
        super().__init__(command, {**cache, **({"PYTHONPATH": str(early)} if early else {})}, log)

    def initialize(self, reset: bool = False) -> dict[str, str]:
        """The plugins by name, each with its object's module."""
        found = self.ask("initialize", reset=reset)
        return dict(zip(found["names"], found["modules"], strict=True))

    def plug(self, *vifs: Spec) -> float:
        self.send_plug(*vifs)
        return float(self.answer())

    def send_plug(self, *vifs: Spec) -> None:
        """``answer`` then waits for what becomes of it."""
        self.send("plug", vifs=vifs, instance=instance())

    def plug_at_once(self, *vifs: Spec) -> None:
        self.ask("plug_at_once", vifs=vifs, instance=instance())

    def unplug(self, *vifs: Spec) -> float:
        return float(self.ask("unplug", vifs=vifs, instance=instance()))

    def ask(self, op: str, **arguments: Any) -> Any:
        self.send(op, **arguments)
        return self.answer()

    def answer(self) -> Any:
        output = self.received()
        if "error" in output:
            raise OsVifError(*output["error"])
        return output["result"]
