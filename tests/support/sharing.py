"""Some runs share one suite: each takes the next module that no other has taken.

For one run most of the time is waiting; several in parallel, each in a network namespace of its
own, take much less.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import chain, groupby, pairwise
from pathlib import Path

import pytest

OPTION = "--share"

#: so that neither run is left alone with one of them at the end
LONGEST = (
    *("test_kill_matrix", "test_nova_plugin", "test_containment"),
    *("test_storm", "test_ctl_local", "test_daemon"),
    *("test_driver_with_ports", "test_driver"),
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

    def run(self, session: pytest.Session) -> None:
        """pytest's own loop, for the tests of the modules that we get.

        The next test is the next that runs here: by it pytest knows which fixtures end.
        """
        for item, following in pairwise(chain(self._ours(session.items), [None])):
            assert item is not None  # only what follows the last one is
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)

    def _ours(self, items: Iterable[pytest.Item]) -> Iterator[pytest.Item]:
        """A module is taken when it is asked for: just before the last test of the one before."""
        for module, tests in groupby(items, module_of):
            if self._take(module):
                yield from tests

    def _take(self, module: str) -> bool:
        try:
            os.close(os.open(self._directory / module, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True
