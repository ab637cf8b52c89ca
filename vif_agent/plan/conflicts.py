"""What stands in a port's way, above all of Open vSwitch: what serves somebody else. Pure."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from vif_agent.errors import Conflict, Problem
from vif_agent.ownership import Found, is_one_ports
from vif_agent.plan.steps import Actual, Want
from vif_agent.resources import (
    LINK,
    OVS_BRIDGE,
    OVS_PORT,
    Bridge,
    Key,
    OvsBridge,
    OvsPort,
    Resource,
    Tap,
)


def keys_to_read(resource: Resource) -> Iterator[Key]:
    """What ``refusal`` must know besides."""
    if isinstance(resource, OvsBridge):
        yield Key(OVS_PORT, resource.name)


def refusal(want: Want, wanted: Mapping[Key, Want], actual: Actual) -> Problem | None:
    """Why a port that wants this is refused."""
    resource = want.resource
    reason = _one_ports(resource)
    if isinstance(resource, OvsPort):
        found = actual.found.get(resource.key)
        reason = (
            _bonded(resource.name, found)
            or _other_type(resource, found)
            or _other_datapath(want, resource, wanted, actual)
        )
    elif isinstance(resource, OvsBridge) and resource.key not in actual.found:
        reason = reason or _taken(resource.name, actual)
    return Conflict(reason).problem if reason else None


def datapath_for(resource: Resource, resources: Iterable[Resource]) -> str:
    """The datapath type that a request gives for the shared bridge of this OVS port; "" for
    none."""
    if not isinstance(resource, OvsPort):
        return ""
    bridges = (r for r in resources if isinstance(r, OvsBridge) and r.shared)
    return next((b.datapath_type for b in bridges if b.name == resource.bridge), None) or ""


def stays_as_made(resource: Resource) -> bool:
    """Of the ports that share a bridge the first says its datapath type, not the last."""
    return isinstance(resource, OvsBridge) and bool(resource.datapath_type)


def as_it_stays(wanted: Resource) -> Resource:
    """A shared bridge that is there keeps its datapath type: another would cut all ports off."""
    if isinstance(wanted, OvsBridge) and wanted.shared:
        return dataclasses.replace(wanted, datapath_type=None)
    return wanted


def _bonded(name: str, found: Found | None) -> str:
    return f"{name} is part of {found.part_of}" if found and found.part_of else ""


def _other_type(port: OvsPort, found: Found | None) -> str:
    """A row of this port that we have not made, and that is no way into a guest: Neutron's own
    ports (DHCP's) are ``internal``, and their devices in a namespace."""
    actual = found.resource if found else None
    if found is None or found.owner is not None or not isinstance(actual, OvsPort):
        return ""
    have, want = _type(actual), _type(port)
    if have == want:
        return ""
    return f"{port.name} exists, is an OVS port of type {have} and not {want}: not a guest's"


def _type(port: OvsPort) -> str:
    """As far as two types are not one thing made in two ways."""
    interface_type = port.interface_type or "system"
    return "dpdkvhostuser" if interface_type == "dpdkvhostuserclient" else interface_type


def _other_datapath(want: Want, port: OvsPort, wanted: Mapping[Key, Want], actual: Actual) -> str:
    """A bridge that others have made is used as it is."""
    key = Key(OVS_BRIDGE, port.bridge)
    found, bridge = actual.found.get(key), wanted.get(key)
    if not want.datapath or bridge is None or (found and found.owner is None):
        return ""
    have = getattr(found.resource if found else bridge.resource, "datapath_type", None)
    if have in (None, want.datapath):
        return ""
    return (
        f"{port.bridge} has datapath_type {have} for other ports, and this one's is {want.datapath}"
    )


def _one_ports(resource: Resource) -> str:
    if not (isinstance(resource, Bridge | OvsBridge) and resource.shared):
        return ""
    wrong = f"{resource.name} is what a device or a bridge of one port is called"
    return f"{wrong}, and no shared bridge" if is_one_ports(resource.name) else ""


def _taken(name: str, actual: Actual) -> str:
    """By whom, so that no new bridge may have it."""
    row, device = actual.found.get(Key(OVS_PORT, name)), actual.found.get(Key(LINK, name))
    if row and (bridge := getattr(row.resource, "bridge", "")):
        return f"{name} is a port of the OVS bridge {bridge}"
    return f"{name} exists, is a tap that a guest has open" if device and _is_guests(device) else ""


def _is_guests(device: Found) -> bool:
    """ovs-vswitchd has the devices of its userspace bridges open as well, for a moment also of one
    that is removed: persistent, with one queue and in no linux bridge (Open vSwitch 3.1)."""
    tap = device.resource
    if not isinstance(tap, Tap) or not device.held:
        return False
    return not device.lasting or bool(tap.multi_queue or tap.master or device.owner)
