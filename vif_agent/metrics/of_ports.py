"""Metrics of ports and requests: how many there are, since when the oldest waits, what became."""

import time
from collections import Counter

from vif_agent import errors
from vif_agent.metrics.family import Family, counter, gauge, histogram
from vif_agent.metrics.sources import Sources
from vif_agent.ports.port import READY, Port
from vif_agent.tally import OTHER, Labels


def _known(code: str) -> str:
    return code if code in errors.codes() else OTHER


def _ports(sources: Sources) -> dict[Labels, float]:
    """Whoever casts may name any vif_type; a label is only what is installed."""
    counts = Counter((port.state, port.vif_type) for port in sources.store.glance())
    by_kind: Counter[Labels] = Counter()
    for (state, vif_type), count in counts.items():
        by_kind[state, sources.plugins.kind(vif_type)] += count
    return dict(by_kind)


def _unsettled(sources: Sources) -> dict[Labels, float]:
    now, oldest = time.time(), dict[Labels, float]()
    for port in sources.store.glance():
        if port.state != READY:
            code = _known(port.problem.code) if port.problem else ""
            age = max(0.0, now - _since(port))
            oldest[port.state, code] = max(age, oldest.get((port.state, code), 0.0))
    return oldest


def _since(port: Port) -> float:
    """A port that was ready waits since it is not; any other since it was asked for."""
    return (port.done_at or port.received_at) if port.ready_at else port.received_at


OF_PORTS: tuple[Family, ...] = (
    gauge(
        "ports",
        "Ports that are known and not unplugged, by state and vif_type.",
        _ports,
        "state",
        "vif_type",
    ),
    gauge(
        "oldest_unsettled_seconds",
        "For how long the port waits that has waited longest, of those that are not ready: by "
        "state, and by the code of what is in the way (empty: nothing is known of yet).",
        _unsettled,
        "state",
        "code",
    ),
    counter(
        "casts_total",
        "Casts that were read off the bus, by method and by what became of them at the door: "
        "stored, stale (an older generation than the stored one), duplicate (seen before) or "
        "refused.",
        lambda sources: sources.store.counted.casts.read(),
        "method",
        "result",
    ),
    histogram(
        "cast_age_seconds",
        "From when a cast was sent, by its sender's clock, until it is stored; of senders whose "
        "generations are a clock, as VifAgentAPI's.",
        lambda sources: sources.store.counted.ages,
    ),
    counter(
        "operations_total",
        "Results that were reported, by verb (plug, unplug, repair), vif_type, and ok or the code "
        "of what is in the way.",
        lambda sources: sources.report.operations.results.read(),
        "verb",
        "vif_type",
        "result",
    ),
    histogram(
        "operation_duration_seconds",
        "From when a request was received until it was carried out, and of a repair from when it "
        "was found to be needed; of those that went well.",
        lambda sources: sources.report.operations.lasted,
        "verb",
        "vif_type",
    ),
    counter(
        "retries_total",
        "How often a port that failed was put off to be tried again, by code.",
        lambda sources: sources.loop.worked.retries.read(),
        "code",
    ),
    gauge(
        "notifications_waiting",
        "Results that are still to be sent to the bus.",
        lambda sources: sources.notifications.waiting,
    ),
    counter(
        "notifications_dropped_total",
        "Results that were given up, for too many waited while the bus was away.",
        lambda sources: sources.notifications.dropped,
    ),
)
