"""What was laid on this host, so that it is known again: written before it is laid."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Record:
    """``marks``: of each path those of all versions that we may have laid there, for one can be
    killed between two. ``directories`` were made for them."""

    marks: Mapping[Path, frozenset[str]] = dataclasses.field(default_factory=dict)
    directories: frozenset[Path] = frozenset()

    def ours(self, path: Path) -> frozenset[str]:
        """The marks that we may have laid there."""
        return self.marks.get(path, frozenset())

    def text(self) -> str:
        """As it lies on the disk."""
        listed: dict[str, Any] = {
            "directories": sorted(map(str, self.directories)),
            "files": {str(path): sorted(marks) for path, marks in sorted(self.marks.items())},
        }
        return json.dumps(listed, indent=1) + "\n"


def read(path: Path) -> Record:
    """Empty where nothing was laid."""
    try:
        listed = json.loads(path.read_text())
    except FileNotFoundError:
        return Record()
    return Record(
        {Path(name): frozenset(marks) for name, marks in listed["files"].items()},
        frozenset(map(Path, listed["directories"])),
    )


def both(one: Record, other: Record) -> Record:
    """What is there while the one is turned into the other."""
    paths = {*one.marks, *other.marks}
    return Record(
        {path: one.ours(path) | other.ours(path) for path in paths},
        one.directories | other.directories,
    )
