"""The digest by which Neutron's driver and the agent compare what they wish for a host."""

import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vif_agent import wishes

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
_VIFS = st.lists(st.dictionaries(st.text(), _JSON, max_size=5), max_size=5)


@given(_VIFS, st.randoms())
def test_order_does_not_matter_nor_a_way_over_the_bus(
    vifs: list[Any], chance: random.Random
) -> None:
    shuffled = json.loads(json.dumps(vifs))
    chance.shuffle(shuffled)
    assert wishes.digest(shuffled) == wishes.digest(vifs)


@given(_VIFS, st.dictionaries(st.text(), _JSON))
def test_one_more_is_another_wish(vifs: list[Any], more: dict[str, Any]) -> None:
    assert wishes.digest([*vifs, more]) != wishes.digest(vifs)


def test_the_digest_is_what_another_release_says_too() -> None:
    vifs = [{"id": "b", "meta": {"sender": "neutron", "é": None}}, {"id": "a", "mtu": 1450}]
    assert wishes.digest([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert wishes.digest(vifs) == "79a7914283d2f2ef90de53d1cb379063c6f08d442669b672249262d2bc16b597"


def test_who_sent_it_stands_in_the_vif() -> None:
    vif = wishes.signed({"id": "a", "meta": {"port_security_enabled": True}}, wishes.NEUTRON)
    assert vif == {"id": "a", "meta": {"port_security_enabled": True, "sender": "neutron"}}
    assert wishes.sender_of(vif) == "neutron"
    assert wishes.sender_of(wishes.signed({"id": "a"}, "x")) == "x"


NOBODYS: list[object] = [None, {}, {"meta": None}, {"meta": {"sender": 7}}, {"meta": "neutron"}]


def test_what_nobody_signed_is_nobodys() -> None:
    assert {wishes.sender_of(vif) for vif in NOBODYS} == {""}
