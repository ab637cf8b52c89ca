"""SIGKILL of the agent at random moments of a storm of casts: the last wish of each port wins."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests.casting import MODES, QUEUE, Site, Vif, numbered, wait_for
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

LOG = logging.getLogger(__name__)

CASTS, KILLS = 300, 10
KINDS = ("ovs_hybrid", "ovs_create_tap", "bridge")
PORTS = [(kind, number) for kind in KINDS for number in range(20)]


class Host(NamedTuple):
    """What of a host the storm may change."""

    links: frozenset[str]
    ovs_ports: frozenset[str]
    qos_rows: int


@pytest.fixture(params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, request.param) as running:
        yield running


def test_storm_with_kills_loses_nothing(site: Site, payload: Callable[[str], Vif]) -> None:
    seed = int(os.environ.get("VIF_AGENT_SEED", "0")) or time.time_ns() % 1_000_000
    LOG.warning("VIF_AGENT_SEED=%d repeats this storm", seed)
    dice, before = random.Random(seed), _look(site)
    vifs = [_port(payload, kind, number) for kind, number in PORTS]
    wishes: dict[int, bool] = {}
    hits = 0
    for _ in range(KILLS):
        _cast(site, dice, vifs, wishes)  # from the second time on, while the agent starts
        site.daemon.wait_for_notice("READY=1", 60)
        _cast(site, dice, vifs, wishes)
        hits += _kill(site, dice.uniform(0, 0.25))
        site.daemon.launch()
    site.daemon.wait_for_notice("READY=1", 60)
    site.settled()
    plugged = [(PORTS[n][0], vifs[n]) for n, plug in wishes.items() if plug]
    assert hits, "no kill has hit anything"
    assert {port["port_id"] for port in site.api.list_vifs({}, HOST)} == {
        v["id"] for _, v in plugged
    }
    assert site.states() == {"ready"}
    assert _look(site) == _expected(before, plugged)


def _cast(site: Site, dice: random.Random, vifs: list[Vif], wishes: dict[int, bool]) -> None:
    for _ in range(CASTS // KILLS // 2):
        number, plug = dice.randrange(len(vifs)), dice.random() < 0.6
        wishes[number] = plug
        (site.plug if plug else site.unplug)(vifs[number], wait=None)


def _kill(site: Site, after: float) -> int:
    """How much was on its way, so that it is seen that the kill has hit something."""
    time.sleep(after)  # the random moment itself: there is nothing to wait for
    site.daemon.kill()
    queued = wait_for(lambda: [site.rabbit.queue_length(QUEUE)], "the queue")[0]
    stored = _stored_undone(site)
    LOG.warning("killed after %.3f s: %d unacknowledged, %d stored undone", after, queued, stored)
    return queued + stored


def _stored_undone(site: Site) -> int:
    """In a copy: to open the store would tidy it up after the crash."""
    with tempfile.TemporaryDirectory() as directory:
        shutil.copytree(site.daemon.state_path, directory, dirs_exist_ok=True)
        with contextlib.closing(sqlite3.connect(f"{directory}/vif-agent.sqlite")) as store:
            query = "SELECT count(*) FROM ports WHERE state IN ('pending', 'retrying')"
            return int(store.execute(query).fetchone()[0])


def _port(payload: Callable[[str], Vif], kind: str, number: int) -> Vif:
    """Bridge ports are on four networks."""
    vif = numbered(payload(kind), 100 * KINDS.index(kind) + number)
    network = {**vif["network"], "bridge": f"brqstorm-{number % 4}"}
    return {**vif, "network": network} if kind == "bridge" else vif


def _look(site: Site) -> Host:
    return Host(frozenset(site.host.links()), frozenset(site.ovs_ports()), site.ovs_rows("QoS"))


def _expected(before: Host, plugged: list[tuple[str, Vif]]) -> Host:
    links, ovs_ports = set(before.links), set(before.ovs_ports)
    for kind, vif in plugged:
        short = vif["id"][:11]
        if kind == "ovs_hybrid":
            links |= {"qbr" + short, "qvb" + short, "qvo" + short}
            ovs_ports.add("qvo" + short)
        elif kind == "ovs_create_tap":
            links.add(vif["devname"])
            ovs_ports.add(vif["devname"])
        else:
            links |= {vif["devname"], vif["network"]["bridge"]}
    rows = before.qos_rows + len(ovs_ports) - len(before.ovs_ports)
    return Host(frozenset(links), frozenset(ovs_ports), rows)
