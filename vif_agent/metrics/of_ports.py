"""Metrics of ports: how many are in which state, and since when the oldest waits."""

import time
from collections import Counter

from vif_agent import errors
from vif_agent.metrics.family import Family, gauge
from vif_agent.metrics.sources import Sources
from vif_agent.ports.port import READY, Port
from vif_agent.tally import OTHER, Labels

_CODES = errors.codes()


def known_code(code: str) -> str:
    """One of those that errors.py has."""
    return code if code in _CODES else OTHER


def _ports(sources: Sources) -> dict[Labels, float]:
    """Whoever casts may name any vif_type; a label is only what is installed."""
    counts = Counter((port.state, port.vif_type) for port in sources.store.glance())
    by_kind: Counter[Labels] = Counter()
    for (state, vif_type), count in counts.items():
        by_kind[state, sources.kind(vif_type)] += count
    return dict(by_kind)


def _unsettled(sources: Sources) -> dict[Labels, float]:
    now, oldest = time.time(), dict[Labels, float]()
    for port in sources.store.glance():
        if port.state != READY:
            code = known_code(port.problem.code) if port.problem else ""
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
)
