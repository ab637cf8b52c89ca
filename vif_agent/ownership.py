"""Whose is it? The answer of a process with no memory, read off the object itself.

What we make carries an owner tag: ``ifalias`` on links, an ``external_ids`` key on OVS rows. It
names the port, or says "shared" where several ports may use the thing. Only what carries our owner
tag is ever removed.
"""

import dataclasses
import enum
import re
from collections.abc import Collection

from vif_agent.resources import GUARD, LINK, OVS_BRIDGE, Device, Link, Nic, OtherLink, Resource, Tap

MARK = "vif-agent"
SHARED = "shared"

#: a trunk's bridge: made for the trunk's parent port by whoever plugs it, and removed with it
TRUNK_BRIDGE = "tbr-"

#: nova's and os-vif's prefixes of device names: prefix + first 11 characters of the port's UUID
_PREFIXES = ("tap", "qbr", "qvb", "qvo", "vhu", "vfr", "nic")
#: what these rules give for any port
_ONE_PORTS = re.compile(
    rf"(({'|'.join(_PREFIXES)})[0-9a-f]{{8}}-[0-9a-f]{{2}}|pb[0-9a-f]{{8}}-[0-9a-f]{{3}})\Z"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """An actual resource with what only the host can tell.

    ``owner`` is read off its owner tag (a port's UUID or SHARED), ``members`` the names of what is
    plugged into it, ``held`` whether a guest has it open, ``lasting`` whether it stays when nobody
    has, ``index`` the kernel's ifindex; ``ready`` is False while Open vSwitch has not taken it into
    the datapath (``unready``: why, if that is not plain), and ``error`` is what it says of it; of a
    bridge, why no frame passes. ``others``: fields that somebody else keeps, so not ours to judge.
    ``in_shared``: it is in a bridge that we have made for several ports; ``part_of``: what it is
    part of besides linux bridges (a bond, Open vSwitch's datapath), "" for nothing. ``serves``: of
    a trunk's bridge, the ports that OVS ports in it are for. ``called``: the name that somebody has
    given it; ``tag_lost``: its owner tag is not on it any more, and it is known all the
    same (see ``plan.known_links``). ``ofport``, and ``undone_by``, who has changed it
    where the kernel tells, are for people.
    """

    resource: Resource
    owner: str | None = None
    index: int = 0
    members: frozenset[str] = frozenset()
    held: bool = False
    lasting: bool = True
    ready: bool = True
    unready: str = ""
    error: str = ""
    others: frozenset[str] = frozenset()
    in_shared: bool = False
    part_of: str = ""
    serves: frozenset[str] = frozenset()
    called: str = ""
    tag_lost: bool = False
    ofport: int | None = dataclasses.field(default=None, compare=False)
    undone_by: str = dataclasses.field(default="", compare=False)


class Verdict(enum.Enum):
    """What may be done with a thing on the host: see ``verdict``."""

    OURS = "ours"
    ADOPTABLE = "adoptable"
    FOREIGN = "foreign"


def alias(owner: str) -> str:
    """The owner tag as a link's ifalias."""
    return f"{MARK} {owner}"


def owner_in_alias(text: str | None) -> str | None:
    """A port's id or SHARED; None without the agent's tag."""
    mark, _, owner = (text or "").partition(" ")
    return owner if mark == MARK and owner else None


def verdict(wanted: Resource, found: Found, owner: str) -> Verdict:
    """May ``owner`` change ``found`` into ``wanted``?"""
    if wanted.external and found.owner is None:
        return Verdict.OURS
    if not wanted.external and is_of_another_kind(found):
        return Verdict.FOREIGN
    if is_trunk_bridge(wanted) and found.owner in (None, SHARED):  # SHARED: as they were once
        return Verdict.ADOPTABLE if found.serves <= {owner} else Verdict.FOREIGN
    if found.owner is not None:
        return Verdict.OURS if found.owner == owner else Verdict.FOREIGN
    if wanted.space == GUARD or _is_ports_own(wanted, found, owner):  # the table is ours alone
        return Verdict.ADOPTABLE
    return Verdict.FOREIGN


def is_theirs(wanted: Resource, found: Found) -> bool:
    """Shared, there before us, and used as it is."""
    same = wanted.kind == found.resource.kind
    return wanted.shared and not wanted.external and same and found.owner is None


def is_of_another_kind(found: Found) -> bool:
    """We have not made it, whatever it carries: anybody can write an owner tag."""
    return isinstance(found.resource, OtherLink)


def _is_ports_own(wanted: Resource, found: Found, owner: str) -> bool:
    """A peer (os-vif, libvirt) made it for this very port: its name says so, and its kind fits.

    An OVS row that names a port in ``iface-id`` is that port's, whatever it is called: a VF's
    representor has the name that the kernel gives it.
    """
    if wanted.shared or wanted.kind != found.resource.kind:
        return False
    if wanted.space != LINK and (named := iface_id(found.resource)):
        return named == owner
    return is_named_after(wanted.name, owner)


def is_trunk_bridge(resource: Resource) -> bool:
    """Neutron's bridge for one trunk, whichever."""
    return resource.space == OVS_BRIDGE and resource.name.startswith(TRUNK_BRIDGE)


def iface_id(resource: Resource) -> str:
    """The port that an OVS row says it is for; empty if it says none."""
    ids: dict[str, str] = dict(getattr(resource, "external_ids", ()))
    return ids.get("iface-id", "")


def is_named_after(name: str, port: str) -> bool:
    """Does the name follow nova's, or os-vif's, rule for what is this port's?"""
    in_own_bridge = {"pb" + port[:12], "pbp" + port, "ibp" + port}
    return name in in_own_bridge | {prefix + port[:11] for prefix in _PREFIXES}


def is_one_ports(name: str) -> bool:
    """Is it what a device, or a bridge, of some one port is called?"""
    return bool(_ONE_PORTS.match(name))


def may_connect(device: Found, owner: str) -> bool:
    """May this device become the owner's OVS port? A NIC, or another port's device, may not."""
    if device.owner is not None:
        return device.owner == owner
    return is_named_after(device.resource.name, owner)


def is_abandoned(device: Found) -> bool:
    """A tap that nobody holds or uses: Open vSwitch in userspace leaves its bridges' own devices
    behind when it ends, down or promiscuous, and takes them again by their names."""
    tap = device.resource
    if not isinstance(tap, Tap) or device.held or device.owner or device.part_of:
        return False
    used = tap.master or tap.addressed or (tap.up and not tap.promisc)
    return not used and tap.name[:3] not in _PREFIXES


def taken(device: Device, found: Found) -> str:
    """Where others have put a NIC, or a network of ours has it; "" if it is free.

    For another network a bridge of ours lets it go.
    """
    bridge = found.resource.master if isinstance(found.resource, Link) else None
    if not isinstance(device, Nic):
        kept = device.shared and device.master is None and found.in_shared
    elif found.part_of:
        return f"part of {found.part_of}"
    else:
        kept = bool(bridge) and bridge != device.master and not found.in_shared
    return f"in the bridge {bridge}" if kept else ""


def not_lendable(device: Device, found: Found, port: str) -> str:
    """Why a device that only the cast has named is not this port's to change; "" if it is."""
    if not device.by_sender or is_named_after(device.name, port):
        return ""
    link, what = found.resource, ""
    if not isinstance(link, Tap):
        what = f"a {getattr(link, 'described', '') or link.kind}"
    elif found.part_of:
        what = f"part of {found.part_of}"
    elif link.master and link.master != device.master and not found.in_shared:
        what = f"in the bridge {link.master}"
    return f"{what}, and not named after the port" if what else ""


def in_bridge(device: Found | None) -> str:
    """The linux bridge that it is in; "" for none, or if it is not there."""
    link = device.resource if device else None
    return (link.master or "") if isinstance(link, Link) else ""


def keeps_addresses(bridge: Found, nics: Collection[str]) -> bool:
    """It has the host's own addresses, and none of these NICs, which leave it, takes them back."""
    addressed = getattr(bridge.resource, "addressed", None) == bridge.resource.name
    return addressed and bridge.members.isdisjoint(nics)
