"""Network devices that we make, and that we only find."""

import dataclasses
from typing import ClassVar

from vif_agent.resources.base import ADDRESS, LINK, Key, Resource


@dataclasses.dataclass(frozen=True, kw_only=True)
class Link(Resource):
    """Any network device. ``mtu`` in bytes; ``master``: the linux bridge it is in, "" for none.

    ``addressed``: the device that has its IP addresses and routes, itself or the bridge it is in.
    ``other_mac``: the bridge of ours that it is in has another MAC than it.
    """

    space: ClassVar[str] = LINK
    kind: ClassVar[str] = "link"

    mtu: int | None = None
    mac: str | None = None
    up: bool | None = True
    master: str | None = None
    promisc: bool | None = None
    disable_ipv6: bool | None = None
    addressed: str | None = None
    other_mac: bool | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bridge(Link):
    """A linux bridge. ``forward_delay`` and ``ageing`` in seconds. ``learns_link_local``: MACs also
    from frames to 01:80:c2:00:00:0x, which it keeps to itself and which no nftables see."""

    kind: ClassVar[str] = "bridge"

    forward_delay: int | None = None
    ageing: int | None = None
    stp: bool | None = None
    mcast_snooping: bool | None = None
    learns_link_local: bool | None = None
    arp_ignore: int | None = None
    arp_announce: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Veth(Link):
    """One end of a veth pair; the other end is a Veth of its own, and neither lives alone."""

    kind: ClassVar[str] = "veth"
    immutable: ClassVar[frozenset[str]] = frozenset({"peer"})

    peer: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tap(Link):
    """A persistent tap. Whoever opens it must ask for the same ``multi_queue``."""

    kind: ClassVar[str] = "tun"
    immutable: ClassVar[frozenset[str]] = frozenset({"multi_queue"})

    multi_queue: bool | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vlan(Link):
    """An 802.1Q device: VLAN ``vid`` of ``parent``."""

    kind: ClassVar[str] = "vlan"
    immutable: ClassVar[frozenset[str]] = frozenset({"parent", "vid"})
    identity: ClassVar[frozenset[str]] = frozenset({"parent", "vid", "master"})

    parent: str
    vid: int

    @property
    def stands_on(self) -> tuple[Key, ...]:
        """See Resource."""
        return (Key(LINK, self.parent),)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vxlan(Link):
    """A tunnel device for ``vni``. ``local``, ``group`` and ``peers`` are IP addresses.

    ``group``: "" for none; each of ``peers`` is sent what would go to a group.
    ``local_ip_present``: the device below it is the one that carries ``local``, else it hears
    nothing of the group; ``at_home`` is its former name.
    """

    kind: ClassVar[str] = "vxlan"
    immutable: ClassVar[frozenset[str]] = frozenset(
        {"vni", "local", "group", "ttl", "port", "local_ip_present"}
    )
    identity: ClassVar[frozenset[str]] = frozenset({"vni", "master"})

    vni: int
    local: str | None = None
    group: str | None = None
    peers: tuple[str, ...] | None = None
    ttl: int | None = None
    port: int | None = None
    local_ip_present: bool | None = None
    at_home: dataclasses.InitVar[bool | None] = None

    def __post_init__(self, at_home: bool | None) -> None:
        super().__post_init__()
        if at_home is not None:
            object.__setattr__(self, "local_ip_present", at_home)

    @property
    def stands_on(self) -> tuple[Key, ...]:
        """An address, by which the host finds the device below."""
        return (Key(ADDRESS, self.local),) if self.local else ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class OtherLink(Link):
    """A device of a kind that no plugin makes (a NIC, a bond, a tunnel): only ever actual."""

    kind: ClassVar[str] = "other"
    up: bool | None = None
    described: str = ""
