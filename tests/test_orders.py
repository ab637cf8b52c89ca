"""Orders become netlink messages."""

from __future__ import annotations

from vif_agent.host import iflink
from vif_agent.host.netlink import NEW, attributes
from vif_agent.host.orders import Order, configuration, indexes_of


def _order(kind: str, name: str, **fields: object) -> Order:
    return {"verb": "make", "kind": kind, "name": name, "index": 0, "alias": "vif-agent shared",
            "fields": fields}  # fmt: skip


def test_what_is_made_is_stamped_before_anything_else_is_made() -> None:
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
    unstamped: set[str] = set()
    made: set[str] = set()
    for name, request in configuration(orders, indexes_of(orders, {})):
        if request.kind == NEW:
            assert unstamped == set()
            unstamped = {name, name.replace("a", "z")}
            made |= unstamped
        elif iflink.IFALIAS in attributes(request.attributes):
            unstamped.remove(name)
    assert unstamped == set()
    assert made == {order["name"] for order in orders}
