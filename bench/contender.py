"""What each of them must be able to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bench.cases import Vif


class Contender(Protocol):
    """`plug` and `unplug` return the seconds that passed until the last port was done.

    `cpu` is what its processes have used so far: seconds, user and system.
    """

    name: str

    def plug(self, vifs: Sequence[Vif]) -> float: ...

    def unplug(self, vifs: Sequence[Vif]) -> float: ...

    def cpu(self) -> float: ...

    def close(self) -> None: ...
