"""Ports made and bound by Neutron's API, each with its device right after, as nova does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench import usage
from bench.neutron.sides import HOST, Ours
from bench.neutron.watch import Watch
from vif_agent.testing.neutron.api import Json
from vif_agent.testing.neutron.cloud import Cloud

#: requests at once, like several nova-computes
SENDERS = 4
PATIENCE = 60.0  # seconds, and as many for each hundred ports
#: of one core, over so many seconds: nobody has anything left to do
IDLE, PAUSE = 0.3, 0.5
API, RPC, PERIODIC = "api", "rpc", "periodic"
SERVER, DATABASE = "Neutron (API, RPC, periodic)", "its database"
BROKER, HYPERVISOR = "the broker", "the host"


@dataclass
class Bursts:
    """Of one contender. ``waited``: seconds from POST to ACTIVE of each port, by size of the burst,
    of each burst; ``spans``: of a whole burst; ``cpu``: seconds a port, by size and by whose."""

    waited: dict[int, list[list[float]]] = field(default_factory=dict)
    spans: dict[int, list[float]] = field(default_factory=dict)
    cpu: dict[int, list[dict[str, float]]] = field(default_factory=dict)


class Bench:
    def __init__(self, cloud: Cloud, host: Ours, watch: Watch) -> None:
        self._cloud, self._host, self._watch = cloud, host, watch
        self._network = cloud.network(cidr="10.0.0.0/16", port_security_enabled=False)
        self.found = Bursts()

    def run(self, count: int, counts: bool = True) -> None:
        """A burst of so many, and all away again."""
        self.settle()
        with self._used() as used, ThreadPoolExecutor(min(SENDERS, count)) as pool:
            sent = list(pool.map(lambda _: self._one(), range(count)))
            seen = self._watch.wait([port["id"] for _, port in sent], PATIENCE * (1 + count / 100))
        waited = [seen[port["id"]] - began for began, port in sent]
        if counts:
            self.found.waited.setdefault(count, []).append(waited)
            span = max(seen.values()) - min(began for began, _ in sent)
            self.found.spans.setdefault(count, []).append(span)
            each = {who: seconds / count for who, seconds in used.items()}
            self.found.cpu.setdefault(count, []).append(each)
        self._away([port for _, port in sent])

    def settle(self) -> None:
        """Until all have done with what came before."""
        before = sum(self._cpu().values())
        while True:
            time.sleep(PAUSE)
            if (now := sum(self._cpu().values())) - before < IDLE * PAUSE:
                return
            before = now

    def _one(self) -> tuple[float, Json]:
        began = time.monotonic()
        port = self._cloud.port(self._network, HOST)
        self._host.plug(port)
        return began, port

    def _away(self, ports: list[Json]) -> None:
        self._host.unplug(ports)
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(lambda port: self._cloud.api.delete("port", port["id"]), ports))

    @contextmanager
    def _used(self) -> Iterator[dict[str, float]]:
        """Seconds of CPU by whose they were, there when the body has ended."""
        used: dict[str, float] = {}
        before = self._cpu()
        yield used
        used.update({who: seconds - before[who] for who, seconds in self._cpu().items()})

    def _cpu(self) -> Mapping[str, float]:
        controller = self._cloud.controllers[0]
        return {
            SERVER: sum(usage.cpu(controller.pids(part)[0]) for part in (API, RPC, PERIODIC)),
            DATABASE: usage.cpu(_pid(self._cloud.database.process)),
            BROKER: usage.cpu(_pid(self._cloud.rabbit.broker)),
            HYPERVISOR: sum(map(usage.cpu, self._host.pids())),
        }


def _pid(process: object) -> int:
    return int(process.pid)  # type: ignore[attr-defined]
