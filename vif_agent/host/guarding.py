"""What guards are held in, and who tells of others' changes to it."""

import dataclasses
import errno
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from vif_agent.helper.codec import Plain


class Table(Protocol):
    """The kernel's table, by the helper."""

    def lacks(self) -> str:
        """What keeps this kernel from having it; "" for nothing."""

    def read(self) -> Mapping[str, Any]:
        """``enforced``: are the rules as they must be; ``generation``; and ``guards``: by device a
        SetGuard as plain data. OSError."""

    def restore(self) -> Mapping[str, Any]:
        """The same, after what others have undone is there again; ``undone``: of which devices."""

    def write(
        self, generation: int, put: Sequence[Plain], remove: Sequence[str]
    ) -> tuple[int, str]:
        """With the rules: an errno, 0 if all is done, and the kernel's words."""

    def drops(self) -> Mapping[str, int]:
        """How many frames were dropped, by reason, of all ports there were."""

    def port_drops(self) -> Mapping[str, Mapping[str, int]]:
        """The same by device, of those that have guards, since they have them."""


class GuardEvents(Protocol):
    """What the kernel tells of changes to the table that others have made."""

    def listen(self) -> None:
        """From here on nothing is missed."""

    def wait(self) -> bool:
        """Until there is something to take; False: ``end`` was called."""

    def take(self) -> Iterable[tuple[str, int]]:
        """Who it was: name and pid. OSError: some of it is lost."""

    def end(self) -> None:
        """Whoever waits for events is woken."""

    def close(self) -> None:
        """When nobody waits any more."""


class NoTable:
    """Of a host whose kernel is not asked."""

    def lacks(self) -> str:
        """See Table."""
        return "nothing guards ports here"

    def read(self) -> Mapping[str, Any]:
        """See Table."""
        return {"enforced": False, "generation": 0, "guards": {}}

    def restore(self) -> Mapping[str, Any]:
        """See Table."""
        return {**self.read(), "undone": []}

    def write(
        self, generation: int, put: Sequence[Plain], remove: Sequence[str]
    ) -> tuple[int, str]:
        """See Table."""
        return errno.EOPNOTSUPP, self.lacks()

    def drops(self) -> Mapping[str, int]:
        """See Table."""
        return {}

    def port_drops(self) -> Mapping[str, Mapping[str, int]]:
        """See Table."""
        return {}


@dataclasses.dataclass(frozen=True, slots=True)
class Guarding:
    """``needed``: is there a driver that guards? Where there is none, a kernel that has no such
    table has no guards. ``missing``: what keeps the kernel from having it, "" for nothing.
    ``events``: of others' changes, opened while we had the capability."""

    table: Table = dataclasses.field(default_factory=NoTable)
    needed: bool = False
    missing: str = ""
    events: GuardEvents | None = None
