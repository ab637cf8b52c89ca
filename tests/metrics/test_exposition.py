"""Metrics in Prometheus' format, whatever is held or broken meanwhile."""

from __future__ import annotations

import resource
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from vif_agent.metrics.exposition import Exposition
from vif_agent.metrics.family import Family, counter, gauge, histogram
from vif_agent.metrics.service import Monitoring
from vif_agent.metrics.sources import Sampled, Sources
from vif_agent.ports.store import Store
from vif_agent.tally import Durations


class Said(Exposition):
    """Of families that need no agent."""

    def __init__(self, families: Sequence[Family]) -> None:
        super().__init__(families, object.__new__(Sources))

    def samples(self) -> dict[tuple[str, ...], float]:
        families = text_string_to_metric_families(self.text().decode())
        samples = (sample for family in families for sample in family.samples)
        return {(sample.name, *sample.labels.values()): sample.value for sample in samples}


def test_each_kind_is_read_by_prometheus() -> None:
    lasted = Durations((0.5, 1))
    for seconds in (0.1, 0.5, 0.7, 3):
        lasted.observe(seconds, "create")
    said = Said(
        [
            gauge("ports", "How many.", lambda _: {("ready", 'o"v\ns\\'): 2}, "state", "vif_type"),
            gauge("full", "Not known.", lambda _: None),
            counter("casts_total", "Casts.", lambda _: 3),
            histogram("call_seconds", "Calls.", lambda _: lasted, "call"),
        ]
    )
    assert said.samples() == {
        ("vif_agent_ports", "ready", 'o"v\ns\\'): 2,
        ("vif_agent_casts_total",): 3,
        ("vif_agent_call_seconds_bucket", "create", "0.5"): 2,
        ("vif_agent_call_seconds_bucket", "create", "1.0"): 3,
        ("vif_agent_call_seconds_bucket", "create", "+Inf"): 4,
        ("vif_agent_call_seconds_count", "create"): 4,
        ("vif_agent_call_seconds_sum", "create"): pytest.approx(4.3),
    }


def test_one_that_meets_a_bug_costs_no_other_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad = gauge("bad", "A bug.", lambda _: {("a",): int("none")}, "label")
    said = Said([bad, gauge("good", "Well.", lambda _: 1)])
    for _ in range(2):
        assert said.samples() == {("vif_agent_good",): 1}
    assert caplog.text.count("The metric vif_agent_bad cannot be read") == 1


def test_want_of_descriptors_ends_no_agent() -> None:
    host = SimpleNamespace(ports_in=lambda _: {"ours": 1}, guards=SimpleNamespace(needed=False))
    conf = SimpleNamespace(ovs=SimpleNamespace(integration_bridge="br-int"))
    monitoring: Any = object.__new__(Monitoring)
    monitoring._sources = SimpleNamespace(sampled=Sampled(), host=host, conf=conf)
    monitoring._sample()
    before = monitoring._sources.sampled.usage
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        monitoring._sample()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "agent" in before
    assert monitoring._sources.sampled.usage == before


def test_to_read_the_store_waits_for_nobody_who_writes(store: Store) -> None:
    """A disk that hangs is when one wants to see."""
    read: list[object] = []

    def look() -> None:
        read.extend((store.glance(), store.size, store.counted.writes.read()))

    with store._transaction():  # which holds all there is to hold
        reader = threading.Thread(target=look)
        reader.start()
        reader.join(30)
        assert len(read) == 3
