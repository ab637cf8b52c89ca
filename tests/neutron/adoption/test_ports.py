"""What becomes of each port of a host."""

from __future__ import annotations

import dataclasses

import pytest

from vif_agent.neutron.adoption import shown
from vif_agent.neutron.adoption.ports import ADOPT, RETURN, Bound, Level, Moved, Segment, sort

VXLAN = Segment("vxlan", None, 70007)
FLAT = Segment("flat", "physnet1", None)

GUEST = Bound(
    port_id="11111111-2222-4333-8444-555555555555",
    vif_type="bridge",
    levels=(Level(0, "linuxbridge", VXLAN),),
    owner="compute:nova",
)
OURS = dataclasses.replace(GUEST, vif_type="tap", levels=(Level(0, "vif_agent", VXLAN),))


def serves(segment: Segment) -> str:
    return "" if segment.type == "vxlan" else f"no {segment}"


def of(port: Bound, **changes: object) -> Bound:
    return dataclasses.replace(port, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("port", "to_change", "to_return"),
    [
        (GUEST, "changes", "done"),
        (OURS, "done", "changes"),
        (of(GUEST, owner="network:dhcp"), "changes", "done"),
        (of(GUEST, vif_type="ovs", levels=(Level(0, "openvswitch", VXLAN),)), "others", "others"),
        (of(GUEST, vif_type="unbound", levels=()), "others", "others"),
        (of(GUEST, vif_type="binding_failed", levels=()), "others", "others"),
        (of(GUEST, vnic_type="direct", vif_type="hw_veb"), "others", "others"),
        (of(GUEST, levels=(Level(0, "x", FLAT), Level(1, "linuxbridge", VXLAN))),
         "others", "others"),
    ],
)  # fmt: skip
def test_a_port_is_moved_from_one_driver_to_the_other(
    port: Bound, to_change: str, to_return: str
) -> None:
    for way, where in ((ADOPT, to_change), (RETURN, to_return)):
        found = sort([port], way, serves, frozenset())
        assert getattr(found, where) == (port,)
        assert found.refused == ()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"elsewhere": ("two", "three")}, "has a binding on two, three too"),
        ({"active": False}, "its binding is not active"),
        ({"vnic_type": "baremetal"}, "binding:vnic_type is baremetal"),
        ({"trunk": True}, "is of a trunk"),
        ({"qos": True}, "has a QoS policy"),
        ({"groups": True}, "has security groups"),
        ({"distributed": True}, "is a distributed router's"),
        ({"levels": (Level(0, "linuxbridge", FLAT),)}, "no flat physnet1"),
    ],
)
def test_a_port_that_ours_cannot_serve_is_refused(changes: dict[str, object], why: str) -> None:
    found = sort([of(GUEST, **changes)], ADOPT, serves, frozenset())
    assert found.changes == ()
    (refused,) = found.refused
    assert refused.why.startswith(why)


def test_all_reasons_are_told_at_once() -> None:
    (refused,) = sort([of(GUEST, qos=True, groups=True)], ADOPT, serves, frozenset()).refused
    assert "QoS" in refused.why
    assert "security groups" in refused.why


@pytest.mark.parametrize(
    ("changes", "ignored"), [({"qos": True}, "qos"), ({"groups": True}, "security-groups")]
)
def test_what_the_operator_lets_go_is_no_hindrance(
    changes: dict[str, object], ignored: str
) -> None:
    port = of(GUEST, **changes)
    assert sort([port], ADOPT, serves, frozenset({ignored})).changes == (port,)


def test_back_at_the_linux_bridge_driver_all_is_enforced_again() -> None:
    port = of(OURS, qos=True, groups=True, trunk=True)
    assert sort([port], RETURN, serves, frozenset()).changes == (port,)


def test_what_is_shown_names_each_change_each_refusal_and_the_counts() -> None:
    bad = of(GUEST, port_id="9" * 36, trunk=True)
    found = sort([GUEST, bad, OURS, of(OURS, vif_type="ovs")], ADOPT, serves, frozenset())
    change, refusal, summary, why = shown.lines("one", Moved(found, "of it", False), ADOPT)
    assert change == (
        f"one: port {GUEST.port_id} on vxlan 70007: vif_type bridge -> tap, "
        "driver linuxbridge -> vif_agent"
    )
    assert refusal.startswith(f"one: port {bad.port_id} refused: is of a trunk")
    assert summary == "one: 1 to change (1 vxlan), 1 refused, 1 are so, 1 of other drivers"
    assert why == "one: nothing of it can change: of it"
