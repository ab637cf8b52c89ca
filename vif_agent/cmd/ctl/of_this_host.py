"""What a bug report has of the host that it is made on; who may not read a part lacks it."""

import contextlib
import importlib.metadata
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from oslo_config import cfg

from vif_agent import __version__
from vif_agent.cmd.ctl.failures import Failed
from vif_agent.config.shown import shown

_SECONDS = 20
_LOG_LINES = 5_000
_LOG_BYTES = 4 << 20
_PACKAGES = (
    "cliff", "eventlet", "kombu", "oslo.config", "oslo.log", "oslo.messaging", "oslo.privsep",
    "oslo.service", "ovs", "pyroute2", "prometheus_client",
)  # fmt: skip
#: what both ends of an IPsec tunnel of Open vSwitch know, among its options
_SHARED_KEY = re.compile(r'(?<=\bpsk=)("(\\.|[^"\\])*"|[^\s,}]+)')
_COMMANDS = (
    ("ovs-vswitchd", "--version"),
    ("ip", "-d", "-s", "link", "show"),
    ("bridge", "vlan", "show"),
    ("nft", "list", "table", "bridge", "vif_agent"),
    ("systemctl", "status", "--no-pager", "vif-agent"),
)


def files(conf: Any) -> Mapping[str, Callable[[], str]]:
    """Name, and who gives the text."""
    show = ("ovs-vsctl", "--timeout=5", f"--db={conf.ovs.ovsdb_connection}", "show")
    commands = (*_COMMANDS, show)
    return {
        "version.txt": _version,
        "configuration.txt": lambda: shown(conf),
        "log.txt": lambda: _log(conf),
        "store.txt": lambda: _sizes(Path(conf.state_path)),
        **{f"{argv[0]}.txt": lambda argv=argv: _said(*argv) for argv in commands},  # type: ignore[misc]
    }


def _version() -> str:
    lines = [f"vif-agent {__version__}", f"Python {sys.version}", platform.platform()]
    for name in _PACKAGES:
        try:
            lines.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            lines.append(f"{name}: not installed")
    return "\n".join(lines)


def _log(conf: Any) -> str:
    """The end of it, from where oslo.log writes it."""
    with contextlib.suppress(cfg.DuplicateOptError):  # they are oslo.log's
        conf.register_opts([cfg.StrOpt("log_file"), cfg.StrOpt("log_dir")])
    if not conf.log_file:
        return _said("journalctl", "--no-pager", "--unit=vif-agent", f"--lines={_LOG_LINES}")
    path = Path(conf.log_dir or "", conf.log_file)
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LOG_BYTES))
        return file.read().decode(errors="replace")


def _sizes(directory: Path) -> str:
    return "\n".join(f"{p.stat().st_size:>12} {p.name}" for p in sorted(directory.iterdir()))


def _said(*argv: str) -> str:
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{argv[0]}: {error}") from error
    return _SHARED_KEY.sub("***", f"$ {' '.join(argv)}\n{done.stdout}{done.stderr}")
