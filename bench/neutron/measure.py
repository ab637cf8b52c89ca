"""Both contenders after each other, each with a Neutron and a database of its own."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Sequence

from bench.neutron.burst import DATABASE, HYPERVISOR, SERVER, Bench, Bursts
from bench.neutron.sides import HOST, SIDES, Ours
from bench.neutron.watch import Watch
from bench.side import Rows, joined
from vif_agent.testing.neutron.cloud import Cloud, wait

LONE = 20  # bursts of one port, for a median
WARM = 12  # ports before the first that counts
TITLE = "Neutron: from POST to ACTIVE"
NAMES = tuple(SIDES)
NOTES = (
    "POST with the host, by 4 senders at once; then the test makes the tap, and for ML2/OVS the "
    "port in br-int, as nova does; ACTIVE as the database shows it.",
    "ML2/OVS with neutron-openvswitch-agent and Open vSwitch's userspace datapath; CPU of the host "
    "is its agent's, and ovs-vswitchd's and ovsdb-server's with it; of ours the agent's.",
)
#: workers: as many as there are cores, on either side
OPTIONS = {"DEFAULT": {"debug": "false", "rpc_workers": 2, "agent_down_time": 75}}


def measure(counts: Sequence[int], repeat: int) -> Rows:
    """Each repeat starts with the other one."""
    found: dict[str, list[Bursts]] = {who: [] for who in SIDES}
    for turn in range(repeat):
        for who in list(SIDES)[:: 1 if turn % 2 == 0 else -1]:
            print(f"neutron: {who}", file=sys.stderr)
            found[who].append(_turn(SIDES[who], counts))
    rows: Rows = {}
    for who, turns in found.items():
        joined(rows, who, dict(_figures(turns, counts)))
    return rows


def _turn(side: type[Ours], counts: Sequence[int]) -> Bursts:
    with (
        Cloud(drivers=side.drivers, options=OPTIONS, api_processes=2) as cloud,
        side(cloud) as host,
        _watch(cloud) as watch,
    ):
        _wait_alive(cloud)
        bench = Bench(cloud, host, watch)
        for _ in range(WARM):  # one by one, until each process of the API has its policy
            bench.run(1, counts=False)
        for count in counts:
            for _ in range(LONE if count == 1 else 1):
                bench.run(count)
        return bench.found


def _wait_alive(cloud: Cloud) -> None:
    """Whatever its type is."""
    wait(lambda: any(agent["alive"] for agent in cloud.api.list("agent", host=HOST)), "an agent")


def _watch(cloud: Cloud) -> Watch:
    return Watch(cloud.controllers[0].venv / "bin/python", cloud.database.socket)


def _figures(turns: list[Bursts], counts: Sequence[int]) -> Iterator[tuple[str, float]]:
    """Medians over all bursts of a size."""
    for count in counts:
        bursts = [waited for turn in turns for waited in turn.waited[count]]
        half = statistics.median(statistics.median(waited) for waited in bursts)
        yield f"{_ports(count)}: POST to ACTIVE, p50, ms", half * 1000
        if count > 1:
            span = statistics.median(span for turn in turns for span in turn.spans[count])
            yield f"{_ports(count)}: first POST to last ACTIVE, s", span
        for whose in (SERVER, DATABASE, HYPERVISOR):
            used = [cpu[whose] for turn in turns for cpu in turn.cpu[count]]
            yield f"{_ports(count)}: CPU of {whose}, ms a port", statistics.median(used) * 1000


def _ports(count: int) -> str:
    return "1 port" if count == 1 else f"{count} ports"
