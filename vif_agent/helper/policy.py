"""May it be touched? The helper's own answer, whoever asks: by index, by owner tag, by nova's rule
for the names of a port's devices, or by what the configuration named when the helper was forked.

A refusal is an errno with its reason: EAGAIN where the link may just have changed since the caller
looked, EPERM where only the configuration could allow it.
"""

import errno
import re
from collections.abc import Collection

from vif_agent.helper.allowed import Allowed, names
from vif_agent.helper.cards import is_card, is_of_card
from vif_agent.helper.known import KnownLinks
from vif_agent.helper.looked import Looked, Looks
from vif_agent.helper.orders import (
    CREATING,
    ChangeExternal,
    ChangeLink,
    CreateLink,
    CreateVlan,
    DeleteLink,
    LinkOrder,
    MoveNic,
    OwnLink,
    SetGuard,
    SetVf,
)
from vif_agent.ownership import SHARED, is_named_after

Refusal = tuple[int, str]

#: what Neutron, nova and os-vif call the bridge of a network
_NETWORKS_BRIDGE = re.compile(r"brq[0-9a-f]{8}-[0-9a-f]{2}\Z")

_NO_TAG = (errno.EAGAIN, "it carries no owner tag of the agent's")
_GONE = (errno.ENODEV, "No such device")
_NOT_NAMED = (
    errno.EPERM,
    "it is not named after the port, nor by [network] physical_interface_mappings or interfaces, "
    "[plugins] borrow or [sriov] cards",
)


class Policy:
    """Of one call. ``looks``: at all that its orders speak of, but what is known by its index."""

    def __init__(
        self, allowed: Allowed, known: KnownLinks, looks: Looks, orders: Collection[LinkOrder] = ()
    ) -> None:
        self._allowed, self._known, self._looks = allowed, known, looks
        self._orders = {order.name: order for order in orders}

    def refusal(self, order: LinkOrder) -> Refusal | None:
        """An errno and the reason; None where the order may be carried out."""
        return (
            self._of_link(order)
            or self._of_bridge(order, order.master)
            or (self._of_bridge(order, order.bridge) if isinstance(order, MoveNic) else None)
            or (self._of_parent(order) if isinstance(order, CreateVlan) else None)
        )

    def _of_link(self, order: LinkOrder) -> Refusal | None:
        if isinstance(order, ChangeLink):
            return self._of_own(order, order.index, order.owner)
        if isinstance(order, CreateLink):
            return self._of_own(order, order.replaces, order.owner) if order.replaces else None
        assert isinstance(order, ChangeExternal)
        link = self._looks.by_index.get(order.index)
        return self._of_external(order, link) if link else _GONE

    def _of_own(self, order: OwnLink, index: int, owner: str) -> Refusal | None:
        """Ours, or, until it is tagged, what a peer made for this very port."""
        if self._known.owner_of(index) == owner:
            return None
        link = self._looks.by_index.get(index)
        if link is None:
            return _GONE
        if link.owner is not None:
            belongs = errno.EAGAIN, f"it belongs to {link.owner}"
            return None if link.owner == owner else belongs
        adoptable = link.kind in CREATING and is_named_after(link.name, owner)
        return None if adoptable else _NO_TAG

    def _of_external(self, order: ChangeExternal, link: Looked) -> Refusal | None:
        if link.owner is not None:
            belongs = errno.EAGAIN, f"it belongs to {link.owner}"
            return None if link.owner == order.port else belongs
        fits = (
            names(self._allowed.devices, link.names)
            or any(is_named_after(name, order.port) for name in link.names)
            or self._is_free_tap(order, link)
            or (_only_raises(order) and self._is_operators_bridge(link))
            or (_only_leaves(order) and self._is_in_ours(link))
            or is_of_card(link.name, self._allowed.cards)
        )
        return None if fits else _NOT_NAMED

    def _is_free_tap(self, order: ChangeExternal, link: Looked) -> bool:
        """As nova makes them: a cast may give it any name, so it must not be anybody's yet."""
        if link.kind != "tun":
            return False
        master = self._looks.master_of(link)
        return not link.master or (master is not None and self._may_join(master, order.port))

    def _is_operators_bridge(self, link: Looked) -> bool:
        return link.kind == "bridge" and names(self._allowed.bridges, link.names)

    def _is_in_ours(self, link: Looked) -> bool:
        """The configuration may name it no longer; it was named once, for it is in there."""
        master = self._looks.master_of(link)
        return master is not None and (master.owner == SHARED or self._known.was(master, SHARED))

    def _of_bridge(self, order: LinkOrder, name: str | None) -> Refusal | None:
        """Of what the same call makes or changes, the owner in that order is the one to ask."""
        beside, who = self._orders.get(name or ""), _for_whom(order)
        if not name or (isinstance(beside, OwnLink) and beside.owner in (SHARED, who)):
            return None
        bridge = self._looks.by_name.get(name)
        if isinstance(beside, ChangeLink | ChangeExternal):
            bridge = self._looks.by_index.get(beside.index)
        if bridge is None:  # the kernel would call it an invalid argument, as if it could never be
            return errno.ENODEV, f"there is no {name}"
        if self._may_join(bridge, who):
            return None
        if bridge.owner is not None:
            return errno.EAGAIN, f"{name} belongs to {bridge.owner}"
        if bridge.kind != "bridge":
            return errno.EPERM, f"{name} is no linux bridge"
        unnamed = f"the bridge {name} is others', and [network] bridge_mappings does not name it"
        return errno.EPERM, unnamed

    def _may_join(self, bridge: Looked, who: str) -> bool:
        """Ours; or others', of a network or this port by its name, or named by the operator."""
        if bridge.kind != "bridge":
            return False
        if bridge.owner is not None:
            return bridge.owner in (SHARED, who)
        return (
            bool(_NETWORKS_BRIDGE.match(bridge.name))
            or is_named_after(bridge.name, who)
            or self._known.was(bridge, SHARED)
            or self._known.was(bridge, who)
            or names(self._allowed.bridges, bridge.names)
        )

    def _of_parent(self, order: CreateVlan) -> Refusal | None:
        """Whether it is there, the kernel says."""
        beside, parent = self._orders.get(order.parent), self._looks.by_name.get(order.parent)
        if isinstance(beside, ChangeLink | ChangeExternal):
            parent = self._looks.by_index.get(beside.index)
        if parent is None or parent.owner is not None:
            return None
        named = names(self._allowed.devices, parent.names)
        return None if named else (errno.EPERM, f"{order.parent}: {_NOT_NAMED[1]}")

    def refusal_to_delete(self, order: DeleteLink) -> Refusal | None:
        """What has gone is well."""
        link = self._looks.by_index.get(order.index)
        if self._known.owner_of(order.index) is not None or link is None:
            return None
        return _NO_TAG if link.owner is None else None

    def refusal_of_vf(self, order: SetVf) -> Refusal | None:
        """As ``refusal``."""
        card = self._looks.by_index.get(order.index)
        if card is None:
            return _GONE
        if any(is_card(name, self._allowed.cards) for name in card.names):
            return None
        return errno.EPERM, f"[sriov] cards does not name its card {card.name}"

    def refusal_of_guard(self, order: SetGuard) -> Refusal | None:
        """It may stand before its device. No guard on what is the host's: it would cut that off."""
        link = self._looks.by_name.get(order.name)
        if link is None or self._known.owner_of(link.index) == order.owner:
            return None
        if link.owner is not None:
            belongs = errno.EAGAIN, f"it belongs to {link.owner}"
            return None if link.owner == order.owner else belongs
        fits = (
            link.kind == "tun"
            or names(self._allowed.devices, link.names)
            or any(is_named_after(name, order.owner) for name in link.names)
        )
        return None if fits else _NOT_NAMED


def links_to_see(orders: Collection[LinkOrder], known: KnownLinks) -> tuple[set[int], set[str]]:
    """Indexes and names that must be read before these orders can be judged."""
    own = {(o.index, o.owner) for o in orders if isinstance(o, ChangeLink)}
    own |= {(o.replaces, o.owner) for o in orders if isinstance(o, CreateLink) and o.replaces}
    indexes = {index for index, owner in own if known.owner_of(index) != owner}
    indexes |= {o.index for o in orders if isinstance(o, ChangeExternal)}
    named = {o.master for o in orders} | {o.bridge for o in orders if isinstance(o, MoveNic)}
    named |= {o.parent for o in orders if isinstance(o, CreateVlan)}
    return indexes, {name for name in named if name} - {order.name for order in orders}


def _for_whom(order: LinkOrder) -> str:
    return str(getattr(order, "owner", None) or getattr(order, "port", ""))


def _only_raises(order: ChangeExternal) -> bool:
    return order.up is True and _says(order) == {"up"}


def _only_leaves(order: ChangeExternal) -> bool:
    where = "bridge" if isinstance(order, MoveNic) else "master"
    return _says(order) == {where} and getattr(order, where) == ""


def _says(order: ChangeExternal) -> set[str]:
    """The fields that would change something."""
    fields = ("mtu", "mac", "master", "up", "promisc", "disable_ipv6", "bridge")
    return {field for field in fields if getattr(order, field, None) is not None}
