"""What is left and belongs to no request: found by tables, removed late and little."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from vif_agent.ownership import SHARED, Found
from vif_agent.plan.steps import Actual
from vif_agent.reconcile import orphans
from vif_agent.reconcile.orphans import DEAD, TAGGED, Orphan
from vif_agent.resources import (
    LINK,
    OVS_PORT,
    Bridge,
    Key,
    OtherLink,
    OvsBridge,
    OvsPort,
    Tap,
    Veth,
)

A = "aaaaaaaa-aaaa-4000-8000-000000000000"
B = "bbbbbbbb-bbbb-4000-8000-000000000000"
SHORT = A[:11]

TAP = Tap(name="tap" + SHORT)
QBR = Bridge(name="qbr" + SHORT)
QVB = Veth(name="qvb" + SHORT, peer="qvo" + SHORT)
QVO = Veth(name="qvo" + SHORT, peer="qvb" + SHORT)
ROW = OvsPort(
    name="tap" + SHORT, bridge="br-int", interface_type="", external_ids=(("iface-id", A),)
)
NO_DEVICE = f"could not open network device tap{SHORT} (No such device)"
DEAD_ROW = Found(ROW, ready=False, error=NO_DEVICE)


def find(
    *there: Found, known: Sequence[str] = (), claimed: Sequence[Key] = ()
) -> tuple[Orphan, ...]:
    actual = Actual({found.resource.key: found for found in there})
    return orphans.find(actual, known, {"br-int"}, lambda key: key in claimed)


def test_all_that_one_unknown_port_has_left_is_one_orphan() -> None:
    there = [Found(r, owner=A) for r in (QBR, QVB, QVO, dataclasses.replace(ROW, name=QVO.name))]
    (orphan,) = find(*there, Found(Tap(name="tap" + B[:11]), owner=B), known=[B])
    assert (orphan.port_id, orphan.why, orphan.in_use) == (A, TAGGED, "")
    assert set(orphan.names) == {QBR.name, QVB.name, QVO.name}


@pytest.mark.parametrize(
    "found",
    [
        Found(TAP),
        Found(TAP, owner=SHARED),
        Found(Bridge(name="brq1"), owner=SHARED),
        Found(OtherLink(name="eth0", described="network card"), owner=A),
        Found(OtherLink(name="eth0", described="network card")),
    ],
    ids=["no stamp", "shared tap", "shared bridge", "stamped NIC", "NIC"],
)
def test_never_an_orphan(found: Found) -> None:
    assert find(found) == ()


def test_dead_row_of_somebody_elses_plug_is_an_orphan() -> None:
    (orphan,) = find(DEAD_ROW)
    assert (orphan.port_id, orphan.why, orphan.names) == (A, DEAD, (ROW.name,))


NOT_DEAD = {
    "without an error": dataclasses.replace(DEAD_ROW, error=""),
    "with another error": dataclasses.replace(DEAD_ROW, error="bad MTU"),
    "without an iface-id": dataclasses.replace(
        DEAD_ROW, resource=dataclasses.replace(ROW, external_ids=())
    ),
    "on another bridge": dataclasses.replace(
        DEAD_ROW, resource=dataclasses.replace(ROW, bridge="br-ex")
    ),
    "of a type that needs no device": dataclasses.replace(
        DEAD_ROW, resource=dataclasses.replace(ROW, interface_type="patch")
    ),
}


@pytest.mark.parametrize("found", NOT_DEAD.values(), ids=NOT_DEAD)
def test_row_that_is_not_dead_or_not_ours_to_judge(found: Found) -> None:
    assert find(found) == ()


def test_row_whose_device_is_there_is_not_dead() -> None:
    assert find(DEAD_ROW, Found(TAP)) == ()


def test_row_that_a_request_wants_is_no_orphan() -> None:
    """libvirt makes the tap later: the row waits for it."""
    assert find(DEAD_ROW, claimed=[ROW.key]) == ()


IN_USE = {
    "is held open by a guest": [Found(TAP, owner=A, held=True)],
    f"vnet7 is in {QBR.name}": [
        Found(QBR, owner=A, members=frozenset({QVB.name, "vnet7"})),
        Found(QVB, owner=A),
        Found(QVO, owner=A),
    ],
    f"the device tap{SHORT} is there and is not ours": [Found(ROW, owner=A), Found(TAP)],
    f"Open vSwitch carries tap{SHORT}": [
        Found(dataclasses.replace(ROW, interface_type="dpdkvhostuserclient"), owner=A)
    ],
}


OWN = OvsBridge(name="pb" + A[:12])
PATCH = OvsPort(name="ibp" + A, bridge="br-int", interface_type="patch")


def test_bridge_of_a_ports_own_is_in_use_when_others_are_in_it_but_not_by_its_patch() -> None:
    tap = dataclasses.replace(ROW, bridge=OWN.name, external_ids=())
    own = [Found(OWN, owner=A, members=frozenset({tap.name})), Found(tap, owner=A, ready=False)]
    (orphan,) = find(*own, Found(PATCH, owner=A))
    assert (orphan.in_use, len(orphan.things)) == ("", 3)
    other = dataclasses.replace(own[0], members=frozenset({tap.name, "mirror0"}))
    (orphan,) = find(other, *own[1:], Found(PATCH, owner=A))
    assert orphan.in_use == f"mirror0 is in {OWN.name}"
    (orphan,) = find(*own, Found(PATCH, owner=A), Found(TAP))
    assert orphan.in_use == f"the device {TAP.name} is there and is not ours"


def test_trunk_bridge_is_not_in_use_by_neutrons_patch_ports() -> None:
    port = dataclasses.replace(ROW, bridge="tbr-1")
    members = frozenset({port.name, "tpt-1", "spt-2"})
    trunk = Found(OvsBridge(name="tbr-1"), owner=A, members=members)
    (orphan,) = find(trunk, Found(port, owner=A, ready=False))
    assert (orphan.in_use, orphan.names) == ("", ("tbr-1", port.name))


@pytest.mark.parametrize(("why", "there"), IN_USE.items(), ids=IN_USE)
def test_what_is_in_use_stays(why: str, there: list[Found]) -> None:
    (orphan,) = find(*there)
    assert why in orphan.in_use


def test_removal_takes_rows_before_devices() -> None:
    row = dataclasses.replace(ROW, name=QVO.name)
    there = [Found(r, owner=A, index=n) for n, r in enumerate((QBR, QVB, QVO, row), 5)]
    plan = orphans.removal(find(*there))
    assert [step.key for step in plan.connect] == [Key(OVS_PORT, QVO.name)]
    assert {step.key for step in plan.delete} == {Key(LINK, r.name) for r in (QBR, QVB, QVO)}
    assert {step.owner for step in plan} == {A}


def test_device_that_was_made_anew_is_another_orphan() -> None:
    (before,), (after,) = (find(Found(TAP, owner=A, index=n)) for n in (5, 6))
    assert before.identity != after.identity
    assert find(Found(TAP, owner=A, index=5))[0].identity == before.identity
