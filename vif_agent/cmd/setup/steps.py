"""What is done to the host, step by step. A step's text is all that the dry run shows."""

import contextlib
import dataclasses
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from vif_agent.cmd.setup.things import File, Thing, is_operators

_NEW = ".vif-agent-setup.new"


@dataclasses.dataclass(frozen=True)
class Lay:
    """Whole or not at all. ``group``: of an operator's file, which may have a password."""

    thing: Thing
    path: Path
    group: str = ""

    def __str__(self) -> str:
        to = "" if isinstance(self.thing, File) else f" -> {self.thing.to}"
        return f"lay {self.path}{to}"

    def do(self) -> None:
        """Again and again is well."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f".{self.path.name}{_NEW}")
        new.unlink(missing_ok=True)
        if isinstance(self.thing, File):
            _write(new, self.thing.data, 0o640 if is_operators(self.thing.path) else 0o644)
            if self.group:
                shutil.chown(new, group=self.group)
        else:
            new.symlink_to(self.thing.to)
        new.replace(self.path)


@dataclasses.dataclass(frozen=True)
class Remember:
    """Says nothing: it is no news for the operator."""

    path: Path
    text: str

    def __str__(self) -> str:
        return ""

    def do(self) -> None:
        """Again and again is well."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f".{self.path.name}{_NEW}")
        _write(new, self.text.encode(), 0o644)
        new.replace(self.path)


@dataclasses.dataclass(frozen=True)
class Take:
    """A file, a link, or a directory with all that is in it."""

    path: Path

    def __str__(self) -> str:
        return f"take {self.path}"

    def do(self) -> None:
        """Again and again is well."""
        if self.path.is_dir() and not self.path.is_symlink():
            shutil.rmtree(self.path)
        else:
            self.path.unlink(missing_ok=True)


@dataclasses.dataclass(frozen=True)
class Prune:
    """Takes those of the directories away that are empty then."""

    directories: frozenset[Path]

    def __str__(self) -> str:
        return ""

    def do(self) -> None:
        """Again and again is well."""
        for path in sorted(self.directories, reverse=True):  # those within come first
            with contextlib.suppress(OSError):
                path.rmdir()


@dataclasses.dataclass(frozen=True)
class Run:
    """A program; that it fails ends all."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"run {shlex.join(self.words)}"

    def do(self) -> None:
        """Again and again is well."""
        subprocess.run(self.words, check=True)


Step = Lay | Remember | Take | Prune | Run


def run(*words: str | Path) -> Run:
    """A program, found by PATH."""
    return Run(tuple(map(str, words)))


def missing_parents(paths: Iterable[Path]) -> frozenset[Path]:
    """The directories that laying these will make."""
    return frozenset(each for path in paths for each in path.parents if not each.exists())


def _write(path: Path, data: bytes, mode: int) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
