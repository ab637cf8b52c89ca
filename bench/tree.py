"""Whose agent is measured: this tree's, or that of another checkout beside it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

OURS = "vif-agent"


@dataclass(frozen=True)
class Tree:
    """A checkout with environments of its own, as `scripts/venv` makes them."""

    path: Path
    label: str = OURS

    @property
    def python(self) -> Path:
        return self.path / ".venv" / "bin" / "python"

    @property
    def command(self) -> list[str]:
        return [str(self.python), str(self.path / ".venv" / "bin" / "vif-agent")]

    @property
    def nova_python(self) -> Path:
        """Of nova-compute's environment, with this tree's drop-in."""
        return self.path / ".venv-osvif" / "bin" / "python"


HERE = Tree(Path(__file__).resolve().parent.parent)


def beside(path: Path) -> Tree:
    """Told apart by its commit."""
    path = path.resolve()
    if not (tree := Tree(path)).python.exists() or not tree.nova_python.exists():
        sys.exit(f"{path}: scripts/venv; scripts/venv .venv-osvif nova; there, first")
    words = ["git", "-C", str(path), "rev-parse", "--short", "HEAD"]
    asked = subprocess.run(words, capture_output=True, text=True, check=False)
    return Tree(path, f"at {asked.stdout.strip() or path.name}")
