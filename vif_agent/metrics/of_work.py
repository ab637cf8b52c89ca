"""Metrics of the work: reconciles, what others change, what is left over, and the store."""

from collections import Counter
from collections.abc import Callable

from vif_agent.metrics.family import Family, counter, gauge, histogram
from vif_agent.metrics.sources import Sources
from vif_agent.tally import Labels


def _full_look(place: int) -> Callable[[Sources], float | None]:
    def read(sources: Sources) -> float | None:
        looked = sources.engine.full_look
        return looked[place] if looked else None

    return read


def _orphans(sources: Sources) -> dict[Labels, float] | None:
    """None while the host cannot be seen whole."""
    there = sources.engine.orphans
    if there is None:
        return None
    counts = Counter((each.kind, "yes" if each.in_use else "no") for each in there)
    return {
        (kind, used): counts[kind, used] for kind in ("tagged", "dead") for used in ("yes", "no")
    }


OF_WORK: tuple[Family, ...] = (
    histogram(
        "reconcile_duration_seconds",
        "How long reconciles last, by scope: some ports, or the whole host.",
        lambda sources: sources.loop.worked.lasted,
        "scope",
    ),
    histogram(
        "reconcile_ports",
        "How many ports a reconcile has looked at.",
        lambda sources: sources.loop.worked.ports,
    ),
    gauge(
        "full_look_timestamp_seconds",
        "When the last reconcile of the whole host has ended, as a Unix time.",
        _full_look(0),
    ),
    gauge(
        "full_look_duration_seconds",
        "How long it has lasted.",
        _full_look(1),
    ),
    gauge(
        "check_interval_seconds",
        "The option [vif_agent] check_interval; 0: the whole host is not looked at by time.",
        lambda sources: float(sources.conf.vif_agent.check_interval),
    ),
    counter(
        "drift_total",
        "Things that others had changed, and that were put right, by kind.",
        lambda sources: sources.loop.worked.drift.read(),
        "kind",
    ),
    gauge(
        "fights",
        "Ports and shared things that somebody else keeps changing, so that repairs come at "
        "growing pauses.",
        lambda sources: sources.loop.fights,
    ),
    gauge(
        "orphans",
        "What is left on the host and belongs to no request, as the last reconcile of the whole "
        "host has found it, by kind (tagged: ours; dead: an OVS port whose device is gone), and "
        "whether it is in use and so must stay.",
        _orphans,
        "kind",
        "in_use",
    ),
    counter(
        "orphans_removed_total",
        "Things of orphans that were removed, by kind.",
        lambda sources: sources.cleanup.removed.read(),
        "kind",
    ),
    histogram(
        "store_write_duration_seconds",
        "How long a commit takes, with the wait for others' (commit), and until it is on disk "
        "(sync).",
        lambda sources: sources.store.counted.writes,
        "kind",
    ),
    counter(
        "store_errors_total",
        "Writes of the store that the disk or SQLite has refused, by kind.",
        lambda sources: sources.store.counted.errors.read(),
        "kind",
    ),
    gauge(
        "store_size_bytes",
        "What the store's files take.",
        lambda sources: float(sources.store.size),
    ),
)
