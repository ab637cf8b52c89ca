"""Metrics of the two processes, and how they are."""

import platform
import time

from vif_agent import __version__, health
from vif_agent.contract import CONTRACT
from vif_agent.metrics.family import Family, counter, gauge
from vif_agent.metrics.sources import Sources
from vif_agent.tally import Labels

_STARTED = time.time()  # imported when the agent starts


def _build(sources: Sources) -> dict[Labels, float]:
    concurrency = sources.conf.vif_agent.concurrency
    return {(__version__, platform.python_version(), concurrency, CONTRACT): 1}


def _parts(sources: Sources) -> dict[Labels, float]:
    parts = sources.health.look()
    return {(name,): float(part.ok) for name, part in parts.items() if part.ok is not None}


def _used(sources: Sources, what: str) -> dict[Labels, float]:
    return {(process,): used[what] for process, used in sources.sampled.usage.items()}


_READY = (
    "1 while casts are read and stored, and carried out as far as the host lets us, as /readyz "
    "says."
)
OF_NO_AGENT: tuple[Family, ...] = (gauge("ready", _READY, lambda _: 0),)
OF_AGENT: tuple[Family, ...] = (
    gauge(
        "build_info",
        "Always 1. Of the agent its version, of Python its own, how the bus side runs, and which "
        "version of the plugins' contract it speaks.",
        _build,
        "version",
        "python",
        "concurrency",
        "contract",
    ),
    gauge(
        "start_time_seconds",
        "When the agent was started, as a Unix time.",
        lambda sources: _STARTED,
    ),
    gauge("ready", _READY, lambda sources: float(health.takes_requests(sources.health.look()))),
    gauge(
        "part_healthy",
        "1 for each part of the agent that is well, 0 for one that is not, as vif-agentctl health "
        "tells: bus, casts, helper, loop, neutron, ovsdb, reconcile, store, threads, watchdog. One "
        "that nobody misses, as Open vSwitch where no port needs it, is not told.",
        _parts,
        "part",
    ),
    counter(
        "process_cpu_seconds_total",
        "CPU that the agent and its privileged helper have spent, of user and system.",
        lambda sources: _used(sources, "cpu"),
        "process",
    ),
    gauge(
        "process_resident_memory_bytes",
        "Memory that the agent and its privileged helper hold; what both share counts twice.",
        lambda sources: _used(sources, "memory"),
        "process",
    ),
    gauge(
        "process_open_fds",
        "Descriptors that the agent and its privileged helper have open.",
        lambda sources: _used(sources, "files"),
        "process",
    ),
)
