"""Network devices. Pure."""

import dataclasses
from collections.abc import Iterator

from vif_agent.ownership import Found, is_named_after, is_one_ports, not_lendable, taken
from vif_agent.plan.kinds.base import Case, Kind
from vif_agent.plan.steps import Want
from vif_agent.resources import LINK, OVS_PORT, Device, Key, Link, Nic, Resource, Vlan


class LinkKind(Kind):
    """Any device that we make."""

    def as_it_stays(self, wanted: Resource, found: Found) -> Resource:
        """What says nothing of a bridge stays where others put it, but where we did: for an earlier
        request of the port, and the network that it was on then."""
        if isinstance(wanted, Link) and wanted.master is None and found.in_shared:
            return dataclasses.replace(wanted, master="")
        return wanted


class BridgeKind(LinkKind):
    """A linux bridge."""

    def _reason(self, case: Case) -> str:
        return super()._reason(case) or misnamed(case.want.resource)


class VlanKind(LinkKind):
    """An 802.1Q device."""

    def reads(self, want: Want) -> Iterator[Key]:
        """The device below it."""
        yield _parent(want.resource)

    def _reason(self, case: Case) -> str:
        return super()._reason(case) or self._parents_other_name(case)

    def _parents_other_name(self, case: Case) -> str:
        """The kernel takes a device's alternative name too, but tells of it by the other: the VLAN
        device would seem to lead elsewhere, and be made anew at each reconcile."""
        parent = _parent(case.want.resource)
        found = case.actual.found.get(parent)
        if found is None or found.resource.name == parent.name:
            return ""
        name = found.resource.name
        return f"{parent.name} is another name of {name}, by which it is to be called"


class DeviceKind(LinkKind):
    """A device that others make. What they have put somewhere is not taken from them."""

    def reads(self, want: Want) -> Iterator[Key]:
        """Whether Open vSwitch has it."""
        if self._keeps_off_ovs(want):
            yield Key(OVS_PORT, want.resource.name)

    def _reason(self, case: Case) -> str:
        return super()._reason(case) or self._in_use(case)

    def _in_use(self, case: Case) -> str:
        device, found = case.want.resource, case.found
        if found is None or not isinstance(device, Device):
            return ""
        row = Key(OVS_PORT, device.name)
        if self._keeps_off_ovs(case.want) and row in case.actual.found:
            where = "a port of Open vSwitch"
        else:
            where = taken(device, found)
        what = f"{where} already" if where else not_lendable(device, found, case.want.owner)
        return f"{device.name} is {what}" if what else ""

    def _keeps_off_ovs(self, want: Want) -> bool:
        """What Open vSwitch has is not ours to put anywhere, if it is not named after its port."""
        device = want.resource
        named = isinstance(device, Device) and device.by_sender
        return named and not is_named_after(device.name, want.owner)


class NicKind(DeviceKind):
    """The host's way into a network: it is not taken from another."""

    def clashes(self, before: Resource, resource: Resource) -> bool:
        """Two ports may want it in one bridge."""
        if isinstance(before, Nic) and isinstance(resource, Nic):
            return before.master != resource.master  # untagged there is but one network
        return super().clashes(before, resource)

    def _keeps_off_ovs(self, want: Want) -> bool:
        return True


def misnamed(bridge: Resource) -> str:
    """Is a bridge that is to be shared called like one of a port's own?"""
    if not (bridge.shared and is_one_ports(bridge.name)):
        return ""
    return f"{bridge.name} is what a device or a bridge of one port is called, and no shared bridge"


def _parent(vlan: Resource) -> Key:
    return Key(LINK, vlan.parent if isinstance(vlan, Vlan) else "")
