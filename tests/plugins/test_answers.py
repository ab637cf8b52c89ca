"""What a plugin may answer, and what not."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vif_agent.errors import PluginFailed
from vif_agent.pci_names import REPRESENTOR, of_pci
from vif_agent.plugins.answers import checked
from vif_agent.resources import (
    Bridge,
    Command,
    Device,
    Link,
    OtherLink,
    OvsBridge,
    OvsPort,
    Resource,
    Tap,
    Veth,
    Vf,
    Vlan,
    Vxlan,
)

TAP = Tap(name="tap0", mtu=1450, mac="fe:16:3e:00:00:01", master="")
PORT = OvsPort(name="tap0", bridge="br-int", external_ids=(("iface-id", "x"),), options=())
VLAN = Vlan(name="vlan7", parent="eth1", vid=7)
VXLAN = Vxlan(name="vxlan-7", vni=7, local="192.0.2.1", group="", peers=("::1",), ttl=0, port=8472)
VF = Vf(name="0000:03:10.1", mac="fa:16:3e:00:00:01", vlan=0, max_tx_rate=(1 << 32) - 1)
GOOD = (
    TAP,
    PORT,
    OvsPort(name="pbp" + "0" * 40, bridge="br-int", interface_type="patch"),
    Bridge(name="brq0", shared=True, forward_delay=0),
    Veth(name="a", peer="b"),
    VLAN,
    VXLAN,
    VF,
    OvsBridge(name="br-int", datapath_type="netdev"),
    Device(name=of_pci("0000:03:10.1", REPRESENTOR), up=True),
    Command(plug=("mm-ctl", "--bind-port", "x", "tap0"), about="tap0"),
    Device(name="tap1", master="brq0", only_if=(("master", ""), ("mtu", 1500))),
)


class Mine(Tap):
    pass


class Text(str):
    __slots__ = ()


def test_good_answer_is_passed_on_as_a_tuple() -> None:
    for resource in GOOD:
        assert checked(iter([resource])) == (resource,)
    assert checked(iter(GOOD[2:])) == GOOD[2:]
    assert checked([]) == ()


@pytest.mark.parametrize(
    ("resource", "field", "value"),
    [
        (TAP, "mtu", "1450"),
        (TAP, "mtu", True),
        (TAP, "mtu", 67),
        (TAP, "mtu", 65522),
        (TAP, "mtu", -1),
        (TAP, "mac", "FE:16:3E:00:00:01"),
        (TAP, "mac", "nonsense"),
        (TAP, "up", 1),
        (TAP, "multi_queue", "no"),
        (TAP, "master", "br int"),
        (TAP, "master", "sixteen-letters!"),
        (TAP, "name", ""),
        (TAP, "name", "sixteen-letters1"),
        (TAP, "name", "a/b"),
        (TAP, "name", ".."),
        (TAP, "name", "<representor of 0000:03:10.1>x"),
        (TAP, "name", None),
        (TAP, "name", Text("tap0")),
        (PORT, "bridge", ""),
        (PORT, "bridge", None),
        (PORT, "name", "sixteen-letters1"),
        (PORT, "external_ids", {"iface-id": "x"}),
        (PORT, "external_ids", (("iface-id", 1),)),
        (PORT, "external_ids", (("iface-id", "x\0"),)),
        (PORT, "external_ids", (("iface-id", "x", "y"),)),
        (PORT, "external_ids", [("iface-id", "x")]),
        (PORT, "options", (("a", "b" * 1025),)),
        (Bridge(name="brq0"), "forward_delay", 1 << 25),
        (Bridge(name="brq0"), "ageing", 0.5),
        (Veth(name="a", peer="b"), "peer", "../b"),
        (TAP, "only_if", (("master", Text("x")),)),
        (VLAN, "parent", ""),
        (VLAN, "vid", 4095),
        (VXLAN, "vni", 1 << 24),
        (VXLAN, "ttl", 256),
        (VXLAN, "port", 1 << 16),
        (VXLAN, "local", "somewhere"),
        (VXLAN, "group", "224.0.0"),
        (VXLAN, "peers", ("192.0.2.1", "")),
        (VF, "mac", "nonsense"),
        (VF, "vlan", 4095),
        (VF, "link_state", "on"),
        (PORT, "external_ids", (("a", "b"),) * 10_001),
    ],
)
def test_field_that_no_host_can_have_is_named(resource: Resource, field: str, value: Any) -> None:
    kind = type(resource).__name__
    with pytest.raises(PluginFailed, match=f"answered a {kind} whose {field} is "):
        checked([dataclasses.replace(resource, **{field: value})])


def test_command_of_no_program_is_refused() -> None:
    with pytest.raises(PluginFailed, match="answered a Command whose plug is "):
        checked([Command(plug=())])


@pytest.mark.parametrize("item", [Link(name="a"), OtherLink(name="a"), Mine(name="a"), 7, None])
def test_what_is_none_of_the_vocabulary_is_refused(item: object) -> None:
    with pytest.raises(PluginFailed, match=r"which is none of vif_agent\.resources"):
        checked([TAP, item])


def test_two_of_one_key_are_refused() -> None:
    with pytest.raises(PluginFailed, match="two resources of one name: link tap0"):
        checked([TAP, Bridge(name="tap0")])
    assert checked([TAP, PORT]) == (TAP, PORT)


@given(st.recursive(st.none() | st.integers() | st.text() | st.binary(), st.lists, max_leaves=5))
def test_any_answer_is_either_good_or_the_plugins_failure(answer: object) -> None:
    with contextlib.suppress(PluginFailed):
        assert checked(answer) == ()
