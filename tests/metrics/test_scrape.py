"""A running agent's metrics, as Prometheus and node_exporter read them; in both modes."""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import re
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.metrics.test_listener import free_port
from tests.support.casting import MODES, QUEUE, Site, Vif, wait_for
from tests.support.examples import INSTANCE
from tests.support.operating import frozen, stopped
from tests.support.prometheus import promtool
from vif_agent.health import WELL, Health, sign
from vif_agent.metrics.service import health_pages
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]


class Watched(Site):
    """``door``: the port of [metrics] listen; ``textfile``: of that option."""

    door: int
    textfile: Path

    def page(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.door, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def scrape(self) -> dict[str, float]:
        """By name and labels, as they are written."""
        status, self.text = self.page("/metrics")
        assert status == 200
        return read(self.text)


def grown(before: dict[str, float], now: dict[str, float], name: str) -> float:
    name = f"vif_agent_{name}"
    return now.get(name, 0) - before.get(name, 0)


def read(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@pytest.fixture(scope="module", params=MODES)
def site(
    request: pytest.FixtureRequest,
    scratch_with_bus: ScratchHost,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Watched]:
    port, textfile = free_port(), tmp_path_factory.mktemp("node") / "vif-agent.prom"
    options = {"metrics": {"listen": f"127.0.0.1:{port}", "textfile": textfile}}
    with Watched(scratch_with_bus, request.param, options) as running:
        running.door, running.textfile = port, textfile
        yield running


def test_ports_and_both_processes_are_seen(site: Watched, payload: Payload) -> None:
    site.plug(payload("ovs_create_tap"))
    seen = site.scrape()
    assert seen['vif_agent_ports{state="ready",vif_type="ovs"}'] == 1
    assert f'concurrency="{site.concurrency}"' in next(n for n in seen if "build_info" in n)
    for process in ("agent", "helper"):
        assert seen[f'vif_agent_process_cpu_seconds_total{{process="{process}"}}'] > 0
        assert seen[f'vif_agent_process_resident_memory_bytes{{process="{process}"}}'] > 1 << 20
    site.unplug(payload("ovs_create_tap"))


def test_what_has_happened_is_counted(site: Watched, payload: Payload) -> None:
    """Each by what the sender, or the host, was told or has seen."""
    vif, before = payload("ovs_create_tap"), site.scrape()
    site.plug(vif, generation=time.time_ns())
    site.cast("plug_vif", instance=INSTANCE, vif=vif, generation=5)
    site.cast("plug_vif", instance=INSTANCE, vif={**vif, "id": "no UUID"})
    wait_for(lambda: site.rabbit.queue_length(QUEUE) == 0, "all casts read")
    site.host.ip("link", "delete", vif["devname"])

    def counted() -> bool:
        now = functools.partial(grown, before, site.scrape())
        return (
            now('casts_total{method="plug_vif",result="stored"}') == 1
            and now('casts_total{method="plug_vif",result="stale"}') == 1
            and now('casts_total{method="plug_vif",result="refused"}') == 1
            and now("cast_age_seconds_count") == 1
            and now('operations_total{result="ok",verb="plug",vif_type="ovs"}') == 1
            and now('operations_total{result="ok",verb="repair",vif_type="ovs"}') == 1
            and now('operation_duration_seconds_count{verb="plug",vif_type="ovs"}') == 1
            and now('drift_total{kind="link"}') >= 1
            and now('reconcile_duration_seconds_count{scope="ports"}') >= 2
            and now('host_phase_duration_seconds_count{phase="create"}') >= 2
            and now('helper_call_duration_seconds_count{call="create"}') >= 2
            and now('ovsdb_transaction_duration_seconds_count{result="ok"}') >= 1
            and now("ofport_wait_seconds_count") >= 1
            and now('store_write_duration_seconds_count{kind="sync"}') >= 1
            and now('events_total{source="kernel"}') >= 2
            and now('events_total{source="ovsdb"}') >= 1
        )

    wait_for(counted, "all of it", 60)
    assert site.scrape()['vif_agent_part_healthy{part="bus"}'] == 1
    assert site.scrape()["vif_agent_ready"] == 1
    assert site.scrape()["vif_agent_full_look_timestamp_seconds"] > time.time() - 3600
    site.unplug_all()


def test_what_a_sender_makes_up_is_no_label(site: Watched, payload: Payload) -> None:
    for number in range(20):
        vif = {**payload("tap"), "type": f"made-up-{number}", "id": f"{number:08}-" + "0" * 27}
        site.plug({**vif, "id": f"{number:08x}-0000-4000-8000-000000000000"}, wait=None)
    counted = 'vif_agent_ports{state="error",vif_type="other"}'
    wait_for(lambda: site.scrape().get(counted) == 20, "20 refused ports", 60)
    assert "made-up" not in site.text
    site.unplug_all()


def test_a_scrape_waits_for_nobody(site: Watched, payload: Payload) -> None:
    """Neither for the loop, which waits for Open vSwitch with the engine's lock in its hand, nor
    for clients that say nothing."""
    server = site.host.ovs.ovsdb
    with frozen(server), contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(socket.create_connection(("127.0.0.1", site.door)))
        site.plug(payload("ovs_create_tap"), wait=None)
        waiting = 'vif_agent_ports{state="pending",vif_type="ovs"}'
        wait_for(lambda: site.scrape().get(waiting) == 1, "the port in a scrape", 60)
    site.settled()
    site.unplug_all()


def test_textfile_is_whole_and_can_be_read_by_others(site: Watched) -> None:
    wait_for(site.textfile.exists, "the file", 60)
    assert stat.S_IMODE(site.textfile.stat().st_mode) == 0o644
    assert read(site.textfile.read_text()).keys() & site.scrape().keys()
    assert os.listdir(site.textfile.parent) == [site.textfile.name]


def test_textfile_of_an_agent_that_has_stopped_says_nothing_of_the_past(site: Watched) -> None:
    with stopped(site.daemon):
        assert read(site.textfile.read_text()) == {"vif_agent_ready": 0}
    wait_for(lambda: read(site.textfile.read_text())["vif_agent_ready"] == 1, "the next agent", 60)


def test_health_is_told_where_metrics_are(site: Watched) -> None:
    wait_for(lambda: site.page("/readyz") == (200, "healthy\n"), "all well", 60)
    assert site.page("/healthz") == (200, "healthy\n")


def test_who_takes_no_requests_may_live() -> None:
    pages = health_pages(Health({"loop": lambda: WELL, "bus": lambda: sign("no broker")}))
    assert [(pages[path]().status, pages[path]().body) for path in pages] == [
        (200, b"degraded: bus: no broker\n"),
        (503, b"degraded: bus: no broker\n"),
    ]
    assert health_pages(Health({"loop": lambda: sign("hangs")}))["/healthz"]().status == 503


def test_promtool_finds_nothing_to_complain_of(site: Watched) -> None:
    site.scrape()
    assert promtool("check", "metrics", given=site.text) == (0, "")


def test_log_says_where(site: Watched) -> None:
    assert re.search(rf"Metrics are served at http://127.0.0.1:{site.door}", site.daemon.log())
