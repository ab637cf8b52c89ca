"""What is generated has words of other packages, of the releases in constraints.txt."""

from __future__ import annotations

import re
from importlib import metadata

from generate.files import ROOT


def other_release(*packages: str) -> str:
    """Which of these is here in another release than that; empty if none."""
    for package in packages:
        wanted = _pinned(package)
        if (version := metadata.version(package)) != wanted:
            return f"what is generated has words of {package} {wanted}, and here is {version}"
    return ""


def _pinned(package: str) -> str:
    constraints = (ROOT / "constraints.txt").read_text()
    found = re.search(rf"(?m)^{re.escape(package)}==(\S+)", constraints)
    assert found, package
    return found[1]
