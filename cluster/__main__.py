"""``python -m cluster``: storms on each kind of queue while nodes break; policies that drop."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from cluster import policies, tally
from cluster.crew import Crew
from cluster.faults import Faults
from cluster.nodes import Cluster
from cluster.tally import Tally
from demo import show, tool
from vif_agent.testing import processes, rabbit

#: options of oslo_messaging_rabbit, and which part of all casts goes to such queues
KINDS = {
    "quorum": ({"rabbit_quorum_queue": "true"}, 0.6),
    "durable": ({"amqp_durable_queues": "true"}, 0.2),
    "not durable": ({}, 0.2),
}
_WARNED = "Casts can be lost: "


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/test-cluster",
        description="Three RabbitMQ nodes with TLS and a user for each host: storms of casts on "
        "quorum, durable and other queues while nodes and agents are killed, stopped, frozen and "
        "parted; then policies that drop. Exits 0 only if no cast was lost of which its sender was "
        "told that it went, unless the agent's log had warned of that at its start.",
    )
    add = parser.add_argument
    add("--casts", type=int, default=100_000, help="of all storms together (default 100,000)")
    add("--minutes", type=float, default=15, help="of all storms together (default 15)")
    add("--hosts", type=int, default=3, help="agents, with a sender each (default 3)")
    add("--seed", type=int, default=15, help="of all that is random (default 15)")
    add("--only", choices=[*KINDS, "policies"], action="append", help="these (default: all)")
    return parser.parse_args()


class Run:
    def __init__(self, args: argparse.Namespace, cluster: Cluster, directory: Path) -> None:
        self._args, self._cluster, self._directory = args, cluster, directory
        self._hosts = [f"compute-{number}" for number in range(1, args.hosts + 1)]
        self._rows: list[tuple[str, ...]] = []
        self._wrong: list[str] = []
        for host in self._hosts:
            cluster.add_client(host)

    def run(self) -> list[str]:
        """What went wrong."""
        wanted = self._args.only or [*KINDS, "policies"]
        for kind, (_, part) in KINDS.items():
            if kind in wanted:
                self._storm(kind, int(self._args.casts * part), self._args.minutes * part * 60)
        if self._rows:
            show.table(_HEADER, self._rows)
        if "policies" in wanted:
            self._wrong += policies.run(self._cluster, self._directory)
        return self._wrong

    def _storm(self, kind: str, count: int, seconds: float) -> None:
        show.heading(f"{kind} queues: {count} casts in {seconds / 60:.1f} minutes or more")
        crew = Crew(self._cluster, self._directory / kind, KINDS[kind][0], self._hosts)
        faults = Faults(self._cluster, crew, random.Random(f"{self._args.seed} {kind}"))
        began = time.monotonic()
        crew.start()
        try:
            with crew.storm("storm", count, seconds) as senders:
                faults.run(lambda: any(map(processes.alive, senders)))
            crew.drained()
        finally:
            crew.stop()
        self._note(kind, tally.of(crew.clients, ["storm"]), faults, crew.log())
        print(f"  {time.monotonic() - began:.0f} s", flush=True)
        self._cluster.forget_queues()

    def _note(self, kind: str, found: Tally, faults: Faults, log: str) -> None:
        warned = _WARNED in log
        self._rows.append((
            kind, str(found.casts), str(faults.done.total()), str(found.told), str(found.failed),
            str(found.stored), str(found.lost), str(found.twice), f"{found.silent:.0f} s",
            f"{found.late:.0f} s", "yes" if warned else "no",
        ))  # fmt: skip
        show.table(_HEADER, self._rows[-1:])
        print(f"  nodes started anew by hand up to now: {self._cluster.started_by_hand}")
        print(f"  faults: {', '.join(f'{name} {n}' for name, n in faults.done.items())}")
        for why, number in found.why.most_common(8):
            print(f"  failed {number}: {why}")
        for cast in found.gone[:5]:
            print(f"  lost: {cast}")
        if found.lost and not warned:
            self._wrong.append(f"{kind}: {found.lost} casts lost, and no word of it at the start")


_HEADER = (
    "queues", "casts", "faults", "told sent", "told failed", "stored", "lost", "twice", "silent",
    "late", "warned",
)  # fmt: skip


def main() -> int:
    args = arguments()
    tool.leave_the_machine("scripts/test-cluster")
    tool.quiet_libraries()
    release = ".".join(map(str, rabbit.version()))
    show.heading(f"RabbitMQ {release}, three nodes, {args.casts} casts, --seed {args.seed}")
    directory = Path(tempfile.mkdtemp(prefix="vif-agent-", dir=_memory()))
    try:
        with Cluster(directory) as cluster:
            wrong = Run(args, cluster, directory).run()
    finally:
        if os.environ.get("VIF_AGENT_KEEP"):
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    for line in wrong:
        print(f"WRONG: {line}")
    print("nothing that was not warned of was lost" if not wrong else f"{len(wrong)} wrong")
    return int(bool(wrong))


def _memory() -> str | None:
    """A SIGKILL leaves what is in the page cache, so a disk would add nothing but waiting."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


if __name__ == "__main__":
    sys.exit(main())
