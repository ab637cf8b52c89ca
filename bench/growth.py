"""A host full of ports: what one more costs there, what the agent holds, how it starts.

All ports are direct ones with a tap.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from bench import link_changes, usage
from bench.agent_side import Agent, agent
from bench.cases import CASES, Vif
from bench.check import Host
from bench.drain import clear
from bench.place import Place
from bench.side import Rows, joined
from bench.tree import Tree

CASE = CASES["tap"]
REST = 1.0  # seconds
CHANGES = 2000
NOTES = (
    "A link's event is one that the kernel tells of a veth pair which is no port's; what the agent "
    "uses when nothing happens is not in it.",
    "The start is of an agent that knows all the ports and finds them as they should be.",
)
ON_NONE = "CPU of a port, burst on an empty host, ms"
READY = "memory (RSS) of the main process, MB"
EVENT = "CPU of a foreign link's event, us"
START = "start until READY=1, s"
START_CPU = "start, CPU, s"
START_EVENTS = "start, changes of links"


def on_crowd(crowd: int) -> str:
    return f"CPU of a port, burst on {crowd} ports, ms"


def measure(here: Place, trees: Sequence[Tree], burst: int, crowd: int) -> Rows:
    """``burst`` ports on none, then the crowd, then another burst."""
    rows: Rows = {}
    for tree in trees:
        print(f"  growth, {crowd} ports: {tree.label}", file=sys.stderr, flush=True)
        host = Host(here.db)
        with agent(here, tree) as ours:
            joined(rows, tree.label, _grown(ours, host, burst, crowd))
            config = ours.daemon.config
        events = link_changes.Events()
        with agent(here, tree, config) as again:
            joined(rows, tree.label, _started(again, events))
        clear(here, host, CASE, CASE.vifs(burst + crowd))
    return rows


def _grown(ours: Agent, host: Host, burst: int, crowd: int) -> dict[str, float]:
    """The first burst goes before the crowd comes, for the crowd to be all there is."""
    ports = CASE.vifs(burst + crowd)
    few, many = ports[crowd:], ports[:crowd]
    _plugged(ours, host, few[:1])
    alone = _plugged(ours, host, few[1:])
    ours.unplug(few)
    host.drain(CASE, few)
    _plugged(ours, host, many)
    memory = usage.resident(ours.daemon.pid)
    event = _event(ours)
    return {
        ON_NONE: alone,
        on_crowd(crowd): _plugged(ours, host, few),
        READY: memory,
        EVENT: event,
    }


def _plugged(ours: Agent, host: Host, vifs: Sequence[Vif]) -> float:
    """CPU of a port in ms, until all is at rest again."""
    begin = ours.cpu()
    ours.plug(vifs)
    if (settled := host.settle(CASE, vifs)).wrong:
        raise RuntimeError(f"not plugged: {settled.wrong[:3]}")
    time.sleep(REST)
    return (ours.cpu() - begin) * 1000 / len(vifs)


def _event(ours: Agent) -> float:
    """In microseconds, beyond what as much time costs in which nothing happens."""
    with link_changes.foreign_link():
        link_changes.change(link_changes.AT_ONCE)
        time.sleep(REST)
        begin, before, events = time.perf_counter(), ours.cpu(), link_changes.Events()
        link_changes.change(CHANGES)
        time.sleep(REST)
        used, count, took = ours.cpu() - before, events.close(), time.perf_counter() - begin
        before = ours.cpu()
        time.sleep(took)
        return (used - (ours.cpu() - before)) * 1e6 / count


def _started(again: Agent, events: link_changes.Events) -> dict[str, float]:
    took = again.daemon.until_ready() - again.daemon.begun
    return {START: took, START_CPU: again.cpu(), START_EVENTS: events.close()}
