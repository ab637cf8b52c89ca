"""What is left on the host that belongs to no request, and when it may go. Pure.

Found at every reconcile of the whole host; one find is never enough to remove (see
``confirmations``). The accidents this guards against are other projects' (live ports swept, uplinks
and NICs taken): never anything without owner tag or iface-id, never on a bridge that is not ours to
look after, never what is in use.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterable

from vif_agent.ownership import SHARED, Found, iface_id, is_of_another_kind
from vif_agent.plan.steps import REMOVE, Actual, Plan, Step, in_phases
from vif_agent.resources import LINK, OVS_PORT, Bridge, Guard, Key, OvsBridge, OvsPort

TAGGED = "carries our owner tag, and no request is known for its port"
DEAD = "an OVS port without a device, and no request is known that wants it"

#: ovs-vswitchd's words for an interface whose device is not there (lib/dpif, bridge.c)
_NO_DEVICE = "could not open network device"


#: Neutron's, of the trunk itself and of each subport (trunk_manager.py)
_TRUNK_PATCHES = ("tpt-", "spt-")


@dataclasses.dataclass(frozen=True, slots=True)
class Orphan:
    """What one port has left. ``in_use``: why it must stay all the same; empty if it may go."""

    port_id: str
    why: str
    things: tuple[Found, ...]
    in_use: str = ""

    @property
    def identity(self) -> tuple[object, ...]:
        """The same at each reconcile; another if one of its devices was made anew."""
        return (self.port_id, self.why, *((f.resource.key, f.index) for f in self.things))

    @property
    def kind(self) -> str:
        """In a word: "tagged" or "dead"."""
        return "tagged" if self.why == TAGGED else "dead"

    @property
    def names(self) -> tuple[str, ...]:
        """Of its things; each once."""
        return tuple(dict.fromkeys(found.resource.name for found in self.things))

    def __str__(self) -> str:
        stays = f"; stays, because {self.in_use}" if self.in_use else ""
        return f"port={self.port_id} devices={','.join(self.names)}: {self.why}{stays}"


def find(
    actual: Actual,
    known: Collection[str],
    bridges: Collection[str],
    claimed: Callable[[Key], bool],
) -> tuple[Orphan, ...]:
    """``actual`` of everything; ``known`` ports of the store, those unplugged lately included.

    ``bridges``: where OVS ports without an owner tag may be ours to clean up; ``claimed``: does a
    request want it?
    """
    heaps: dict[tuple[str, str], list[Found]] = {}
    for key, found in sorted(actual.found.items()):
        if found.owner and found.owner != SHARED:
            if found.owner not in known and not is_of_another_kind(found):
                heaps.setdefault((found.owner, TAGGED), []).append(found)
        elif not found.owner and _is_dead(found, actual, bridges) and not claimed(key):
            heaps.setdefault((iface_id(found.resource), DEAD), []).append(found)
    return tuple(
        Orphan(port, why, tuple(things), _in_use(things, actual))
        for (port, why), things in heaps.items()
    )


def removal(gone: Iterable[Orphan]) -> Plan:
    """OVS ports first, then devices, then guards, as in every plan."""
    steps = [
        Step(REMOVE, found.resource, orphan.port_id, found=found)
        for orphan in gone
        for found in orphan.things
    ]
    return in_phases([], steps, {})


def _is_dead(found: Found, actual: Actual, bridges: Collection[str]) -> bool:
    """An OVS port that somebody plugged for a port, whose device is gone."""
    port = found.resource
    return (
        isinstance(port, OvsPort)
        and port.bridge in bridges
        and not port.interface_type
        and bool(iface_id(port))
        and _NO_DEVICE in found.error
        and Key(LINK, port.name) not in actual.found
    )


def _in_use(things: Collection[Found], actual: Actual) -> str:
    own = {found.resource.key for found in things}
    reasons = (_reason(found, own, actual) for found in things)
    return next((reason for reason in reasons if reason), "")


def _reason(found: Found, own: Collection[Key], actual: Actual) -> str:
    """A store that was lost does not make a running guest's port rubbish.

    Open vSwitch carries a patch port whether a guest is there or not, and Neutron's in a trunk's
    bridge are there for the trunk alone.
    """
    resource = found.resource
    if found.held:
        return f"{resource.name} is held open by a guest"
    if isinstance(resource, Bridge | OvsBridge):
        space = LINK if isinstance(resource, Bridge) else OVS_PORT
        members = [name for name in found.members if not name.startswith(_TRUNK_PATCHES)]
        guests = {name for name in members if Key(space, name) not in own}
        return f"{', '.join(sorted(guests))} is in {resource.name}" if guests else ""
    if not isinstance(resource, OvsPort | Guard) or Key(LINK, resource.name) in own:
        return ""
    if Key(LINK, resource.name) in actual.found:
        return f"the device {resource.name} is there and is not ours"
    own_device = None, "", "patch"  # as the interface's type
    if getattr(resource, "interface_type", None) not in own_device and found.ready:
        return f"Open vSwitch carries {resource.name}"
    return ""
