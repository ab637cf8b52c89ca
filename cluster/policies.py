"""Policies of the broker that drop, and casts that come again and again.

An agent is away while its host's casts come; then it is back. What it says of that is what an
operator has: no client of the broker is told of a policy.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kombu

from cluster import tally
from cluster.crew import Crew
from cluster.nodes import Cluster
from demo import show
from tests.support.broker_users import VHOST
from vif_agent.testing import processes

COUNT = 100
_HOST = "compute-1"
_QUEUE = f"vif_agent.{_HOST}"
_KINDS: Mapping[str, dict[str, str]] = {
    "quorum": {"rabbit_quorum_queue": "true"},
    "durable": {"amqp_durable_queues": "true"},
}
#: what an operator reads in the log, by how a line of it begins
_WORDS = ("Casts can be lost", "is not there any more", "A cast has come", "Queue to be mended")


@dataclass(frozen=True)
class Case:
    """``while_away``: done when the casts wait in the queue. ``loses``: from these kinds of queues
    casts may be lost, which docs/broker.md says."""

    name: str
    policy: Mapping[str, object]
    while_away: Callable[[Cluster], None] = lambda _: None
    loses: tuple[str, ...] = ()
    kinds: tuple[str, ...] = tuple(_KINDS)


def _vanish(times: int) -> Callable[[Cluster], None]:
    """An agent that takes all casts and is killed before it has stored one, as often."""

    def act(cluster: Cluster) -> None:
        for _ in range(times):
            _take_and_vanish(cluster)

    return act


def _policy(cluster: Cluster, case: Case) -> contextlib.AbstractContextManager[None]:
    return cluster.policy(json.dumps(case.policy)) if case.policy else contextlib.nullcontext()


def _take_and_vanish(cluster: Cluster) -> None:
    """All that is there."""
    taken: list[Any] = []
    with _connected(cluster) as connection:
        untyped: Any = kombu
        queue = untyped.Queue(_QUEUE, no_declare=True)
        with connection.Consumer(queue, on_message=taken.append), contextlib.suppress(TimeoutError):
            while len(taken) < COUNT:
                connection.drain_events(timeout=2)


@contextlib.contextmanager
def _connected(cluster: Cluster) -> Iterator[Any]:
    node = cluster.nodes[0]
    node.ctl("set_permissions", "-p", VHOST, "guest", ".*", ".*", ".*")
    untyped: Any = kombu
    with untyped.Connection(f"amqp://guest:guest@{node.address}:{node.port}/{VHOST}") as connection:
        yield connection


def _until_gone(cluster: Cluster) -> None:
    processes.wait_until(lambda: _QUEUE not in cluster.queued(), "the queue expired", timeout=60)


CASES = (
    Case("none, agent killed 30 times with all casts in hand", {}, _vanish(30)),
    Case("max-length 50", {"max-length": COUNT // 2}),
    Case("max-length 50, overflow drop-head",
         {"max-length": COUNT // 2, "overflow": "drop-head"}, loses=("quorum",)),
    Case("delivery-limit 3, agent killed 8 times", {"delivery-limit": 3}, _vanish(8),
         loses=("quorum",), kinds=("quorum",)),
    Case("message-ttl 1 s", {"message-ttl": 1000}, lambda _: time.sleep(4), loses=tuple(_KINDS)),
    Case("expires 3 s", {"expires": 3000}, _until_gone, loses=tuple(_KINDS)),
)  # fmt: skip

_HEADER = ("queue", "told sent", "told failed", "stored", "lost", "policy: what the log says")


def run(cluster: Cluster, directory: Path) -> list[str]:
    """What was lost against the promise."""
    show.heading(f"Policies of the broker: {COUNT} casts while the agent is away")
    rows, wrong = [], []
    for number, case in enumerate(CASES):
        for kind in case.kinds:
            row, lost = _tried(cluster, directory / f"policy-{number}-{kind}", case, kind)
            rows.append(row)
            print(f"  {', '.join(row)}", flush=True)
            if lost and kind not in case.loses:
                wrong.append(f"policy {case.name}, {kind}: {lost} casts lost")
    show.table(_HEADER, rows)
    return wrong


def _tried(cluster: Cluster, directory: Path, case: Case, kind: str) -> tuple[tuple[str, ...], int]:
    crew = Crew(cluster, directory, _KINDS[kind], [_HOST])
    crew.start()
    try:
        crew.stop()
        with _policy(cluster, case):
            crew.send("away", COUNT)
            case.while_away(cluster)
            crew.start()
            crew.drained()
    finally:
        crew.stop()
        found = tally.of(crew.clients, ["away"])
        said = "; ".join(word for word in _WORDS if word in crew.log())
        cluster.forget_queues()
    numbers = (found.told, found.failed, found.stored, found.lost)
    return (kind, *map(str, numbers), f"{case.name}: {said or '-'}"), found.lost
