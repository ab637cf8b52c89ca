"""What is to lie on the host, and the mark by which it is known again there."""

import dataclasses
import hashlib
import os
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class File:
    """Root's, to be read by all, but for the operator's."""

    path: Path
    data: bytes

    @property
    def mark(self) -> str:
        """By which it is known again."""
        return _digest(self.data)


@dataclasses.dataclass(frozen=True)
class Link:
    """To a command of the environment."""

    path: Path
    to: str

    @property
    def mark(self) -> str:
        """By which it is known again."""
        return _pointing(self.to)


Thing = File | Link
CONFIGURATION = Path("/etc/vif-agent")


def is_operators(path: Path) -> bool:
    """To be changed by the operator: laid where there is none, and for the rest kept."""
    return CONFIGURATION in path.parents


def mark(path: Path) -> str | None:
    """None: there is nothing."""
    if path.is_symlink():
        return _pointing(os.readlink(path))
    if path.is_file():
        return _digest(path.read_bytes())
    return "something else" if path.exists() else None


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _pointing(to: str) -> str:
    return f"link:{to}"
