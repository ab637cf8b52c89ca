"""What a picture is made of: links and OVS rows as they were read, and ports as they are known."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LinkFacts:
    """``kind``: the kernel's word, "" for a network card. ``below``: the device that it stands on,
    or a veth's other end, "" if that is not in this network namespace. ``held``: does a guest have
    the tap open? None for what is no tap. ``tag``: a VLAN's or a VXLAN's number.
    """

    name: str
    kind: str = ""
    mtu: int = 0
    mac: str = ""
    up: bool = False
    carrier: bool = False
    master: str = ""
    below: str = ""
    tag: int | None = None
    local: str = ""
    held: bool | None = None
    owner: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BridgeFacts:
    """Of an OVS bridge. ``unattended``: why it lets no frame through."""

    name: str
    datapath_type: str = "system"
    fail_mode: str = ""
    owner: str | None = None
    unattended: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OvsFacts:
    """Of an OVS port, or of one interface of a bond (``bond``: the port's name)."""

    name: str
    bridge: str
    type: str = ""
    ofport: int | None = None
    tag: int | None = None
    error: str = ""
    owner: str | None = None
    iface_id: str = ""
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)
    bond: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Glimpse:
    """A host at one moment. ``ovs_away``: why Open vSwitch could not be asked."""

    links: tuple[LinkFacts, ...] = ()
    bridges: tuple[BridgeFacts, ...] = ()
    ports: tuple[OvsFacts, ...] = ()
    ovs_away: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PortFacts:
    """``vfs``: {PCI address: the card's device, or ""}. ``pairs``: of its guard, None for none."""

    port_id: str
    state: str
    code: str = ""
    vif_type: str = ""
    network: str = ""
    instance: str = ""
    instance_uuid: str = ""
    devices: tuple[str, ...] = ()
    vfs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    pairs: int | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OrphanFacts:
    """What belongs to no request: ``due`` to go, or why not (``in_use``)."""

    port_id: str
    devices: tuple[str, ...] = ()
    sightings: int = 0
    due: bool = False
    in_use: str = ""
