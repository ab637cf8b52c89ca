"""A contender's other half in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench import usage
from bench.cases import Vif, instance
from tests.support.asked import Asked


class InChild:
    """The parent's end of a contender."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self._child = Asked(command, env)
        self._child.start()

    def plug(self, vifs: Sequence[Vif]) -> float:
        return self._ask("plug", vifs)

    def unplug(self, vifs: Sequence[Vif]) -> float:
        return self._ask("unplug", vifs)

    def _ask(self, op: str, vifs: Sequence[Vif]) -> float:
        """The seconds that the other half has measured."""
        owned = [vif | {"instance": instance(vif)} for vif in vifs]
        self._child.send(op, vifs=owned)
        return float(self._child.received()["seconds"])

    def cpu(self) -> float:
        """Seconds, of it and what it has started."""
        return usage.cpu(self._child.pid)

    def close(self) -> None:
        self._child.close()
