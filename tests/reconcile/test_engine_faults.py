"""The engine when things fail: crashes, faults of the host, lost memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import Crash
from tests.support.rig import PLUGGABLE, PLUGINS, Rig
from vif_agent.errors import HostRefused, NotYet
from vif_agent.ownership import SHARED
from vif_agent.ports.port import PLUG, UNPLUG
from vif_agent.reconcile.engine import Engine
from vif_agent.resources import GUARD, LINK, OVS_PORT, Bridge, Key, Tap

Payload = Callable[[str], dict[str, Any]]


@pytest.mark.parametrize("name", PLUGGABLE)
@pytest.mark.parametrize("verb", [PLUG, UNPLUG])
def test_crash_at_any_piece_of_a_reconcile_converges_after_restart(
    tmp_path: Path, payload: Payload, name: str, verb: str
) -> None:
    vif = payload(name)
    for pieces in range(40):
        directory = tmp_path / str(pieces)
        directory.mkdir()
        rig = Rig(directory)
        if verb == UNPLUG:
            rig.plug(vif)
        rig.request(verb, vif)
        rig.host.crash_after(pieces)
        try:
            rig.settle(vif["id"])
        except Crash:
            crashed = True
        else:
            crashed = False
        rig.host.crash_after(-1)
        assert rig.settle(*rig.restart(), everywhere=True) == set()
        if verb == PLUG:
            rig.unplug(vif)
        assert rig.host.snapshot() == rig.clean, f"after {pieces} pieces"
        rig.store.close()
        if not crashed:
            assert pieces > 0
            return
    pytest.fail("the crash never stopped coming")


def test_pending_delete_bridge_is_found_again_after_a_restart(rig: Rig, payload: Payload) -> None:
    rig.host.add_link(Bridge(name="brq-left"), owner=SHARED)
    rig.settle(*rig.restart(), everywhere=True)
    assert rig.host.snapshot() == rig.clean


def test_bad_port_holds_up_no_other(rig: Rig, payload: Payload) -> None:
    bad, good = payload("ovs_create_tap"), payload("ovs_hybrid")
    rig.host.fail_next(Key(LINK, bad["devname"]), HostRefused("broken").problem)
    retry = rig.settle(
        rig.request(PLUG, bad), rig.request(PLUG, good), rig.request(PLUG, payload("unbound"))
    )
    assert retry == set()
    assert rig.stored(good).state == "ready"
    assert rig.stored(bad).problem == HostRefused("broken").problem
    assert rig.stored(payload("unbound")).problem.code == "binding_refused"  # type: ignore[union-attr]


def test_transient_failure_is_retried_and_done(rig: Rig, payload: Payload) -> None:
    vif = payload("ovs_hybrid")
    port = rig.request(PLUG, vif)
    key = Key(OVS_PORT, "qvo" + port[:11])
    rig.host.fail_next(key, NotYet("busy").problem)
    assert rig.settle(port) == {port}
    assert (rig.stored(vif).state, rig.stored(vif).problem) == ("retrying", NotYet("busy").problem)
    assert rig.settle(port) == set()
    assert (rig.stored(vif).state, rig.stored(vif).problem) == ("ready", None)


def test_permanent_failure_is_told_once_and_kept(rig: Rig, payload: Payload) -> None:
    vif = payload("ovs_create_tap")
    problem = HostRefused("not supported").problem
    rig.host.fail_next(Key(LINK, vif["devname"]), problem, times=3)
    port = rig.request(PLUG, vif)
    for _ in range(3):
        assert rig.settle(port) == set()
    assert [(p.state, p.problem) for p in rig.reported] == [("error", problem)]
    assert rig.stored(vif).problem == problem


def test_failed_device_keeps_its_port_off_the_switch(rig: Rig, payload: Payload) -> None:
    vif = payload("ovs_create_tap")
    rig.host.fail_next(Key(LINK, vif["devname"]), NotYet("busy").problem)
    rig.plug(vif)
    assert rig.made() == set()


def test_failed_unplug_from_the_switch_keeps_the_devices(rig: Rig, payload: Payload) -> None:
    vif = payload("ovs_create_tap")
    rig.plug(vif)
    rig.host.fail_next(Key(OVS_PORT, vif["devname"]), NotYet("busy").problem)
    assert rig.settle(rig.request(UNPLUG, vif)) == {vif["id"]}
    assert rig.made() == {Key(LINK, vif["devname"]), Key(OVS_PORT, vif["devname"])}
    rig.settle(vif["id"])
    assert rig.host.snapshot() == rig.clean


def test_host_that_keeps_nothing_is_a_transient_problem_not_a_loop(
    rig: Rig, payload: Payload
) -> None:
    vif = payload("tap")
    rig.host.forgets.add(Key(LINK, vif["devname"]))
    port = rig.request(PLUG, vif)
    assert rig.settle(port) == {port}
    assert rig.new_plans() == 5
    assert "does not keep" in rig.stored(vif).problem.message  # type: ignore[union-attr]
    rig.host.forgets.clear()
    rig.settle(port)
    assert rig.stored(vif).state == "ready"


def test_things_tagged_with_an_unplugged_port_are_removed_everywhere(
    rig: Rig, payload: Payload
) -> None:
    """The store is older than the host: the crash came between the work and its record."""
    vif = payload("ovs_create_tap")
    rig.unplug(vif)
    rig.host.add_link(Tap(name=vif["devname"]), owner=vif["id"])
    rig.settle(*rig.restart(), everywhere=True)
    assert rig.host.snapshot() == rig.clean


def test_things_tagged_with_an_unknown_port_are_left(rig: Rig) -> None:
    rig.host.add_link(Tap(name="tapstranger"), owner="c0ffee00-0000-4000-8000-000000000000")
    rig.settle(*rig.restart(), everywhere=True)
    assert rig.made() == {Key(LINK, "tapstranger")}


def test_lost_ovsdb_holds_up_ovs_ports_only(rig: Rig, payload: Payload) -> None:
    wired, other = payload("ovs_hybrid"), payload("tap")
    rig.host.lose_ovsdb()
    ids = [rig.request(PLUG, vif) for vif in (wired, other)]
    assert rig.settle(*ids) == {wired["id"]}
    assert rig.made() == {Key(space, other["devname"]) for space in (GUARD, LINK)}
    rig.host.find_ovsdb()
    assert rig.settle(*ids) == set()
    assert rig.stored(wired).state == "ready"


def test_port_without_ofport_waits_and_is_ready_when_open_vswitch_speaks(
    tmp_path: Path, payload: Payload
) -> None:
    rig = Rig(tmp_path)
    rig.engine = Engine(rig.store, rig.host, PLUGINS, ready_timeout=3600)
    vif = payload("ovs_create_tap")
    port = rig.request(PLUG, vif)
    rig.host.hold_back(vif["devname"])
    assert rig.engine.reconcile([port]).again == {port}
    outcome = rig.engine.reconcile([port])
    assert outcome.waiting == {port: {Key(OVS_PORT, vif["devname"])}}
    assert (outcome.finished, outcome.retry) == ((), frozenset())
    rig.host.take_in(vif["devname"])
    assert [p.state for p in rig.engine.reconcile([port]).finished] == ["ready"]
    rig.store.close()


def test_port_without_ofport_for_too_long_is_a_transient_problem(
    rig: Rig, payload: Payload
) -> None:
    vif = payload("ovs_create_tap")
    rig.host.hold_back(vif["devname"], error="no such device")
    port = rig.request(PLUG, vif)
    assert rig.settle(port) == {port}
    assert rig.stored(vif).problem.code == "ovsdb_unavailable"  # type: ignore[union-attr]
    rig.host.take_in(vif["devname"])
    assert rig.settle(port) == set()
    assert rig.stored(vif).state == "ready"


def test_broken_reconcile_is_given_up_with_the_ports_result(rig: Rig, payload: Payload) -> None:
    vif = payload("tap")
    rig.plug(vif)
    reported = rig.engine.give_up(vif["id"], NotYet("internal").problem)
    assert reported is not None
    assert reported.state == "retrying"
    assert rig.engine.give_up("unknown", NotYet("internal").problem) is None


def test_unplug_does_not_fail_with_another_port_that_has_the_name_now(
    rig: Rig, payload: Payload
) -> None:
    """It would stay so for ever: the host's refusal is not tried again."""
    bad, flat = {**payload("tap"), "devname": "eth1"}, payload("bridge_flat")
    assert rig.plug(bad).state == "error"
    rig.host.fail_next(Key(LINK, "eth1"), HostRefused("eth1: Invalid argument").problem)
    rig.settle(rig.request(UNPLUG, bad), rig.request(PLUG, flat))
    assert rig.stored(flat).problem == HostRefused("eth1: Invalid argument").problem
    assert rig.stored(bad).state == "unplugged"
