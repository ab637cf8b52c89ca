"""Ours, adoptable or foreign: read off the thing itself."""

from __future__ import annotations

import pytest

from vif_agent.ownership import (
    SHARED,
    Found,
    Verdict,
    alias,
    is_abandoned,
    is_named_after,
    may_connect,
    owner_in_alias,
    verdict,
)
from vif_agent.resources import Bridge, Link, OtherLink, OvsBridge, OvsPort, Resource, Tap, Veth

A, B = "aaaaaaaa-aa00-4000-8000-000000000001", "bbbbbbbb-bb00-4000-8000-000000000002"
NAME = "tap" + A[:11]
TAP, VETH = Tap(name=NAME), Veth(name=NAME, peer="x")
BRQ = Bridge(name="brq1", shared=True)


def _port(name: str = NAME, iface_id: str | None = None) -> OvsPort:
    ids = (("iface-id", iface_id),) if iface_id else ()
    return OvsPort(name=name, bridge="br-int", external_ids=ids)


@pytest.mark.parametrize("owner", [A, SHARED])
def test_alias_gives_its_owner_back(owner: str) -> None:
    assert owner_in_alias(alias(owner)) == owner


@pytest.mark.parametrize(
    "text", [None, "", "vif-agent", "vif-agent ", "uplink", f"vif-agentx {A}", A]
)
def test_alias_of_somebody_else_names_no_owner(text: str | None) -> None:
    assert owner_in_alias(text) is None


@pytest.mark.parametrize(
    ("wanted", "found", "owner", "expected"),
    [
        (TAP, Found(TAP, owner=A), A, Verdict.OURS),
        (TAP, Found(VETH, owner=A), A, Verdict.OURS),
        (TAP, Found(TAP, owner=B), A, Verdict.FOREIGN),
        (TAP, Found(TAP, owner=SHARED), A, Verdict.FOREIGN),
        (TAP, Found(TAP), A, Verdict.ADOPTABLE),
        (TAP, Found(VETH), A, Verdict.FOREIGN),
        (TAP, Found(OtherLink(name=NAME)), A, Verdict.FOREIGN),
        (TAP, Found(OtherLink(name=NAME), owner=A), A, Verdict.FOREIGN),
        (TAP, Found(TAP), B, Verdict.FOREIGN),
        (Tap(name="vnet7"), Found(Tap(name="vnet7")), A, Verdict.FOREIGN),
        (BRQ, Found(BRQ, owner=SHARED), SHARED, Verdict.OURS),
        (BRQ, Found(BRQ, owner=A), SHARED, Verdict.FOREIGN),
        (BRQ, Found(BRQ), SHARED, Verdict.FOREIGN),
        (OvsBridge(name="br-int", shared=True), Found(OvsBridge(name="br-int")), SHARED,
         Verdict.FOREIGN),
        (_port(), Found(_port()), A, Verdict.ADOPTABLE),
        (_port(), Found(_port(iface_id=A)), A, Verdict.ADOPTABLE),
        (_port(), Found(_port(iface_id=B)), A, Verdict.FOREIGN),
        (_port("vnet7"), Found(_port("vnet7", A)), A, Verdict.ADOPTABLE),
        (_port("vnet7"), Found(_port("vnet7", B)), A, Verdict.FOREIGN),
        (_port("vnet7"), Found(_port("vnet7")), A, Verdict.FOREIGN),
        (OvsBridge(name="pb" + A[:12]), Found(OvsBridge(name="pb" + A[:12])), A, Verdict.ADOPTABLE),
        (OvsBridge(name="pb" + A[:12]), Found(OvsBridge(name="pb" + A[:12])), B, Verdict.FOREIGN),
        (OvsBridge(name="tbr-1"), Found(OvsBridge(name="tbr-1")), A, Verdict.ADOPTABLE),
        (OvsBridge(name="tbr-1"), Found(OvsBridge(name="tbr-1"), owner=B), A, Verdict.FOREIGN),
        (OvsBridge(name="tbr-1"), Found(OvsBridge(name="tbr-1"), owner=SHARED), A,
         Verdict.ADOPTABLE),
        (_port("tbr-1"), Found(_port("tbr-1")), A, Verdict.FOREIGN),
    ],
)  # fmt: skip
def test_verdict_on_what_is_found(
    wanted: Resource, found: Found, owner: str, expected: Verdict
) -> None:
    assert verdict(wanted, found, owner) is expected


@pytest.mark.parametrize("prefix", ["tap", "qbr", "qvb", "qvo", "vhu", "vfr", "nic"])
def test_novas_names_are_the_ports_own(prefix: str) -> None:
    assert is_named_after(prefix + A[:11], A)
    assert not is_named_after(prefix + B[:11], A)
    assert not is_named_after(prefix + A[:10], A)


@pytest.mark.parametrize("name", ["pb" + A[:12], "pbp" + A, "ibp" + A])
def test_osvifs_names_of_a_bridge_of_its_own_are_the_ports_own(name: str) -> None:
    assert is_named_after(name, A)
    assert not is_named_after(name, B)
    assert not is_named_after(name[:-1], A)


def test_other_names_are_nobodys() -> None:
    assert not is_named_after("eth0", A)
    assert not is_named_after("brq" + A[:11], A)


@pytest.mark.parametrize(
    ("device", "may"),
    [
        (Found(TAP, owner=A), True),
        (Found(TAP, owner=B), False),
        (Found(TAP, owner=SHARED), False),
        (Found(TAP), True),
        (Found(OtherLink(name="eth0")), False),
        (Found(Tap(name="tap" + B[:11])), False),
    ],
)
def test_device_may_be_wired_only_for_its_own_port(device: Found, may: bool) -> None:
    assert may_connect(device, A) is may


@pytest.mark.parametrize(
    ("device", "abandoned"),
    [
        (Found(Tap(name="br-int", up=False)), True),  # ovs-vswitchd got a SIGTERM
        (Found(Tap(name="br-int", up=True, promisc=True)), True),  # it exited, or was killed
        (Found(Tap(name="br-int", up=False), held=True), False),
        (Found(Tap(name="br-int", up=True)), False),  # somebody uses it
        (Found(Tap(name="br-ex", up=False, addressed="br-ex")), False),
        (Found(Tap(name="br-int", up=False, master="br0")), False),
        (Found(Tap(name="br-int", up=False), owner=A), False),
        (Found(Tap(name="tap" + A[:11], up=False)), False),  # a guest's that is stopped
        (Found(Link(name="br-int", up=False)), False),
    ],
)
def test_bridge_may_take_a_tap_that_open_vswitch_has_left(device: Found, abandoned: bool) -> None:
    assert is_abandoned(device) is abandoned
