"""Orders cross the channel as plain data, and become netlink messages."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vif_agent.helper.codec import from_plain, to_plain
from vif_agent.helper.messages import chosen_indexes, creation, settings, tap_settings
from vif_agent.helper.orders import (
    ORDERS,
    ChangeExternal,
    ChangeLink,
    CreateBridge,
    CreateLink,
    CreateTap,
    CreateVeth,
    CreateVlan,
    CreateVxlan,
    DeleteLink,
    LinkOrder,
    MoveNic,
    Order,
    SetGuard,
    SetVf,
)
from vif_agent.host.netlink import iflink
from vif_agent.host.netlink.rtnetlink import NEW, attributes

PORT = "5843eca1-e1fe-5bb2-a9c2-8f97bae40c4e"
EXAMPLES: list[Order] = [
    CreateBridge(name="br-a", owner="shared", forward_delay=0, stp=False, arp_ignore=1, up=True),
    CreateTap(name="tap-a", owner=PORT, multi_queue=True, mac="fe:16:3e:00:00:01"),
    CreateVeth(name="a", owner=PORT, peer="b", mtu=1400, master="br-a", disable_ipv6=True),
    CreateVlan(name="eth1.5", owner="shared", parent="eth1", vid=5, replaces=17),
    CreateVxlan(name="vxlan-7", owner="shared", vni=7, local="192.0.2.1", group="", port=8472),
    CreateVxlan(name="vxlan-8", owner="shared", vni=8, peers=("192.0.2.2", "2001:db8::1")),
    ChangeLink(name="br-a", owner="shared", index=4, called="br x", ageing=300, peers=()),
    ChangeExternal(name="tap-b", index=5, port=PORT, promisc=True, master=""),
    MoveNic(name="eth1", index=6, port="shared", bridge="br-a", up=True),
    DeleteLink(name="br-a", index=4),
    SetVf(name="0000:03:10.1", index=2, number=1, mac="fa:16:3e:00:00:01", link_state="auto"),
    SetGuard(
        name="tap-a",
        owner=PORT,
        macs=("fa:16:3e:00:00:01",),
        pairs=(("fa:16:3e:00:00:01", "10.0.0.9/32"), ("fa:16:3e:00:00:01", "fe80::/10")),
        router=True,
    ),
]
KINDS = (LinkOrder, DeleteLink, SetVf, SetGuard)


def _across(order: Order) -> Any:
    packed = msgpack.packb(to_plain(order), use_bin_type=True)
    return msgpack.unpackb(packed, use_list=False, raw=False)


@pytest.mark.parametrize("order", EXAMPLES, ids=lambda order: type(order).__name__)
def test_order_crosses_the_channel_unchanged(order: Order) -> None:
    for kind in KINDS:
        if isinstance(order, kind):
            assert from_plain([_across(order)], kind) == [order]
        else:
            with pytest.raises(ValueError, match="order: expected one of"):
                from_plain([_across(order)], kind)


def test_every_kind_of_order_has_an_example() -> None:
    assert {type(order) for order in EXAMPLES} == {*ORDERS}


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("name", "all", "CreateBridge.name: expected the name of a device, got 'all'"),
        ("name", "../x", "CreateBridge.name: expected the name of a device, got '../x'"),
        ("name", 5, "CreateBridge.name: expected the name of a device, got 5"),
        ("owner", "a b", "CreateBridge.owner: expected a port's id, or shared, got 'a b'"),
        ("mtu", True, "CreateBridge.mtu: expected bytes from 0 to 2147483647, got True"),
        (
            "mtu",
            1 << 40,
            "CreateBridge.mtu: expected bytes from 0 to 2147483647, got 1099511627776",
        ),
        ("up", 1, "CreateBridge.up: expected true or false, got 1"),
        ("arp_ignore", 9, "CreateBridge.arp_ignore: expected a number from 0 to 8, got 9"),
        ("master", "a/b", "CreateBridge.master: expected the name of a device, or \"\", got 'a/b'"),
        ("alias", "x", "CreateBridge has no field 'alias'"),
        ("mac", "zz", "CreateBridge.mac: expected a MAC address in lower case, got 'zz'"),
    ],
)
def test_field_that_is_not_as_it_must_be_is_named(field: str, value: object, says: str) -> None:
    fields = {"name": "br-a", "owner": "shared", field: value}
    with pytest.raises(ValueError, match=f"^{re.escape(says)}$"):
        from_plain([("CreateBridge", fields)], LinkOrder)


@pytest.mark.parametrize("kind", ["CreateLink", "LinkOrder", "OwnLink", "dummy", "nic", "", None])
def test_other_kinds_are_no_orders(kind: object) -> None:
    with pytest.raises(ValueError, match=r"^order: expected one of CreateBridge, "):
        from_plain([(kind, {"name": "br-a", "owner": "shared"})], LinkOrder)


def test_field_that_must_be_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"^CreateVlan\.parent: .* got nothing"):
        from_plain([("CreateVlan", {"name": "a", "owner": "shared", "vid": 1})], LinkOrder)


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.binary(max_size=4),
    lambda inner: st.tuples(inner, inner) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_NAMED = st.sampled_from([kind.__name__ for kind in ORDERS])
_FIELDS = st.sampled_from(sorted({f.name for kind in ORDERS for f in dataclasses.fields(kind)}))


@given(_ANYTHING | st.tuples(_NAMED, st.dictionaries(_FIELDS, _ANYTHING, max_size=6)))
def test_whatever_crosses_is_an_order_or_refused(data: Any) -> None:
    try:
        (order,) = from_plain([data], LinkOrder)
    except ValueError:
        return
    assert from_plain([_across(order)], LinkOrder) == [order]


def test_what_is_made_is_tagged_before_anything_else_is_made() -> None:
    """So that whoever dies between two sends leaves one device without an owner, not hundreds."""
    orders: list[CreateLink] = [
        order
        for n in range(3)
        for order in (
            CreateVeth(name=f"z{n}", owner="shared", peer=f"a{n}", mtu=1400, master=f"b{n}"),
            CreateVeth(name=f"a{n}", owner="shared", peer=f"z{n}", mtu=1400),
            CreateBridge(name=f"b{n}", owner="shared", mtu=1400, stp=False),
        )
    ]
    untagged: set[str] = set()
    made: set[str] = set()
    indexes = chosen_indexes(orders)
    for name, request in creation(orders, indexes, {}):
        if request.kind == NEW:
            assert untagged == set()
            untagged = {name, name.replace("a", "z")}
            made |= untagged
        else:
            assert iflink.IFALIAS in attributes(request.attributes)
            untagged.remove(name)
    assert untagged == set()
    assert made == {order.name for order in orders}
    assert all(request.kind != NEW for _, request in settings(orders, indexes))


def test_new_device_is_taken_out_of_nothing() -> None:
    """ovs-vswitchd, which has a row for it after a boot, may be quicker, and the kernel refuses."""
    veth = CreateVeth(name="qvo", owner=PORT, peer="qvb", mtu=1400, master="")
    tap = CreateTap(name="tap-a", owner=PORT, master="")
    old = ChangeLink(name="old", owner=PORT, index=4, master="")
    (made,) = settings([veth], {"qvo": 7})
    (changed,) = settings([old], {"old": 4})
    for request in (made[1], tap_settings(tap, {"tap-a": 8})):
        assert iflink.MASTER not in attributes(request.attributes)
    assert attributes(changed[1].attributes)[iflink.MASTER] == bytes(4)
