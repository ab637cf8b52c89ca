"""What the loop does now and then, each thing at its own pace."""

import time
from collections.abc import Callable, Mapping
from typing import TypeAlias

Chore: TypeAlias = Callable[[], None]

NEVER = float("inf")


class Chores:
    """``paces``: seconds between two times of each, asked anew each time, for they may change."""

    def __init__(self, paces: Mapping[Chore, Callable[[], float]]) -> None:
        self._paces = dict(paces)
        self._due = dict.fromkeys(self._paces, 0.0)

    @property
    def next_due(self) -> float:
        """By time.monotonic."""
        return min(self._due.values(), default=NEVER)

    def put_off(self, chore: Chore) -> None:
        """By its whole pace from now."""
        self._due[chore] = time.monotonic() + self._paces[chore]()

    def run(self) -> None:
        """Those that are due."""
        for chore, due in [*self._due.items()]:
            if time.monotonic() >= due:
                self.put_off(chore)
                chore()
