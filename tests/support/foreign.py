"""Packages of other authors, as pip leaves them: a module and the metadata beside it."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from pathlib import Path

HEAD = """
from vif_agent.firewall.base import FirewallDriver
from vif_agent.plugins.base import Plugin
from vif_agent.resources import Bridge, Command, Device, Guard, OvsPort, Tap
"""


def package(
    directory: Path,
    name: str,
    source: str,
    plugins: Mapping[str, str],
    version: str = "1.0",
    group: str = "vif_agent.plugins",
) -> None:
    """``plugins``: entry point to class, all in one module; or what else is of this group."""
    module = name.replace("-", "_")
    (directory / f"{module}.py").write_text(HEAD + textwrap.dedent(source))
    info = directory / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [f"{entry} = {module}:{kind}\n" for entry, kind in plugins.items()]
    (info / "entry_points.txt").write_text(f"[{group}]\n" + "".join(lines))


def environment(directory: Path) -> dict[str, str]:
    """In which they are installed."""
    return {**os.environ, "PYTHONPATH": str(directory)}
