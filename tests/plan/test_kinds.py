"""Each kind of resource has its rules."""

from __future__ import annotations

import pytest

from vif_agent import resources
from vif_agent.plan.kinds import kind_of
from vif_agent.plan.kinds.base import Kind
from vif_agent.plan.kinds.links import DeviceKind, LinkKind
from vif_agent.plugins.answers import kinds
from vif_agent.resources import Command, Device, Nic, OtherLink, OvsPort, Resource, Tap

TAP = Tap(name="tap-a")
ROW = OvsPort(name="a", bridge="br")
PATCH = OvsPort(name="b", bridge="br", interface_type="patch")


class Strange(Tap):
    """Of a plugin of another package."""


@pytest.mark.parametrize("kind", sorted(kinds(), key=str))
def test_whatever_a_plugin_may_answer_has_rules(kind: type[Resource]) -> None:
    bare = object.__new__(kind)
    assert isinstance(kind_of(bare), Kind)
    assert isinstance(kind_of(bare), LinkKind) == issubclass(kind, resources.Link)


def test_rules_are_those_of_the_nearest_class() -> None:
    assert kind_of(Strange(name="tap-b")) is kind_of(TAP) is kind_of(OtherLink(name="eth0"))
    assert isinstance(kind_of(Nic(name="eth1", master="br")), DeviceKind)
    assert kind_of(Nic(name="eth1", master="br")) is not kind_of(Device(name="eth1"))


def test_what_a_thing_stands_or_falls_with() -> None:
    told = Command(plug=("tell", "tap-a"), about="tap-a", makes=True)
    assert kind_of(TAP).device(TAP) is None
    assert kind_of(ROW).device(ROW) == resources.Key(resources.LINK, "a")
    assert kind_of(PATCH).device(PATCH) is None, "Open vSwitch makes it"
    assert kind_of(told).device(told) == TAP.key
    assert kind_of(told).makes_its_device(told)
    assert not kind_of(ROW).makes_its_device(ROW)


def test_key_is_made_once_and_is_no_field() -> None:
    assert TAP.key is TAP.key
    assert "key" not in TAP.specified()
    assert Tap(name="tap-a") == TAP
