"""Bridges and ports of Open vSwitch: what serves another stands in the way. Pure."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from vif_agent.ownership import Found, is_abandoned, may_connect
from vif_agent.plan import duplicates
from vif_agent.plan.kinds.base import Case, Kind, described
from vif_agent.plan.kinds.links import misnamed
from vif_agent.plan.steps import Actual, Difference, Want
from vif_agent.resources import LINK, OVS_BRIDGE, OVS_PORT, Key, OvsBridge, OvsPort, Resource, Tap


class OvsBridgeKind(Kind):
    """A bridge."""

    def device(self, resource: Resource) -> Key | None:
        """Of its own name."""
        return Key(LINK, resource.name)

    def reads(self, want: Want) -> Iterator[Key]:
        """Whether the name is a port's already."""
        yield Key(OVS_PORT, want.resource.name)

    def first_says(self, resource: Resource) -> bool:
        """Its datapath type."""
        return isinstance(resource, OvsBridge) and bool(resource.datapath_type)

    def as_it_stays(self, wanted: Resource, found: Found) -> Resource:
        """A shared bridge that is there keeps its datapath type: another would cut off all."""
        if isinstance(wanted, OvsBridge) and wanted.shared:
            return dataclasses.replace(wanted, datapath_type=None)
        return wanted

    def _reason(self, case: Case) -> str:
        bridge = case.want.resource
        reason = super()._reason(case) or misnamed(bridge)
        if not reason and case.found is None:
            reason = _taken(bridge.name, case.actual)
        return reason or _takes_no_device(case, self._may_take)

    def _may_take(self, case: Case, device: Found) -> bool:
        """A bridge that is there has its device; one just removed may leave it for a moment, and
        one whose database was lost for good."""
        of_ovs = getattr(device.resource, "described", "") == "openvswitch"
        return case.found is not None or device.held or of_ovs or is_abandoned(device)


class OvsPortKind(Kind):
    """A port of a bridge."""

    def device(self, resource: Resource) -> Key | None:
        """Of its own name, unless Open vSwitch makes one."""
        own = isinstance(resource, OvsPort) and bool(resource.interface_type)
        return None if own else Key(LINK, resource.name)

    def reads(self, want: Want) -> Iterator[Key]:
        """Where the same port may be plugged in another form."""
        yield from duplicates.rows_to_read(want.resource)

    def bridge_datapath(self, resource: Resource, resources: Sequence[Resource]) -> str:
        """Of the shared bridge."""
        name = resource.bridge if isinstance(resource, OvsPort) else ""
        bridges = (r for r in resources if isinstance(r, OvsBridge) and r.shared)
        return next((b.datapath_type for b in bridges if b.name == name), None) or ""

    def waits(self, case: Case) -> bool:
        """It is made only when the device is there that others make for it."""
        device = case.wanted.get(case.device) if case.device else None
        return bool(device and device.resource.external) and case.device not in case.actual.found

    def _reason(self, case: Case) -> str:
        port = case.want.resource
        if reason := super()._reason(case):
            return reason
        if not isinstance(port, OvsPort):
            return ""
        return (
            _bonded(port.name, case.found)
            or _other_type(port, case.found)
            or _other_datapath(case, port)
            or _takes_no_device(case, self._may_take)
        )

    def _may_take(self, case: Case, device: Found) -> bool:
        return may_connect(device, case.want.owner)

    def _with_new_device(self) -> tuple[Difference, ...]:
        return (Difference("device", "gone", "made anew"),)


def _takes_no_device(case: Case, may_take: Callable[[Case, Found], bool]) -> str:
    """It takes its own device or an external one that its port changes, never any NIC."""
    key = case.device
    device = case.actual.found.get(key) if key else None
    if key is None or device is None or may_take(case, device):
        return ""
    external = case.wanted.get(key)
    if external and external.resource.external and external.ports == case.want.ports:
        return ""
    return f"{case.want.resource.name} exists, is a {described(device.resource)} and is not ours"


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


def _other_datapath(case: Case, port: OvsPort) -> str:
    """A bridge that others have made is used as it is."""
    key, asked = Key(OVS_BRIDGE, port.bridge), case.want.datapath
    found, bridge = case.actual.found.get(key), case.wanted.get(key)
    if not asked or bridge is None or (found and found.owner is None):
        return ""
    have = getattr(found.resource if found else bridge.resource, "datapath_type", None)
    if have in (None, asked):
        return ""
    return f"{port.bridge} has datapath_type {have} for other ports, and this one's is {asked}"


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
