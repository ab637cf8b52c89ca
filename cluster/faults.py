"""What is done to nodes and agents while casts come; after each the cluster becomes whole again."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Callable

from cluster.crew import Crew
from cluster.nodes import TICK, Cluster, Node
from vif_agent.testing import processes

_AWAY_SECONDS = 5.0
_APART_SECONDS = TICK * 1.75  # it is noticed within one and a quarter of TICK
_CUT_SECONDS = 30.0  # longer than the heartbeats of clients take to notice


class Faults:
    """One after the other, of nodes that the dice choose."""

    def __init__(self, cluster: Cluster, crew: Crew, dice: random.Random) -> None:
        self._cluster, self._crew, self._dice = cluster, crew, dice
        self.done: Counter[str] = Counter()
        self._all: dict[str, Callable[[Node], None]] = {
            "node killed": self._kill,
            "leaders moved": self._drain,
            "agents killed": self._kill_agents,
            "partition": self._partition,
            "node stopped": self._stop,
            "node frozen": self._freeze,
            "node cut off": self._cut,
            "all nodes killed": self._kill_all,
        }

    def run(self, while_: Callable[[], bool]) -> None:
        """All of them, and again; to the end of the one that is at work."""
        for name, act in itertools.cycle(self._all.items()):
            if not while_():
                return
            node = self._dice.choice(self._cluster.nodes)
            began = time.monotonic()
            act(node)
            self._cluster.whole()
            self.done[name] += 1
            print(f"  {name}: {node.host.name}, {time.monotonic() - began:.0f} s", flush=True)
            time.sleep(2)

    def _kill(self, node: Node) -> None:
        node.kill()
        time.sleep(_AWAY_SECONDS)
        self._cluster.start()

    def _stop(self, node: Node) -> None:
        processes.end(node.broker, timeout=60)
        time.sleep(_AWAY_SECONDS)
        self._cluster.start()

    def _kill_all(self, _: Node) -> None:
        for node in self._cluster.nodes:
            node.kill()
        self._cluster.start()

    def _freeze(self, node: Node) -> None:
        with node.frozen():
            time.sleep(_APART_SECONDS)

    def _partition(self, node: Node) -> None:
        with node.host.unheard_by([each.host for each in self._cluster.others(node)]):
            time.sleep(_APART_SECONDS)

    def _cut(self, node: Node) -> None:
        with node.host.cut_off():
            time.sleep(_CUT_SECONDS)

    def _drain(self, node: Node) -> None:
        """As before an upgrade: it gives its leaders and its clients away."""
        node.run("drain", program="rabbitmq-upgrade")
        time.sleep(_AWAY_SECONDS)
        node.run("revive", program="rabbitmq-upgrade")

    def _kill_agents(self, _: Node) -> None:
        for _again in range(3):
            self._crew.kill()
            self._crew.start()
