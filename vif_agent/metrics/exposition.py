"""All metrics in Prometheus' text format, by its own library."""

import logging
from collections.abc import Iterator, Sequence

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from vif_agent.metrics.family import COUNTER, Family, by_labels
from vif_agent.metrics.sources import Sources
from vif_agent.tally import Durations

LOG = logging.getLogger(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Exposition(Collector):
    """``families``: what is told, in this order."""

    def __init__(self, families: Sequence[Family], sources: Sources) -> None:
        self._families = families
        self._sources = sources
        self._failed: set[str] = set()

    def text(self) -> bytes:
        """As it is now."""
        return generate_latest(self)

    def collect(self) -> Iterator[Metric]:
        """For the library. A family that meets a bug of ours is left out, and costs no other."""
        for family in self._families:
            try:
                yield _metric(family, self._sources)
            except Exception:
                if family.name not in self._failed:
                    self._failed.add(family.name)
                    LOG.exception("The metric %s cannot be read", family.name)


def _metric(family: Family, sources: Sources) -> Metric:
    read = family.read(sources)
    if isinstance(read, Durations):
        return _histogram(family, read)
    kind = CounterMetricFamily if family.kind == COUNTER else GaugeMetricFamily
    metric: Metric = kind(family.name, family.help, labels=family.labels)
    for labels, number in by_labels(read):
        metric.add_metric(labels, number)  # type: ignore[attr-defined]
    return metric


def _histogram(family: Family, durations: Durations) -> Metric:
    metric = HistogramMetricFamily(family.name, family.help, labels=family.labels)
    names = [*map(floatToGoString, durations.bounds), "+Inf"]
    for labels, (counts, total) in durations.read().items():
        below, buckets = 0, []
        for name, count in zip(names, counts, strict=True):
            below += count
            buckets.append((name, float(below)))
        metric.add_metric(labels, buckets, total)
    return metric
