"""What a plug costs while very many senders wait for other ports."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import oslo_messaging

from bench.agent_side import Agent, agent
from bench.cases import CASES
from bench.check import Host
from bench.measure import percentile
from bench.place import Place
from bench.sender import HOST
from bench.side import Rows, joined
from bench.tree import HERE, Tree

CASE = CASES["tap"]
REST = 2.0  # seconds
ALL_THERE = 8.0  # for the last question to have come to the agent, on a busy machine too
NOTES = (
    "They wait by wait_vif for ports that do not come, five minutes in one call; who is told at "
    "once, for too many wait already, asks again half a second later, as the sender's client does. "
    "What they cost when nothing is plugged has a row of its own, and is in the others too. A "
    "`status` of 10,000 ms has not been answered at all.",
)


def measure(here: Place, trees: Sequence[Tree], count: int, ports: int) -> Rows:
    """``ports`` one by one, and then in a burst, beside none and beside ``count``."""
    rows: Rows = {}
    for tree in trees:
        print(f"  {count} waiters: {tree.label}", file=sys.stderr, flush=True)
        host = Host(here.db)
        with agent(here, tree) as ours:
            ours.plug(CASE.vifs(1))
            _gone(ours, host, 1)
            for beside in (0, count):
                with _waiters(here, beside):
                    joined(rows, tree.label, _plugs(ours, host, ports, beside))
    return rows


def _plugs(ours: Agent, host: Host, ports: int, beside: int) -> dict[str, float]:
    vifs = CASE.vifs(ports)
    idle, status = _busy(ours), _status(ours)
    lone = [ours.plug([vif]) for vif in vifs]
    _gone(ours, host, ports)
    begin = ours.cpu()
    burst = ours.plug(vifs)
    used = ours.cpu() - begin
    _gone(ours, host, ports)
    return {
        f"lone plug p50 beside {beside} waiters, ms": percentile(lone, 50),
        f"burst of {ports} beside {beside} waiters, ms": burst * 1000,
        f"the same, CPU ms/port beside {beside}": used * 1000 / ports,
        f"CPU with no plug beside {beside} waiters, % of one": idle * 100,
        f"status beside {beside} waiters, ms": status * 1000,
    }


def _busy(ours: Agent) -> float:
    time.sleep(REST)
    begin, before = time.perf_counter(), ours.cpu()
    time.sleep(REST)
    return (ours.cpu() - before) / (time.perf_counter() - begin)


def _status(ours: Agent) -> float:
    """Until it is answered, or until the client gives up."""
    begin = time.perf_counter()
    with suppress(oslo_messaging.MessagingTimeout):
        ours.sender.api.get_status({}, HOST)
    return time.perf_counter() - begin


def _gone(ours: Agent, host: Host, ports: int) -> None:
    vifs = CASE.vifs(ports)
    ours.unplug(vifs)
    host.drain(CASE, vifs)


@contextmanager
def _waiters(here: Place, count: int) -> Iterator[None]:
    """Each has asked when this begins."""
    command = [
        str(HERE.python),
        "-Wignore",
        "-m",
        "bench.waiters_side",
        here.transport_url,
        str(count),
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=HERE.path, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout
        if not process.stdout.readline():
            raise RuntimeError("the waiters have ended, see above")
        time.sleep(ALL_THERE if count else 0)
        yield
        assert process.stdin
        process.stdin.close()
