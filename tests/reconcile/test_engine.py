"""The engine on a host in memory and a real store: plug, unplug, change, repair, dry run."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.examples import INSTANCE
from tests.support.rig import PLUGGABLE, PLUGINS, Rig
from vif_agent.plugin_host.registry import PluginRegistry
from vif_agent.ports.port import PLUG, UNPLUG, Port, PortRequest
from vif_agent.resources import LINK, OVS_PORT, Bridge, Key, Resource, Tap
from vif_agent.vif import Vif

Payload = Callable[[str], dict[str, Any]]


def _sibling(vif: dict[str, Any], number: int = 1, same_names: bool = False) -> dict[str, Any]:
    """Another port of the same network; ``same_names``: with the same first 11 characters."""
    port = vif["id"]
    other = port[:-1] + str(number) if same_names else f"{number:08x}{port[8:]}"
    return {
        **vif,
        "id": other,
        "devname": "tap" + other[:11],
        "address": f"fa:16:3e:00:01:{number:02x}",
    }


@pytest.mark.parametrize("name", PLUGGABLE)
def test_port_of_every_type_is_plugged_and_unplugged_twice(
    rig: Rig, payload: Payload, name: str
) -> None:
    vif = payload(name)
    assert rig.plug(vif).state == "ready"
    made = rig.host.snapshot()
    assert rig.stored(vif).made <= made.keys()
    assert rig.new_plans() == 1
    assert rig.plug(vif).state == "ready"
    assert rig.host.snapshot() == made
    assert rig.unplug(vif).state == "unplugged"
    assert rig.host.snapshot() == rig.clean
    assert rig.new_plans() == 1
    assert rig.unplug(vif).state == "unplugged"
    assert rig.new_plans() == 0


def test_shared_bridge_stays_until_its_last_port_goes(rig: Rig, payload: Payload) -> None:
    first = payload("bridge")
    second = _sibling(first)
    bridge = Key(LINK, first["network"]["bridge"])
    rig.plug(first)
    rig.plug(second)
    rig.unplug(first)
    assert rig.host.snapshot()[bridge].members == {second["devname"]}
    rig.unplug(second)
    assert rig.host.snapshot() == rig.clean


def test_shared_bridge_of_two_ports_unplugged_together_goes_at_once(
    rig: Rig, payload: Payload
) -> None:
    first = payload("bridge")
    second = _sibling(first)
    rig.settle(*(rig.request(PLUG, vif) for vif in (first, second)))
    rig.new_plans()
    rig.settle(*(rig.request(UNPLUG, vif) for vif in (first, second)))
    assert rig.new_plans() == 1
    assert rig.host.snapshot() == rig.clean


def test_pending_delete_bridge_with_a_foreign_member_goes_later(rig: Rig, payload: Payload) -> None:
    vif = payload("bridge")
    bridge = vif["network"]["bridge"]
    rig.plug(vif)
    rig.host.add_link(Tap(name="vnet7", master=bridge))
    assert rig.unplug(vif).state == "unplugged"
    assert rig.made() == {Key(LINK, bridge), Key(LINK, "vnet7")}
    assert rig.engine.records.pending_deletes
    rig.settle()
    assert Key(LINK, bridge) in rig.made()
    rig.host.remove(Key(LINK, "vnet7"))
    rig.settle()
    assert not rig.engine.records.pending_deletes
    assert rig.host.snapshot() == rig.clean


def test_bridge_of_somebody_else_is_used_and_left(rig: Rig, payload: Payload) -> None:
    vif = payload("bridge")
    rig.host.add_link(Bridge(name=vif["network"]["bridge"], mtu=9000))
    before = rig.host.snapshot()
    assert rig.plug(vif).state == "ready"
    rig.unplug(vif)
    assert rig.host.snapshot() == before


def test_refused_request_leaves_an_earlier_good_plug_in_place(rig: Rig, payload: Payload) -> None:
    vif = payload("ovs_hybrid")
    rig.plug(vif)
    before = rig.host.snapshot()
    assert rig.plug({**vif, "type": "binding_failed"}).state == "error"
    assert rig.plug({**vif, "type": "nonsense"}).problem.code == "no_plugin"  # type: ignore[union-attr]
    rig.settle(*rig.restart(), everywhere=True)
    assert rig.host.snapshot() == before
    rig.unplug(vif)
    assert rig.host.snapshot() == rig.clean


def test_hybrid_port_becomes_direct_and_loses_its_old_devices_in_one_reconcile(
    rig: Rig, payload: Payload
) -> None:
    vif = payload("ovs_hybrid")
    rig.plug(vif)
    rig.new_plans()
    details = {**vif["details"], "ovs_hybrid_plug": False, "ovs_create_tap": True}
    assert rig.plug({**vif, "details": details}).state == "ready"
    assert rig.new_plans() == 1
    assert rig.made() == {Key(LINK, vif["devname"]), Key(OVS_PORT, vif["devname"])}


@pytest.mark.parametrize("hybrid", [True, False])
def test_bridge_port_becomes_ovs_and_its_bridge_goes(
    rig: Rig, payload: Payload, hybrid: bool
) -> None:
    vif, details = payload("bridge"), {"ovs_hybrid_plug": hybrid, "ovs_create_tap": True}
    rig.plug(vif)
    rig.new_plans()
    ovs = {**vif, "type": "ovs", "details": {"bridge_name": "br-int", **details}}
    assert rig.plug(ovs).state == "ready"
    assert rig.new_plans() == 1
    assert Key(LINK, vif["network"]["bridge"]) not in rig.made()
    rig.unplug(ovs)
    assert rig.host.snapshot() == rig.clean


def test_second_port_of_the_same_device_names_is_refused(rig: Rig, payload: Payload) -> None:
    first = payload("ovs_hybrid")
    second = _sibling(first, same_names=True)
    rig.settle(rig.request(PLUG, first), rig.request(PLUG, second))
    before = rig.host.snapshot()
    assert rig.stored(first).state == "ready"
    assert rig.stored(second).problem.code == "conflict"  # type: ignore[union-attr]
    rig.unplug(second)
    assert rig.host.snapshot() == before


def test_port_plugged_anew_does_not_oust_the_one_that_took_its_names(
    rig: Rig, payload: Payload
) -> None:
    first = payload("ovs_create_tap")
    second = _sibling(first, same_names=True)
    rig.plug(first)
    rig.unplug(first)
    rig.plug(second)
    rig.plug(first)
    rig.settle(first["id"], second["id"])
    assert rig.stored(second).state == "ready"
    assert rig.stored(first).state == "error"


@pytest.mark.parametrize(("device", "code"), [("lan", "conflict"), ("eth1", "invalid_request")])
def test_old_port_that_is_cast_with_the_name_of_a_shared_thing_harms_nobody(
    rig: Rig, payload: Payload, device: str, code: str
) -> None:
    old, good = payload("tap"), payload("bridge_flat")
    good["network"]["bridge"] = "lan"
    rig.plug(old)
    assert device in rig.plug(good).devices
    bad = rig.plug({**old, "devname": device})
    assert (bad.state, bad.problem.code) == ("error", code)  # type: ignore[union-attr]
    later = _sibling(good)
    assert rig.plug(later).state == "ready"
    assert rig.plug(good).state == "ready"
    for known in (rig.store.ports().keys(), rig.restart()):
        rig.settle(*known, everywhere=True)
        assert [rig.stored(vif).state for vif in (old, good, later)] == ["error", "ready", "ready"]


@pytest.mark.parametrize("name", PLUGGABLE)
def test_dry_run_changes_nothing_and_says_what_a_reconcile_does(
    rig: Rig, payload: Payload, name: str
) -> None:
    vif = payload(name)
    for verb in (PLUG, UNPLUG):
        before, stored = rig.host.snapshot(), rig.store.ports()
        rig.host.plans.clear()
        planned = rig.engine.dry_run(_as_ports(rig, verb, vif))
        assert (rig.host.snapshot(), rig.store.ports(), rig.host.plans) == (before, stored, [])
        rig.settle(rig.request(verb, vif))
        assert rig.host.plans[0].as_dict() == planned.as_dict()


def test_dry_run_of_a_refused_request_says_why_and_forgets_it(rig: Rig, payload: Payload) -> None:
    vif = payload("unbound")
    plan = rig.engine.dry_run(_as_ports(rig, PLUG, vif))
    assert not plan
    assert plan.problems[vif["id"]].code == "binding_refused"
    assert rig.engine.records.states() == {}


def test_dry_run_and_check_leave_what_is_known_of_ports(rig: Rig, payload: Payload) -> None:
    """Though a look at the whole host finds by its owner tag what a port does not know it has."""
    vif, other = payload("ovs_hybrid"), payload("tap")
    rig.plug(vif)
    rig.host.add_link(Tap(name="tap-stray"), owner=vif["id"])
    before = copy.deepcopy([*rig.engine.records])
    rig.engine.dry_run(_as_ports(rig, PLUG, other), everywhere=True)
    rig.engine.dry_run(_as_ports(rig, UNPLUG, vif))
    rig.engine.check(rig.stored(vif))
    assert [*rig.engine.records] == before


def _as_ports(rig: Rig, verb: str, vif: dict[str, Any]) -> list[Port]:
    request = PortRequest(
        port_id=vif["id"], verb=verb, instance=INSTANCE, vif=vif, vif_type=vif["type"]
    )
    return rig.store.preview([request])


def test_check_tells_of_its_port_alone(rig: Rig, payload: Payload) -> None:
    """Another that was refused what this one has is no fault of it."""
    first = payload("tap")
    rig.plug(first)
    assert rig.plug(_sibling(first, same_names=True)).state == "error"
    plan, unready = rig.engine.check(rig.stored(first))
    assert (plan.render(), unready) == ("nothing to do", {})


def test_check_misses_a_representor_that_has_no_name_any_longer(rig: Rig, payload: Payload) -> None:
    vif = payload("ovs_direct")
    rig.plug(vif)
    rig.host.pci_names.clear()
    plan, _ = rig.engine.check(rig.stored(vif))
    assert plan.problems.keys() == {vif["id"]}


def test_dry_run_of_an_unplug_says_what_keeps_it(rig: Rig, payload: Payload) -> None:
    vif = payload("ovs_hybrid")
    rig.plug(vif)
    rig.host.lose_ovsdb()
    plan = rig.engine.dry_run(_as_ports(rig, UNPLUG, vif))
    assert not plan
    assert plan.problems[vif["id"]].code == "ovsdb_unavailable"
    rig.unplug(vif)
    assert rig.stored(vif).problem == plan.problems[vif["id"]]


def test_start_without_the_plugin_forgets_no_command(rig: Rig, payload: Payload) -> None:
    """Its package was not there for a while."""
    vif, plugins = payload("midonet"), rig.plugins
    rig.plug(vif)
    rig.new_plans()
    for rig.plugins, state in ((PluginRegistry({}), "error"), (plugins, "ready")):
        rig.settle(*rig.restart(), everywhere=True)
        assert rig.stored(vif).state == state
    assert rig.new_plans() == 0


def test_drift_is_repaired_and_told_as_repair(rig: Rig, payload: Payload) -> None:
    vif = payload("ovs_hybrid")
    rig.plug(vif)
    good = rig.host.snapshot()
    inner = Key(LINK, "qvb" + vif["id"][:11])
    rig.host.change(inner, mtu=9000, master=None)
    rig.reported.clear()
    rig.settle(vif["id"])
    assert rig.host.snapshot() == good
    (reported,) = rig.reported
    assert (reported.state, "mtu 9000 -> " in reported.repaired) == ("ready", True)


def test_request_while_the_reconcile_runs_is_taken_in_by_the_next(
    rig: Rig, payload: Payload
) -> None:
    vif = payload("ovs_hybrid")
    port = rig.request(PLUG, vif)
    outcome = rig.engine.reconcile([port])
    rig.request(UNPLUG, vif)
    assert rig.engine.save(outcome.finished)
    rig.settle(port)
    assert rig.host.snapshot() == rig.clean
    assert rig.stored(vif).state == "unplugged"


def test_replug_of_the_older_port_says_how_the_shared_bridge_is(rig: Rig, payload: Payload) -> None:
    """A network's new MTU comes with the last cast, whichever port it is for."""
    older = payload("bridge")
    younger = {**older, "id": "ff" + older["id"][2:], "devname": "tapff0042fb-c1"}
    rig.plug(older)
    rig.plug(younger)
    meta = {**older["network"]["meta"], "mtu": 1400}
    rig.plug({**older, "network": {**older["network"], "meta": meta}})
    bridge = rig.host.snapshot()[Key(LINK, older["network"]["bridge"])].resource
    assert isinstance(bridge, Bridge)
    assert bridge.mtu == 1400


def test_shared_bridge_is_as_the_last_cast_of_those_that_stay_says(
    rig: Rig, payload: Payload
) -> None:
    first = payload("bridge")
    second = _sibling(first)
    network = second["network"]
    second["network"] = {**network, "meta": {**network["meta"], "mtu": 1400}}
    rig.plug(first)
    rig.plug(second)
    assert _mtu(rig, network["bridge"]) == 1400
    rig.unplug(second)
    assert _mtu(rig, network["bridge"]) == 1500
    rig.plug(second)
    rig.plug({**second, "type": "tap"})
    assert _mtu(rig, network["bridge"]) == 1500


def _mtu(rig: Rig, name: str) -> object:
    bridge = rig.host.snapshot()[Key(LINK, name)].resource
    assert isinstance(bridge, Bridge)
    return bridge.mtu


@pytest.mark.parametrize(("ago", "least", "most"), [(5, 5, 600), (1.7e9, 0, 600), (-7200, 0, 600)])
def test_time_that_a_port_took_goes_by_no_clock_that_was_set(
    tmp_path: Path, payload: Callable[[str], dict[str, Any]], ago: float, least: float, most: float
) -> None:
    rig, vif = Rig(tmp_path), payload("tap")
    port_id = rig.request(PLUG, vif, received_at=time.time() - ago)
    rig.settle(port_id)
    took = rig.stored(vif).elapsed_ms or 0
    assert least * 1000 <= took < most * 1000


class Counted:
    """The plugins, and how often they were asked."""

    def __init__(self) -> None:
        self.asked = 0

    def resources(self, vif: Vif) -> Sequence[Resource]:
        self.asked += 1
        return PLUGINS.resources(vif)


def test_plugin_is_asked_once_for_a_spec(tmp_path: Path, payload: Payload) -> None:
    """Not for a cast that says the same again, nor to undo it, nor where the host finds names."""
    plugins = Counted()
    rig = Rig(tmp_path, plugins)
    for vif in (payload("ovs_hybrid"), payload("ovs_direct")):
        plugins.asked = 0
        assert rig.plug(vif).state == "ready"
        assert rig.plug(vif).state == "ready"
        rig.settle(vif["id"])
        assert plugins.asked == 1
        assert rig.unplug(vif).state == "unplugged"
        assert plugins.asked == 1
        assert rig.plug({**vif, "address": "fa:16:3e:00:00:77"}).state == "ready"
        assert plugins.asked == 2
    rig.store.close()
