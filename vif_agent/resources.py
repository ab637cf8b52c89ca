"""What a host can have: the vocabulary between plugins, plan and host.

All are frozen and keyed. A field left ``None`` means "not ours to judge": it is neither compared
nor changed. The same classes describe the wanted and the actual.

Most things are made by us, and carry our owner tag. Some are *external*: others make them, we
change them for a port, and restore them when no port wants them. They carry no owner tag.
"""

import dataclasses
import functools
import shlex
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, TypeAlias

LINK = "link"
VF = "vf"
OVS_BRIDGE = "ovs-bridge"
OVS_PORT = "ovs-port"
OVS_SPACES = (OVS_BRIDGE, OVS_PORT)
COMMAND = "command"
#: an IP address that a device of this host has: never a resource, but some depend on one
ADDRESS = "address"


class Key(NamedTuple):
    """Two resources with one key are one thing on the host. All links share one name space.

    A VF's name is its PCI address.
    """

    space: str
    name: str


Pairs: TypeAlias = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resource:
    """``shared``: several ports may want it, and one that was there before us is used as it is.

    ``only_if``: (field, value) pairs; an external thing that is not so is no longer ours to change.
    """

    space: ClassVar[str]
    kind: ClassVar[str]
    #: fields the host cannot change on a living object: a difference means making it anew
    immutable: ClassVar[frozenset[str]] = frozenset()
    #: fields that hold {key: value}: only the wanted keys are ours
    maps: ClassVar[frozenset[str]] = frozenset()
    #: fields that say how to make or judge the thing, and are not read back from it
    write_only: ClassVar[frozenset[str]] = frozenset()
    #: fields in which one that was there before us must agree, to be used as it is
    identity: ClassVar[frozenset[str]] = frozenset()
    #: others make it: never made, tagged or removed by us; while it is absent, the port waits
    external: ClassVar[bool] = False
    #: what to say of an external thing that is not there
    absent: ClassVar[str] = "others make it, and it is not there yet"

    name: str
    shared: bool = False
    only_if: tuple[tuple[str, object], ...] = ()

    #: made once: a reconcile of a port asks for it a hundred times
    key: ClassVar[Key]

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", Key(self.space, self.name))

    @property
    def stands_on(self) -> tuple[Key, ...]:
        """What others keep, and whose coming, going or moving is a reason to reconcile this."""
        return ()

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    def restored(self) -> "Resource | None":
        """An external thing as it is left when no port wants it any longer; None: as it is now."""
        return None

    def specified(self) -> dict[str, object]:
        """The fields to compare, by name."""
        names = _specified_fields(type(self))  # type: ignore[arg-type] # mypy: a class with __eq__
        fields = ((name, getattr(self, name)) for name in names)
        return {name: value for name, value in fields if value is not None}


@functools.cache
def _specified_fields(kind: type[Resource]) -> tuple[str, ...]:
    skipped = {"name", "shared", "only_if", *kind.write_only}
    return tuple(f.name for f in dataclasses.fields(kind) if f.name not in skipped)


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
    """A linux bridge. ``forward_delay`` and ``ageing`` in seconds."""

    kind: ClassVar[str] = "bridge"

    forward_delay: int | None = None
    ageing: int | None = None
    stp: bool | None = None
    mcast_snooping: bool | None = None
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
        return (Key(ADDRESS, self.local),) if self.local else ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Device(Link):
    """A device of any kind that others make. It leaves the bridge that we have put it into.

    ``lowered``: and it goes down when no port wants it any longer, if its MAC is still the same; it
    is no more promiscuous then. ``by_sender``: the cast has named it, not this host; so it must be
    named after the port, or be a tap that nobody has put anywhere.
    """

    kind: ClassVar[str] = "device"
    external: ClassVar[bool] = True
    write_only: ClassVar[frozenset[str]] = frozenset({"lowered", "by_sender"})

    up: bool | None = None
    lowered: bool = False
    by_sender: bool = False

    def restored(self) -> "Device | None":
        if not self.master and not self.lowered:
            return None
        still = {"master": self.master or None, "mac": self.mac if self.lowered else None}
        return Device(
            name=self.name,
            shared=self.shared,
            master="" if self.master else None,
            up=False if self.lowered else None,
            promisc=False if self.lowered and self.promisc else None,
            only_if=tuple((field, value) for field, value in still.items() if value),
        )


#: numbered as in the kernel's IFLA_VF_LINK_STATE_*
LINK_STATES = ("auto", "enable", "disable")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vf(Resource):
    """A virtual function of an SR-IOV card, as its physical function sees it; named by PCI address.

    ``vlan`` 0: untagged. ``link_state``: of LINK_STATES; "auto" is as the card's. Rates in
    Mbit/s, 0 for no limit. What the card's driver does not tell is None when read.
    """

    space: ClassVar[str] = VF
    kind: ClassVar[str] = "vf"
    external: ClassVar[bool] = True
    absent: ClassVar[str] = "no card of this host shows such a virtual function"

    mac: str | None = None
    vlan: int | None = None
    trust: bool | None = None
    spoof_check: bool | None = None
    link_state: str | None = None
    min_tx_rate: int | None = None
    max_tx_rate: int | None = None

    def restored(self) -> "Vf":
        """What was changed is as on a new VF, if the MAC says that no other has taken it meanwhile.

        A card sends no frame out for a MAC that one of its VFs still has, so the port would be cut
        off when it has moved to another host (launchpad bug 1808252).
        """
        restored = {
            field: value for field, value in _NEW_VF.items() if getattr(self, field) is not None
        }
        return dataclasses.replace(Vf(name=self.name, only_if=(("mac", self.mac),)), **restored)


NO_MAC = "00:00:00:00:00:00"
#: as drivers make them: spoof check is on (igb, ixgbe, i40e, ice)
_NEW_VF: Mapping[str, Any] = {
    "mac": NO_MAC, "vlan": 0, "trust": False, "spoof_check": True, "link_state": "auto",
    "min_tx_rate": 0, "max_tx_rate": 0,
}  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Nic(Device):
    """The host's way into a network. Its bridge has its addresses and routes while it is in it.

    It is taken out of no bridge but one of ours: what the operator has put together stays so.
    """

    kind: ClassVar[str] = "nic"

    up: bool | None = True
    master: str

    def restored(self) -> "Nic":
        still = (("master", self.master), ("in_shared", True))
        return Nic(
            name=self.name,
            shared=self.shared,
            up=None,
            master="",
            addressed=self.name,
            only_if=still,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class OtherLink(Link):
    """A device of a kind that no plugin makes (a NIC, a bond, a tunnel): only ever actual."""

    kind: ClassVar[str] = "other"
    up: bool | None = None
    described: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OvsBridge(Resource):
    """``secure``: made with fail_mode secure, so no frame passes before its owner has come to give
    it flows. One that is there is as its owner has it."""

    space: ClassVar[str] = OVS_BRIDGE
    kind: ClassVar[str] = "ovs-bridge"
    write_only: ClassVar[frozenset[str]] = frozenset({"secure"})

    datapath_type: str | None = None
    secure: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class OvsPort(Resource):
    """An OVS port with its one interface, and its QoS row when ``qos_type`` is given.

    ``isolate`` acts at creation only: the port starts in the dead VLAN (tag 4095, trunk 4095) and
    from then on the tag is the Neutron agent's. ``wait_ofport``: the device is there already, so
    the port counts as ready only with an ofport. ``error_is_final``: or with an error, for Open
    vSwitch has decided; the error is logged, and keeps nobody waiting. ``refusable`` is its former
    name.
    """

    space: ClassVar[str] = OVS_PORT
    kind: ClassVar[str] = "ovs-port"
    immutable: ClassVar[frozenset[str]] = frozenset({"bridge"})
    maps: ClassVar[frozenset[str]] = frozenset({"external_ids", "options"})
    write_only: ClassVar[frozenset[str]] = frozenset({"isolate", "wait_ofport", "error_is_final"})

    bridge: str
    interface_type: str | None = None
    external_ids: Pairs = ()
    options: Pairs | None = None
    mtu_request: int | None = None
    qos_type: str | None = None
    isolate: bool = False
    wait_ofport: bool = True
    error_is_final: bool = False
    refusable: dataclasses.InitVar[bool | None] = None

    def __post_init__(self, refusable: bool | None) -> None:
        super().__post_init__()
        if refusable is not None:
            object.__setattr__(self, "error_is_final", refusable)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command(Resource):
    """A vendor's program, run once for a port and undone once: ``plug``, ``unplug``, and ``check``
    (exit status 0: it is done) are argument vectors, the program's bare name first.

    Its name is the plug's command line, so that with one other argument it is another command.
    ``about``: the device that it speaks of; when that is made anew, the command is run anew.
    ``makes``: and that it makes, so it comes before the port's other things and is undone last.
    ``done`` is None where nobody can tell.
    """

    space: ClassVar[str] = COMMAND
    kind: ClassVar[str] = "command"
    write_only: ClassVar[frozenset[str]] = frozenset({"plug", "unplug", "check", "about", "makes"})
    external: ClassVar[bool] = True

    name: str = dataclasses.field(init=False, default="")
    plug: tuple[str, ...]
    unplug: tuple[str, ...] = ()
    check: tuple[str, ...] = ()
    about: str = ""
    makes: bool = False
    done: bool | None = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", shlex.join(self.plug))
        super().__post_init__()

    def __str__(self) -> str:
        return shlex.join(self.vector)

    @property
    def vector(self) -> tuple[str, ...]:
        """What makes it so."""
        return self.plug if self.done else self.unplug

    def restored(self) -> "Command | None":
        return dataclasses.replace(self, done=False) if self.unplug else None
