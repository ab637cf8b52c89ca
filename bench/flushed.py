"""From `nft flush ruleset` until the guards of all ports stand again, on an otherwise idle host.

Seen from outside the agent: a generation of nf_tables, looked for every half millisecond, after
which all is as it was. What nft sends for that is sent by this process.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from bench.agent_side import Agent
from bench.cases import CASES
from bench.check import Host
from bench.daemon import configure
from bench.guards_table import FLUSHED_MS, Cost, at_most
from bench.measure import percentile
from bench.place import Place
from bench.tree import HERE
from vif_agent.host.nft import reading
from vif_agent.host.nft.messages import DELETE_TABLE, Message
from vif_agent.host.nft.netlink import NftSocket
from vif_agent.host.nft.table import State

CASE = CASES["bridge"]
GUARDED = "\n[firewall]\ndriver = nftables\n"
NOBODY_HOLDS = (str(HERE.python), "-m", "tests.support.unheld_agent")
FLUSH = Message(DELETE_TABLE, 0, b"", "all tables", family=0)
PORTS, HELD_TIMES = 1_000, 20
PATIENCE = 20.0
POLL = 0.0005
QUIET, LEAST_PAUSE = 0.3, 1.5  # seconds: all is repaired and told; it is no fight any more


def measure(here: Place, count: int, times: int) -> list[Cost]:
    """On this kernel, and in a table that nobody holds, as on one before 6.9."""
    title = f"flush ruleset, {count:,} ports"
    held = _taken(here, count, HELD_TIMES, ())
    costs = [Cost(f"{title}: guards gone, of {HELD_TIMES} times", None, sum(map(bool, held)))]
    taken = _taken(here, count, times, NOBODY_HOLDS)
    title = f"{title}, held by nobody: all stand again after ms"
    for name, rank, goal in (("p50", 50, None), ("p99", 99, at_most(FLUSHED_MS))):
        costs.append(Cost(f"{title}, {name} of {times}", None, percentile(taken, rank), goal))
    return costs


def _taken(here: Place, count: int, times: int, command: Sequence[str]) -> list[float]:
    print(f"  guards, flushed {times} times: {count} ports", file=sys.stderr, flush=True)
    config, vifs, host = configure(here), CASE.vifs(count), Host(here.db)
    with config.open("a") as file:
        file.write(GUARDED)
    agent = Agent(here, HERE, config, command)
    try:
        agent.plug(vifs)
        with NftSocket() as netlink:
            taken = [_one(agent, netlink, count) for _ in range(times)]
        agent.unplug(vifs)
        host.drain(CASE, vifs)
    finally:
        agent.close()
    host.sweep(CASE.shared(vifs))
    return taken


def _one(agent: Agent, netlink: NftSocket, count: int) -> float:
    """Seconds; 0 where it does nothing."""
    _rest(agent)
    before, _ = reading.read(netlink)
    if len(before.ports) != count:
        raise RuntimeError(f"{len(before.ports)} guards before the flush")
    begin = time.perf_counter()
    if (refused := netlink.do([FLUSH])).errno:
        raise RuntimeError(refused.text)
    if netlink.generation() == before.generation or _is_as(netlink, before):
        return 0.0
    return _until(netlink, before) - begin


def _rest(agent: Agent) -> None:
    end, used = time.monotonic() + LEAST_PAUSE, agent.cpu()
    while True:
        time.sleep(QUIET)
        before, used = used, agent.cpu()
        if used - before < QUIET / 10 and time.monotonic() > end:
            return


def _until(netlink: NftSocket, before: State) -> float:
    """When the batch was done after which all is as before. It is read again where the kernel does
    not show all yet: while a set grows a dump may leave elements out that are there."""
    generation, deadline = before.generation + 1, time.monotonic() + PATIENCE
    at = 0.0
    while time.monotonic() < deadline:
        now = netlink.generation()
        if now != generation:
            at, generation = time.perf_counter(), now
        if at and _is_as(netlink, before):
            return at
        time.sleep(POLL)
    raise RuntimeError("the rules have not come back")


def _is_as(netlink: NftSocket, before: State) -> bool:
    after, _ = reading.read(netlink)
    return (after.fixed, after.ports) == (before.fixed, before.ports)
