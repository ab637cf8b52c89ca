"""What else is named after a port and names it to Neutron and OVN. Pure.

A port's binding changes (from an iptables firewall to one on Open vSwitch, say), and what os-vif
has plugged for it in the other way stays: two OVS ports with one ``iface-id``, of which Neutron's
agent and OVN take either. They are the port's own, so they go, with their devices, when the other
is made.

A guest's tap that is to be the OVS port itself comes out of its ``qbr`` so, for a guest may run on:
after a migration from an iptables firewall to OVN all do. What else a guest uses stays, and nothing
is made beside it until the guest has gone.
"""

import dataclasses
from collections.abc import Collection, Iterator, Mapping

from vif_agent.errors import NotYet, Problem
from vif_agent.ownership import Found, iface_id
from vif_agent.plan.steps import CHANGE, OWNER_TAG, REMOVE, Actual, Difference, Step, Want
from vif_agent.resources import (
    LINK,
    OVS_BRIDGE,
    OVS_PORT,
    Key,
    OtherLink,
    OvsPort,
    Resource,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Duplicates:
    """What one port has besides what it wants, and which of that is in use."""

    port: str
    things: tuple[Found, ...]
    in_use: str = ""

    @property
    def keys(self) -> frozenset[Key]:
        """Of all that it consists of."""
        return frozenset(found.resource.key for found in self.things)

    @property
    def problem(self) -> Problem | None:
        """Why it stays for now; None if it can go."""
        names = ", ".join(found.resource.name for found in self.things)
        text = (
            f"plugged in another way before ({names}), which goes when this lets go: {self.in_use}"
        )
        return NotYet(text).problem if self.in_use else None

    def adoptions(self) -> Iterator[Step]:
        """No link is removed but what carries an owner tag."""
        for found in self.things:
            if found.owner is None and found.resource.space == LINK:
                owner = (Difference(OWNER_TAG, None, self.port),)
                yield Step(CHANGE, found.resource, self.port, (self.port,), owner, found)

    def removals(self) -> Iterator[Step]:
        """One step for each thing."""
        for found in self.things:
            yield Step(REMOVE, found.resource, self.port, (self.port,), found=found)


def rows_to_read(resource: Resource) -> set[Key]:
    """Where twins of this OVS port may be: one way of plugging has one of these."""
    port = iface_id(resource) if isinstance(resource, OvsPort) else ""
    names = [prefix + port[:11] for prefix in ("tap", "qvo", "vhu", "vfr")] + ["ibp" + port]
    return {Key(OVS_PORT, name) for name in names if port and name != resource.name}


def beside(wanted: Mapping[Key, Want], actual: Actual) -> set[Key]:
    """What must be known besides of those that have twins: their devices."""
    return {
        key
        for port, row in _rows(wanted, actual)
        for key in _family(port, row)
        if key not in actual.found
    }


def find(wanted: Mapping[Key, Want], actual: Actual) -> list[Duplicates]:
    """Of the ports that have some."""
    families: dict[str, dict[Key, Found]] = {}
    for port, row in _rows(wanted, actual):
        keys = [key for key in _family(port, row) if key not in wanted]
        found = {key: actual.found[key] for key in keys if key in actual.found}
        theirs = {key: f for key, f in found.items() if _is_ports(f, port)}
        families.setdefault(port, {}).update(theirs)
    return [
        Duplicates(port, tuple(things.values()), _in_use(things.values(), wanted))
        for port, things in families.items()
    ]


def _rows(wanted: Mapping[Key, Want], actual: Actual) -> Iterator[tuple[str, Key]]:
    """Rows are compared rather than wants: hardly any is nobody's."""
    strays = {
        (iface_id(found.resource), key)
        for key, found in actual.found.items()
        if key.space == OVS_PORT and found.owner is None and key not in wanted
    }
    for want in wanted.values() if strays else ():
        port = iface_id(want.resource) if isinstance(want.resource, OvsPort) else ""
        for key in sorted(rows_to_read(want.resource)) if port == want.owner else ():
            if (port, key) in strays:
                yield port, key


def _family(port: str, row: Key) -> Iterator[Key]:
    """The row, and what os-vif makes with it."""
    yield row
    short = port[:11]
    if row.name.startswith("qvo"):
        yield from (Key(LINK, prefix + short) for prefix in ("qbr", "qvb", "qvo"))
    elif row.name.startswith("tap"):
        yield Key(LINK, row.name)
    elif row.name.startswith("ibp"):
        yield Key(OVS_BRIDGE, "pb" + port[:12])
        yield from (Key(OVS_PORT, "pbp" + port), Key(OVS_PORT, "tap" + short))
        yield Key(LINK, "tap" + short)


def _is_ports(found: Found, port: str) -> bool:
    return found.owner in (None, port) and not isinstance(found.resource, OtherLink)


def _in_use(things: Collection[Found], wanted: Mapping[Key, Want]) -> str:
    """A device that is to be the OVS port itself is no reason: it is free when the bridge goes."""
    going = {found.resource.name for found in things} | {key.name for key in wanted}
    for found in things:
        name = found.resource.name
        if found.held:
            return f"a guest has {name} open"
        if others := found.members - going:
            return f"{', '.join(sorted(others))} is in {name}"
    return ""
