"""sync_vifs at the door and in the store: what a set of ports changes, and what it must not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.examples import INSTANCE
from vif_agent.bus import casts
from vif_agent.bus.casts import Refusal, Sync
from vif_agent.ports.port import OLDEST, PLUG, UNPLUG, FullSet, PortRequest
from vif_agent.ports.store import Store
from vif_agent.wishes import NEUTRON

Payload = Callable[[str], dict[str, Any]]

A, B, C = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abc")


def _plug(port_id: str, generation: int | None = None, mtu: int = 1500, **more: Any) -> PortRequest:
    vif = {"id": port_id, "mtu": mtu}
    instance = more.pop("instance", {"uuid": "i"})
    return PortRequest(
        port_id=port_id, verb=PLUG, instance=instance, vif=vif, generation=generation, **more
    )


def _set(*plugs: PortRequest, deletes: bool = True, **more: Any) -> FullSet:
    named = more.pop("named", frozenset(request.port_id for request in plugs))
    return FullSet(plugs=plugs, named=named, deletes=deletes, **more)


def _verbs(store: Store) -> dict[str, str]:
    return {port_id: port.verb for port_id, port in store.ports().items()}


def test_what_is_in_the_set_is_plugged_and_what_is_not_is_unplugged(store: Store) -> None:
    store.put([_plug(A), _plug(B)])
    assert store.put([_set(_plug(B), _plug(C), request_id="req-sync")]) == []
    assert _verbs(store) == {A: UNPLUG, B: PLUG, C: PLUG}
    assert store.ports()[A].request_id == "req-sync"
    assert store.ports()[A].vif == {"id": A, "mtu": 1500}


def test_what_is_plugged_just_so_is_no_new_request(store: Store) -> None:
    store.put([_plug(A, generation=1)])
    before = store.ports()[A]
    store.put([_set(_plug(A, generation=5), generation=5)])
    after = store.ports()[A]
    assert (after.seq, after.state) == (before.seq, before.state)
    assert after.generation == 5
    late = PortRequest(port_id=A, verb=UNPLUG, vif={"id": A}, generation=4)
    assert store.put([late]) == [late], "an unplug older than the set came through"


def test_what_is_plugged_otherwise_is_a_new_request(store: Store) -> None:
    store.put([_plug(A)])
    before = store.ports()[A].seq
    store.put([_set(_plug(A, mtu=1400))])
    assert store.ports()[A].seq > before
    assert store.ports()[A].vif == {"id": A, "mtu": 1400}


def test_plug_without_an_instance_keeps_the_stored_one(store: Store) -> None:
    store.put([_plug(A)])
    before = store.ports()[A].seq
    store.put([_set(_plug(A, instance={}))])
    assert store.ports()[A].seq == before
    store.put([_set(_plug(A, mtu=1400, instance={}))])
    assert store.ports()[A].instance == {"uuid": "i"}


@pytest.mark.parametrize("deletes", [True, False])
def test_port_that_is_newer_than_the_set_stays(store: Store, deletes: bool) -> None:
    store.put([_plug(A, generation=10), _plug(B, generation=1)])
    store.put([_set(_plug(C, generation=9), generation=9, deletes=deletes)])
    assert _verbs(store) == {A: PLUG, B: UNPLUG if deletes else PLUG, C: PLUG}


def test_unplug_that_is_newer_than_the_set_stays(store: Store) -> None:
    store.put([_plug(A, generation=1)])
    store.put([PortRequest(port_id=A, verb=UNPLUG, vif={"id": A}, generation=10)])
    assert store.put([_set(_plug(A, generation=9), generation=9)]) == []
    assert _verbs(store) == {A: UNPLUG}


def test_port_that_is_named_but_was_refused_is_not_unplugged(store: Store) -> None:
    store.put([_plug(A), _plug(B)])
    store.put([_set(_plug(B), named=frozenset({A, B}))])
    assert _verbs(store) == {A: PLUG, B: PLUG}


def test_set_that_does_not_delete_only_adds(store: Store) -> None:
    store.put([_plug(A)])
    store.put([_set(_plug(B), deletes=False)])
    assert _verbs(store) == {A: PLUG, B: PLUG}


def test_set_redelivered_after_a_newer_plug_changes_nothing(store: Store) -> None:
    full = _set(_plug(A), message_id="m1")
    store.put([full, _plug(B)])
    store.put([full])
    assert _verbs(store) == {A: PLUG, B: PLUG}


def test_oldest_generation_counts_for_an_unknown_port_only(store: Store) -> None:
    """A plug may have come in between the look at the host and this."""
    store.put([_plug(A)])
    late = [PortRequest(port_id=i, verb=UNPLUG, vif={"id": i}, generation=OLDEST) for i in (A, B)]
    assert store.put(late) == late[:1]
    assert _verbs(store) == {A: PLUG, B: UNPLUG}


def test_preview_tells_what_would_change_and_stores_nothing(store: Store) -> None:
    store.put([_plug(A), _plug(B)])
    before = store.ports()
    reported = store.preview([_set(_plug(B), _plug(C), message_id="m1")])
    assert {(port.port_id, port.verb) for port in reported} == {(A, UNPLUG), (C, PLUG)}
    assert store.ports() == before
    store.put([_set(_plug(B), _plug(C), message_id="m1")])
    assert _verbs(store) == {A: UNPLUG, B: PLUG, C: PLUG}


def test_set_of_one_sender_is_about_his_ports_alone(store: Store) -> None:
    signed = dataclasses.replace(_plug(A), source=NEUTRON)
    store.put([signed, _plug(B)])
    store.put([_set(_plug(C), source="")])
    assert _verbs(store) == {A: PLUG, B: UNPLUG, C: PLUG}
    store.put([_set(source=NEUTRON, named=frozenset({C}))])
    assert _verbs(store) == {A: UNPLUG, B: UNPLUG, C: PLUG}


# at the door


@pytest.mark.parametrize(
    ("plugged_by", "unplugged_by", "verb"),
    [("", NEUTRON, PLUG), (NEUTRON, NEUTRON, UNPLUG), (NEUTRON, "", UNPLUG), ("", "", UNPLUG)],
)
def test_who_signs_unplugs_his_own_ports_alone(
    store: Store, plugged_by: str, unplugged_by: str, verb: str
) -> None:
    store.put([_plug(A, generation=1, source=plugged_by)])
    unplug = PortRequest(port_id=A, verb=UNPLUG, vif={"id": A}, generation=2, source=unplugged_by)
    assert store.put([unplug]) == []
    assert _verbs(store) == {A: verb}
    assert store.put([_plug(A, generation=3, source=NEUTRON)]) == []
    assert store.ports()[A].source == NEUTRON
    assert store.counted.casts.read() == {("plug_vif", "stored"): 2, ("unplug_vif", "stored"): 1}


@pytest.mark.parametrize(
    ("meta", "source"),
    [({}, ""), ({"sender": NEUTRON}, NEUTRON), ({"sender": "file"}, ""), ({"sender": []}, "")],
)
def test_port_is_whose_who_signs_it(payload: Payload, meta: Any, source: str) -> None:
    vif = {**payload("tap"), "meta": meta}
    for method in ("plug_vif", "unplug_vif"):
        item = casts.read({}, {"method": method, "args": {"instance": INSTANCE, "vif": vif}})
        assert isinstance(item, PortRequest)
        assert item.source == source
    sync = _read([vif], sender=NEUTRON)
    assert isinstance(sync, Sync)
    assert (sync.full_set.source, sync.full_set.plugs[0].source) == (NEUTRON, source)
    refused = casts.read({}, {"method": "plug_vif", "args": {"vif": {**vif, "address": "no"}}})
    assert isinstance(refused, Refusal)
    assert refused.source == source


def _read(vifs: object, complete: object = True, **more: object) -> Sync | Refusal:
    args = {"vifs": vifs, "complete": complete, **more}
    item = casts.read({"request_id": "req-1"}, {"method": "sync_vifs", "args": args}, "m1")
    assert not isinstance(item, PortRequest)
    return item


def test_items_may_be_vifs_or_vifs_with_their_instances(payload: Payload) -> None:
    bare, paired = payload("ovs"), payload("tap")
    sync = _read([bare, {"instance": INSTANCE, "vif": paired}], generation=7)
    assert isinstance(sync, Sync)
    full = sync.deleting()
    assert [(w.port_id, w.instance, w.generation) for w in full.plugs] == [
        (bare["id"], {}, 7),
        (paired["id"], INSTANCE, 7),
    ]
    assert (full.named, full.deletes, full.generation) == (
        frozenset({bare["id"], paired["id"]}),
        True,
        7,
    )
    assert (full.request_id, full.message_id, sync.whole) == ("req-1", "m1", True)


def test_bad_item_refuses_itself_alone_and_its_port_counts_as_named(payload: Payload) -> None:
    good, bad = payload("ovs"), {**payload("tap"), "address": "no MAC"}
    sync = _read([bad, good])
    assert isinstance(sync, Sync)
    assert [w.port_id for w in sync.full_set.plugs] == [good["id"]]
    assert [r.port_id for r in sync.refusals] == [bad["id"]]
    assert str(sync.refusals[0].error).startswith("vif.address: expected a MAC")
    assert sync.full_set.named == {good["id"], bad["id"]}
    assert sync.whole


def test_of_very_many_bad_items_a_hundred_are_told_singly(payload: Payload) -> None:
    named = [{"id": f"{n:08x}-0000-4000-8000-000000000000"} for n in range(150)]
    sync = _read([*named, *([{}] * 50), payload("ovs")])
    assert isinstance(sync, Sync)
    assert [r.port_id for r in sync.refusals[:100]] == [vif["id"] for vif in named[:100]]
    (rest,) = sync.refusals[100:]
    assert (rest.port_id, rest.verb) == (None, "sync")
    assert str(rest.error).startswith("vifs: 100 of 201 VIFs are refused")
    assert len(sync.full_set.plugs) == 1
    assert not sync.whole


@pytest.mark.parametrize("item", [None, 7, "tap", {}, {"id": "no uuid"}, {"vif": None}, []])
def test_set_with_an_item_of_no_port_is_never_whole(payload: Payload, item: object) -> None:
    sync = _read([payload("ovs"), item])
    assert isinstance(sync, Sync)
    assert not sync.whole
    assert len(sync.refusals) == 1


@pytest.mark.parametrize(("given", "whole"), [(True, True), (False, False)])
def test_set_is_whole_only_if_it_says_so(payload: Payload, given: bool, whole: bool) -> None:
    sync = _read([payload("ovs")], complete=given)
    assert isinstance(sync, Sync)
    assert sync.whole is whole


def test_set_that_does_not_say_is_not_whole(payload: Payload) -> None:
    sync = casts.read({}, {"method": "sync_vifs", "args": {"vifs": [payload("ovs")]}})
    assert isinstance(sync, Sync)
    assert not sync.whole


@pytest.mark.parametrize(
    ("args", "field"),
    [
        ({}, "vifs"),
        ({"vifs": None}, "vifs"),
        ({"vifs": "all"}, "vifs"),
        ({"vifs": {"id": A}}, "vifs"),
        ({"vifs": [None] * 10_001}, "vifs"),
        ({"vifs": [], "complete": "yes"}, "complete"),
        ({"vifs": [], "complete": 1}, "complete"),
        ({"vifs": [], "generation": -1}, "generation"),
        ({"vifs": [], "sender": "file"}, "sender"),
        ({"vifs": [], "sender": 1}, "sender"),
        ([], "args"),
    ],
)
def test_bad_set_is_a_refusal_that_names_the_field(args: object, field: str) -> None:
    refusal = casts.read({}, {"method": "sync_vifs", "args": args})
    assert isinstance(refusal, Refusal)
    assert refusal.verb == "sync"
    assert str(refusal.error).startswith(f"{field}: expected ")
