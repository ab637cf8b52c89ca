"""What is known again, though others have changed its name or its owner tag."""

from __future__ import annotations

import dataclasses

from vif_agent.ownership import SHARED, Found
from vif_agent.plan.known_links import KnownLink, KnownLinks
from vif_agent.plan.merge import merge
from vif_agent.plan.steps import Actual
from vif_agent.resources import LINK, Bridge, Key, OtherLink, OvsPort, Tap, Veth

PORT, OTHER = "5843eca1-e1fe-5bb2-a9c2-8f97bae40c4e", "11111111-2222-4333-8444-555555555555"
TAP, BRIDGE = Tap(name="tap-a", master="br"), Bridge(name="br", shared=True)
AWAY = Key(LINK, "elsewhere")


def seen(*found: Found) -> Actual:
    return Actual({f.resource.key: f for f in found})


def renamed(found: Found) -> Found:
    return dataclasses.replace(
        found, resource=dataclasses.replace(found.resource, name="elsewhere")
    )


def known(*found: Found) -> KnownLinks:
    memory = KnownLinks()
    memory.note([], seen(*found))
    return memory


def test_renamed_bridge_and_all_that_refers_to_it() -> None:
    bridge, tap = Found(BRIDGE, owner=SHARED, index=7), Found(TAP, owner=PORT, index=8)
    memory = known(bridge, tap)
    in_it = dataclasses.replace(tap, resource=dataclasses.replace(TAP, master="elsewhere"))
    again = memory.recognized(seen(renamed(bridge), in_it), {}).found
    assert again == {
        BRIDGE.key: dataclasses.replace(bridge, called="elsewhere"),
        TAP.key: tap,
    }
    assert memory.indexes([BRIDGE.key, TAP.key, AWAY]) == {7, 8}


def test_name_that_somebody_else_bears_by_now_is_his() -> None:
    tap = Found(TAP, owner=PORT, index=8)
    newcomer = Found(TAP, index=9)
    again = known(tap).recognized(seen(newcomer, renamed(tap)), {}).found
    assert again == {TAP.key: newcomer, AWAY: renamed(tap)}


def test_owner_tag_that_is_not_there_any_more() -> None:
    bridge = Found(BRIDGE, owner=SHARED, index=7)
    without = dataclasses.replace(bridge, owner=None)
    again = known(bridge).recognized(seen(without), {}).found[BRIDGE.key]
    assert again == dataclasses.replace(bridge, tag_lost=True)
    anew = dataclasses.replace(without, index=9)
    assert known(bridge).recognized(seen(anew), {}).found[BRIDGE.key] == anew
    card = Found(OtherLink(name="br"), index=7)
    assert known(bridge).recognized(seen(card), {}).found[BRIDGE.key] == card
    others = dataclasses.replace(bridge, owner=OTHER)
    assert known(bridge).recognized(seen(others), {}).found[BRIDGE.key] == others


def test_what_was_not_found_is_forgotten() -> None:
    bridge = Found(BRIDGE, owner=SHARED, index=7)
    memory = known(bridge)
    assert memory.to_keep() == {"br": KnownLink(7, "bridge", SHARED)}
    memory.kept()
    assert memory.to_keep() is None
    memory.note([BRIDGE.key], Actual())
    assert (memory.to_keep(), list(memory.keys)) == ({}, [])
    assert memory.recognized(seen(renamed(bridge)), {}).found.keys() == {AWAY}


def test_by_its_owner_tag_where_nobody_watched() -> None:
    """Only where no other can be meant."""
    wanted = merge({PORT: [TAP, OvsPort(name="tap-a", bridge="br-int")]})[0]
    tap = renamed(Found(TAP, owner=PORT, index=8))
    assert KnownLinks().recognized(seen(tap), wanted).found[TAP.key].called == "elsewhere"
    assert KnownLinks().recognized(seen(tap), wanted, {AWAY}).found.keys() == {
        AWAY
    }  # a former request's
    second = Found(Tap(name="second"), owner=PORT, index=9)
    assert KnownLinks().recognized(seen(tap, second), wanted).found.keys() == {
        AWAY,
        second.resource.key,
    }
    others = dataclasses.replace(tap, owner=OTHER)
    assert KnownLinks().recognized(seen(others), wanted).found.keys() == {AWAY}
    pair = merge({PORT: [Veth(name="qvb", peer="qvo"), Veth(name="qvo", peer="qvb")]})[0]
    end = renamed(Found(Veth(name="qvb", peer=""), owner=PORT, index=3))
    assert KnownLinks().recognized(seen(end), pair).found.keys() == {AWAY}
