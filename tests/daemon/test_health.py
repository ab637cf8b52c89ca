"""How the agent says that it is well, or what is not: over the bus, and to vif-agentctl."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.casting import CONTEXT, MODES, Site, Vif, wait_for
from tests.support.operating import Said, ctl, frozen, stopped
from tests.support.rig import Rig
from vif_agent import health
from vif_agent.daemon import threads
from vif_agent.daemon.pulse import LIMIT, Pulse, reconcile
from vif_agent.health import DEGRADED, DOWN, HEALTHY, Health, Part, Sign, sign
from vif_agent.host.ovs.ovsdb import Ovsdb
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

PARTS = {
    "loop", "threads", "helper", "reconcile", "bus", "casts", "store", "ovsdb", "watchdog",
}  # fmt: skip


@pytest.fixture(scope="module", params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, request.param) as running:
        yield running


def parts_of(site: Site) -> dict[str, Any]:
    answer = site.api.get_health(CONTEXT, HOST)
    assert answer["parts"].keys() == PARTS
    parts: dict[str, Any] = answer["parts"]
    return parts


def asked(site: Site, *arguments: str) -> Said:
    return ctl(site.daemon.config_file, *arguments)


# the words


@pytest.mark.parametrize(
    ("signs", "verdict"),
    [
        ({"loop": sign(""), "bus": sign("")}, (HEALTHY, "")),
        ({"loop": sign(""), "ovsdb": Sign(None, "no such file")}, (HEALTHY, "")),
        ({"loop": sign(""), "bus": sign("lost")}, (DEGRADED, "bus: lost")),
        ({"helper": sign("dead"), "bus": sign("lost")}, (DOWN, "helper: dead; bus: lost")),
        ({"casts": sign("full"), "store": sign("full")}, (DEGRADED, "casts, store: full")),
    ],
)
def test_verdict_follows_from_the_parts(signs: dict[str, Sign], verdict: tuple[str, str]) -> None:
    parts = {name: Part(each.ok, each.why, 0) for name, each in signs.items()}
    assert health.verdict(parts) == verdict


def test_part_says_since_when_it_is_as_it_is() -> None:
    now, state = [100.0], [sign("")]
    looked = Health({"bus": lambda: state[0]}, lambda: now[0])
    assert looked.look()["bus"] == Part(True, "", 100)
    now[0] = 200.0
    assert looked.look()["bus"].since == 100
    state[0] = sign("lost")
    assert looked.look()["bus"] == Part(False, "lost", 200)
    now[0], state[0] = 300.0, sign("lost for another reason")
    assert looked.look()["bus"] == Part(False, "lost for another reason", 200)
    state[0] = Sign(True, since=250)
    assert looked.look()["bus"].since == 250


def test_part_that_cannot_be_told_is_not_well_and_harms_no_other() -> None:
    parts = Health({"bus": lambda: sign({"a": ""}["no"]), "store": lambda: sign("")}).look()
    assert parts["bus"].ok is False
    assert "KeyError" in parts["bus"].why
    assert parts["store"].ok


def test_loop_that_does_not_come_round_is_down() -> None:
    pulse = Pulse()
    assert pulse.loop().ok
    pulse._beaten -= LIMIT + 1
    assert "it hangs: nothing for 181 s" in pulse.loop().why
    pulse.beat()
    assert pulse.loop().ok


def test_reconcile_that_lasts_is_told_while_it_does() -> None:
    assert reconcile(None).ok
    assert reconcile(2.0).ok
    assert reconcile(20.4).why == "it has lasted for 20 s"


def test_host_without_open_vswitch_is_well(tmp_path: Path) -> None:
    """Until a port needs it: ``need_ovsdb``."""
    ovsdb = Ovsdb(f"unix:{tmp_path}/none", 1, lambda keys: None)
    ovsdb.start()
    try:
        wait_for(lambda: "No such file" in ovsdb.sign().why, "the reason")
        assert ovsdb.sign().ok is None
    finally:
        ovsdb.stop()


@pytest.mark.parametrize(("name", "needed"), [("bridge", False), ("ovs_create_tap", True)])
def test_open_vswitch_is_missed_where_a_port_needs_it(
    rig: Rig, payload: Callable[[str], Vif], name: str, needed: bool
) -> None:
    assert not rig.engine.records.need_ovsdb()
    rig.plug(payload(name))
    assert rig.engine.records.need_ovsdb() is needed


def test_thread_that_has_ended_is_missed() -> None:
    """Those that were never needed are not. (Other tests of this process may
    run some: waiters, notifications; none this.)"""
    going = threading.Event()
    thread = threading.Thread(target=going.wait, name="signals")
    thread.start()
    threads.living()
    going.set()
    thread.join()
    assert "signals" in threads.living().why
    threads._seen.clear()
    assert threads.living().ok


# the running agent


def test_agent_that_is_well_says_so(site: Site) -> None:
    answer = site.api.get_health(CONTEXT, HOST)
    assert (answer["state"], answer["why"]) == (HEALTHY, None)
    oks = {name: part["ok"] for name, part in parts_of(site).items()}
    assert oks == {**dict.fromkeys(PARTS, True), "watchdog": None}
    said = asked(site, "health")
    assert (said.code, said.out, said.err) == (0, "healthy\n", "")
    assert asked(site, "health", "--json").json()["state"] == HEALTHY
    here = asked(site, "--local", "health")
    assert (here.code, here.out) == (0, "healthy\n")


def test_status_tells_each_part_and_the_last_look(site: Site) -> None:
    status = site.api.get_status(CONTEXT, HOST)
    assert status["health"]["parts"].keys() == PARTS
    site.api.repair(CONTEXT, HOST)
    before = status["last_full_look_at"]
    wait_for(
        lambda: site.api.get_status(CONTEXT, HOST)["last_full_look_at"] > before, "another look"
    )
    assert site.api.get_status(CONTEXT, HOST)["last_full_look_s"] > 0
    table = asked(site, "status").out
    for part in PARTS:
        assert f"health of {part} " in table
    assert asked(site, "status", "-f", "json").json()["health"]["state"] == HEALTHY


def test_ovsdb_away_is_told_with_the_reason_and_since_when(site: Site) -> None:
    began = parts_of(site)["ovsdb"]["since"]
    site.host.ovs.stop()
    try:
        wait_for(lambda: parts_of(site)["ovsdb"]["ok"] is False, "ovsdb away")
        lost = parts_of(site)["ovsdb"]
        assert lost["why"].startswith("not connected to unix:")
        assert lost["since"] > began
        time.sleep(0.1)
        assert parts_of(site)["ovsdb"]["since"] == lost["since"]
        said = asked(site, "health")
        assert said.code == 1
        assert said.out.startswith("degraded: ovsdb: not connected to unix:")
    finally:
        site.host.ovs.start()
    wait_for(lambda: site.api.get_health(CONTEXT, HOST)["state"] == HEALTHY, "health")
    assert parts_of(site)["ovsdb"]["since"] > lost["since"]


@pytest.mark.broker
def test_bus_away_is_told_from_this_host_and_afterwards(site: Site) -> None:
    began = parts_of(site)["bus"]["since"]
    site.rabbit.stop()
    try:
        said = asked(site, "--timeout", "1", "health")
        assert said.code == 1
        assert said.out.startswith("degraded: the bus (")
    finally:
        site.rabbit.start()
    wait_for(lambda: parts_of(site)["bus"]["ok"], "the bus")
    assert parts_of(site)["bus"]["since"] > began, "nobody has noticed that it was away"


def test_agent_that_hangs_or_does_not_run_is_down(site: Site) -> None:
    with frozen(site.daemon):
        said = asked(site, "--host", HOST, "--timeout", "1", "health")
        assert said.code == 1, "it holds its lock, and more is not seen from here"
    with stopped(site.daemon):
        here = asked(site, "--local", "health")
        assert (here.code, here.out) == (2, "down: agent: it does not run\n")
        away = asked(site, "--timeout", "1", "health")
        assert away.code == 2
    nobody = asked(site, "--host", "nobody", "--timeout", "2", "health")
    assert (nobody.code, nobody.out) == (2, "")
    assert "no agent on nobody" in nobody.err
