"""Some runs share one suite: each takes the next module that no other has taken.

For one run most of the time is waiting; several in parallel, each in a network namespace of its
own, take much less.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

OPTION = "--share"

#: so that neither run is left alone with one of them at the end
LONGEST = (
    *("test_kill_matrix", "test_nova_plugin", "test_containment"),
    *("test_storm", "test_ctl_local", "test_daemon"),
)


def module_of(item: pytest.Item) -> str:
    """Its room and its name: two rooms may have a module of one name."""
    return f"{item.path.parent.name}.{item.path.stem}"


def by_length(items: list[pytest.Item]) -> list[pytest.Item]:
    """The longest modules first, the others as they are."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    return sorted(items, key=lambda item: ranks.get(item.path.stem, len(ranks)))


class Share:
    """``directory`` is empty when the first of the runs begins, and the same for all of them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ours: dict[str, bool] = {}

    def has(self, module: str) -> bool:
        """Is this module ours to run? Asked for the first time, it is taken if it can be."""
        if module not in self._ours:
            self._ours[module] = self._take(module)
        return self._ours[module]

    def _take(self, module: str) -> bool:
        try:
            os.close(os.open(self._directory / module, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True
