"""Orders become netlink messages."""

from __future__ import annotations

from vif_agent.helper.orders import Order, configuration, indexes_of
from vif_agent.host.netlink import iflink
from vif_agent.host.netlink.rtnetlink import NEW, attributes


def _order(kind: str, name: str, **fields: object) -> Order:
    return {"verb": "make", "kind": kind, "name": name, "index": 0, "alias": "vif-agent shared",
            "fields": fields}  # fmt: skip


def test_what_is_made_is_tagged_before_anything_else_is_made() -> None:
    """So that whoever dies between two sends leaves one device without an owner, not hundreds."""
    orders = [
        order
        for n in range(3)
        for order in (
            _order("veth", f"z{n}", peer=f"a{n}", mtu=1400, master=f"b{n}"),
            _order("veth", f"a{n}", peer=f"z{n}", mtu=1400),
            _order("bridge", f"b{n}", mtu=1400, stp=False),
        )
    ]
    tag_lost: set[str] = set()
    made: set[str] = set()
    for name, request in configuration(orders, indexes_of(orders, {})):
        if request.kind == NEW:
            assert tag_lost == set()
            tag_lost = {name, name.replace("a", "z")}
            made |= tag_lost
        elif iflink.IFALIAS in attributes(request.attributes):
            tag_lost.remove(name)
    assert tag_lost == set()
    assert made == {order["name"] for order in orders}
