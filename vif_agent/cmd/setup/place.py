"""From where, and to where."""

import dataclasses
import os
import pwd
import shutil
import subprocess
from pathlib import Path

UNIT = "vif-agent.service"
ACCOUNT = "vif-agent"
ROOT = "root"
STATE = Path("/var/lib/vif-agent")
OVSDB = Path("/run/openvswitch/db.sock")


@dataclasses.dataclass(frozen=True)
class Place:
    """``root``: a directory that becomes a package; None: this host itself."""

    environment: Path
    prefix: Path
    root: Path | None = None

    def on_disk(self, path: Path) -> Path:
        """Where this path of the host lies just now."""
        return self.root / path.relative_to("/") if self.root else path

    @property
    def record(self) -> Path:
        """Root's alone, unlike the agent's state: what it names is deleted one day."""
        return self.prefix / "lib/vif-agent.laid.json"


def account_exists() -> bool:
    """Has the host the agent's account?"""
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        return False
    return True


def runs_systemd() -> bool:
    """As process 1, and not only installed?"""
    return Path("/run/systemd/system").is_dir()


def is_active(unit: str) -> bool:
    """Does it run?"""
    return runs_systemd() and _systemctl("is-active", unit)


def is_enabled(unit: str) -> bool:
    """Does it start with the host?"""
    return runs_systemd() and _systemctl("is-enabled", unit)


def is_failed(unit: str) -> bool:
    """Does systemd remember that it failed?"""
    return runs_systemd() and _systemctl("is-failed", unit)


def _systemctl(*words: str) -> bool:
    return subprocess.run(("systemctl", "--quiet", *words), check=False).returncode == 0


def socket_group() -> str:
    """Of the OVSDB that runs; empty where none does."""
    try:
        return OVSDB.group() if OVSDB.is_socket() else ""
    except KeyError:  # a number without a name
        return "?"


def missing(*programs: str) -> list[str]:
    """Those that are not installed."""
    return [name for name in programs if not shutil.which(name, path=_PATH)]


_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
