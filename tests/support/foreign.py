"""Packages of other authors, as pip leaves them: a module and the metadata beside it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Mapping
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


def run(
    directory: Path, *words: str | Path, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Python with these arguments, where they are installed."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=directory,
        env=environment(directory),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def run_suites(
    directory: Path, suite: str, names: Iterable[str], but: str
) -> subprocess.CompletedProcess[str]:
    """``suite``, for each ``name`` in it, all in one run; without the tests that ``but`` names."""
    for name in names:
        (directory / f"test_{name}.py").write_text(suite.format(name=name))
    pytest = ("-m", "pytest", "-q", "-rf", "-pno:cacheprovider", f"-knot {but}")
    return run(directory, *pytest, timeout=200)


def failed_tests(
    done: subprocess.CompletedProcess[str], names: Iterable[str]
) -> dict[str, set[str]]:
    """Of each of ``run_suites``."""
    found: dict[str, set[str]] = {name: set() for name in names}
    for name, test in re.findall(r"^FAILED test_(\w+)\.py::Test::(\w+)", done.stdout, re.MULTILINE):
        found[name].add(test)
    assert " passed" in done.stdout, done.stdout + done.stderr
    return found


#: ``SHOW`` has ``plugins``, as they are loaded with the options given, and closes them
_LOAD = """
import json, logging, sys
from oslo_config import cfg
from vif_agent import config
from vif_agent.errors import InvalidConfiguration
from vif_agent.plugin_host import loader
logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s")
conf = cfg.ConfigOpts()
config.register(conf)
conf(sys.argv[1:])
try:
    plugins = loader.load(conf)
except InvalidConfiguration as error:
    sys.exit(str(error))
SHOW
"""


def load(directory: Path, conf: str, show: str) -> subprocess.CompletedProcess[str]:
    """What the agent makes of them, in a process of its own; ``conf``: the agent's file; ``show``:
    prints what is to be known of ``plugins``, and closes them."""
    path = directory / "agent.conf"
    path.write_text(conf)
    return run(directory, "-c", _LOAD.replace("SHOW", show), "--config-file", path)
