"""vif-agent: the real daemon in its own process, asked by casts over a real RabbitMQ.

The clock starts before the first cast and stops when the notification of the last port is here:
all that a sender would wait for is in it, the broker twice.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.cases import Vif
from bench.child import InChild
from bench.daemon import Daemon, Supervisor, configure
from bench.place import Place
from bench.sender import PATIENCE, Sender
from bench.tree import HERE, OURS, Tree


class Agent:
    """``config``: of an agent before, whose state it has; ``command``: not the tree's own."""

    def __init__(
        self,
        here: Place,
        tree: Tree = HERE,
        config: Path | None = None,
        command: Sequence[str] = (),
    ) -> None:
        self.name = tree.label
        self.ended = ExitStack()
        with ExitStack() as unwind:
            self.daemon = Daemon(here, tree, config, command)
            unwind.callback(self.daemon.close)
            self.daemon.until_ready()
            self.sender = Sender(here.transport_url)
            unwind.callback(self.sender.close)
            self.ended = unwind.pop_all()

    def plug(self, vifs: Sequence[Vif]) -> float:
        with self.daemon.telling():
            return self.sender.plug(vifs)

    def unplug(self, vifs: Sequence[Vif]) -> float:
        with self.daemon.telling():
            return self.sender.unplug(vifs)

    def cpu(self) -> float:
        return self.daemon.cpu()

    def close(self) -> None:
        self.ended.close()


@contextmanager
def agent(
    here: Place, tree: Tree, config: Path | None = None, command: Sequence[str] = ()
) -> Iterator[Agent]:
    """Ended at the end."""
    ours = Agent(here, tree, config, command)
    try:
        yield ours
    finally:
        ours.close()


class MemoryAgent(InChild):
    """The daemon's parts and the sender in one process, with the in-process bus between them."""

    name = OURS

    def __init__(self, here: Place) -> None:
        self._supervisor = Supervisor(here.scratch / "notify")
        command = [sys.executable, "-m", "bench.memory_side", str(configure(here))]
        super().__init__(command, self._supervisor.env)
        if not self._supervisor.ready.wait(PATIENCE):
            self.close()
            raise RuntimeError("vif-agent has not joined the bus, see above")

    def close(self) -> None:
        super().close()
        self._supervisor.close()
