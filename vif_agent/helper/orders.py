"""What the helper can be asked for: frozen values. Pure.

A field that is None is left as it is. ``name`` is that by which a failure is told; what is there
is always named by its index.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, TypeAlias

#: the name in an order to (errno, text), of what failed
Failures: TypeAlias = dict[str, tuple[int, str]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LinkOrder:
    """``mtu`` in bytes; ``master``: the name of a linux bridge, "" for none."""

    name: str
    mtu: int | None = None
    mac: str | None = None
    master: str | None = None
    up: bool | None = None
    promisc: bool | None = None
    disable_ipv6: bool | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OwnLink(LinkOrder):
    """A link that we make, with the owner tag of a port or of "shared"."""

    owner: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CreateLink(OwnLink):
    """``replaces``: the index of what is deleted first, of this name; 0 for nothing."""

    kind: ClassVar[str]

    replaces: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CreateBridge(CreateLink):
    """``forward_delay`` and ``ageing`` in seconds."""

    kind: ClassVar[str] = "bridge"

    forward_delay: int | None = None
    ageing: int | None = None
    stp: bool | None = None
    mcast_snooping: bool | None = None
    learns_link_local: bool | None = None
    arp_ignore: int | None = None
    arp_announce: int | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CreateTap(CreateLink):
    """By ioctl on the tun device that was named at the fork."""

    kind: ClassVar[str] = "tun"

    multi_queue: bool | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CreateVeth(CreateLink):
    """One end; the order for ``peer`` is in the same call."""

    kind: ClassVar[str] = "veth"

    peer: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CreateVlan(CreateLink):
    """The policy asks of ``parent`` too whether it may be touched."""

    kind: ClassVar[str] = "vlan"

    parent: str
    vid: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CreateVxlan(CreateLink):
    """``local``, ``group`` and ``peers`` are IP addresses, ``group`` "" for none."""

    kind: ClassVar[str] = "vxlan"

    vni: int
    local: str | None = None
    group: str | None = None
    peers: tuple[str, ...] | None = None
    ttl: int | None = None
    port: int | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLink(OwnLink):
    """``called``: the name that others have given it, which it loses; "" for none."""

    index: int
    called: str = ""
    forward_delay: int | None = None
    ageing: int | None = None
    stp: bool | None = None
    mcast_snooping: bool | None = None
    learns_link_local: bool | None = None
    arp_ignore: int | None = None
    arp_announce: int | None = None
    peers: tuple[str, ...] | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChangeExternal(LinkOrder):
    """A link that others make. ``port``: for whose sake, a port or "shared"."""

    index: int
    port: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MoveNic(ChangeExternal):
    """A NIC, with what belongs to it. ``bridge``: where its addresses are to be, "" for on itself;
    None for no move."""

    bridge: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DeleteLink:
    """``name`` is for the failure's text; the index counts."""

    name: str
    index: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SetVf:
    """``index``: of the card's link; ``number``: its number for the VF. Rates are given both."""

    name: str
    index: int
    number: int
    mac: str | None = None
    vlan: int | None = None
    spoof_check: bool | None = None
    trust: bool | None = None
    link_state: str | None = None
    min_tx_rate: int | None = None
    max_tx_rate: int | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SetGuard:
    """As ``resources.Guard``, for the device ``name``, which need not be there. ``owner``: a port's
    id."""

    name: str
    owner: str
    macs: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    dhcp_server: bool = False
    router: bool = False
    routed: bool = False


Order: TypeAlias = LinkOrder | DeleteLink | SetVf | SetGuard

#: by the kind of link that each creates: all kinds that we make
CREATING: Mapping[str, type[CreateLink]] = {
    order.kind: order for order in (CreateBridge, CreateTap, CreateVeth, CreateVlan, CreateVxlan)
}

ORDERS: tuple[type[Order], ...] = (
    *CREATING.values(),
    *(ChangeLink, ChangeExternal, MoveNic, DeleteLink, SetVf, SetGuard),
)
