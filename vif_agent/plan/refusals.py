"""Why a port cannot have what it wants: something that is not ours, or a guest, is in the way.
Pure."""

from collections.abc import Mapping

from vif_agent.errors import Conflict, Problem
from vif_agent.ownership import (
    Found,
    Verdict,
    is_abandoned,
    is_named_after,
    is_of_another_kind,
    may_connect,
    not_lendable,
    taken,
    verdict,
)
from vif_agent.plan import conflicts
from vif_agent.plan.compare import device_of, differences_of, must_remake
from vif_agent.plan.steps import (
    Actual,
    Want,
)
from vif_agent.resources import (
    LINK,
    OVS_PORT,
    Command,
    Device,
    Key,
    Nic,
    OvsBridge,
    Resource,
    Vlan,
)


def problems_of(wanted: Mapping[Key, Want], actual: Actual) -> dict[str, Problem]:
    """By port, the first thing that keeps it from being finished."""
    problems: dict[str, Problem] = {}
    for want in wanted.values():
        key = want.resource.key
        problem = (
            actual.unknown.get(key.space)
            or _refusal(want, actual.found.get(key))
            or conflicts.refusal(want, wanted, actual)
            or _nic_refusal(want, actual)
            or _parent_refusal(want, actual)
            or _device_refusal(want, wanted, actual)
        )
        if problem:
            for port in want.ports:
                problems.setdefault(port, problem)
    return problems


def _refusal(want: Want, found: Found | None) -> Problem | None:
    """What stands in the way of making ``found`` into what is wanted."""
    if found is None or want.restore:
        return None
    wanted, actual = want.resource, found.resource
    judgement = verdict(wanted, found, want.owner)
    if judgement is Verdict.FOREIGN and not (wanted.shared and wanted.kind == actual.kind):
        theirs = found.owner is None or is_of_another_kind(found)
        whose = "is not ours" if theirs else f"belongs to {found.owner}"
        described = getattr(actual, "described", "") or actual.kind
        return Conflict(f"{wanted.name} exists, is a {described} and {whose}").problem
    if judgement is Verdict.FOREIGN and (other := _another(wanted, found)):
        return Conflict(f"{wanted.name} exists, is not ours and differs: {other}").problem
    if found.held and must_remake(wanted, found):
        reasons = ", ".join(str(d) for d in differences_of(wanted, found))
        return Conflict(f"{wanted.name} is held open by a guest and differs: {reasons}").problem
    return None


def _another(wanted: Resource, found: Found) -> str:
    """How it is not the thing of this name that was meant; "" if it is."""
    return ", ".join(str(d) for d in differences_of(wanted, found) if d.field in wanted.identity)


def _nic_refusal(want: Want, actual: Actual) -> Problem | None:
    """What others have put somewhere is not taken from them, nor a NIC from its network."""
    nic, found = want.resource, actual.found.get(want.resource.key)
    if want.restore or found is None or not isinstance(nic, Device):
        return None
    port = actual.found.get(Key(OVS_PORT, nic.name)) if keeps_off_ovs(want) else None
    where = "a port of Open vSwitch" if port else taken(nic, found)
    what = f"{where} already" if where else not_lendable(nic, found, want.owner)
    return Conflict(f"{nic.name} is {what}").problem if what else None


def keeps_off_ovs(want: Want) -> bool:
    """What Open vSwitch has is not ours to put anywhere: a NIC, or what is not named after its
    port."""
    device = want.resource
    named = isinstance(device, Device) and device.by_sender
    return isinstance(device, Nic) or (named and not is_named_after(device.name, want.owner))


def _parent_refusal(want: Want, actual: Actual) -> Problem | None:
    """The kernel takes a device's alternative name too, but tells of it by the other: the VLAN
    device would seem to lead elsewhere, and be made anew at each look."""
    parent = want.resource.parent if isinstance(want.resource, Vlan) else ""
    found = actual.found.get(Key(LINK, parent))
    if want.restore or found is None or found.resource.name == parent:
        return None
    name = found.resource.name
    return Conflict(f"{parent} is another name of {name}, by which it is to be called").problem


def _device_refusal(want: Want, wanted: Mapping[Key, Want], actual: Actual) -> Problem | None:
    """An OVS port or bridge takes the device of its name: its own or an external one, never any
    NIC."""
    key = device_of(want.resource)
    device = actual.found.get(key) if key else None
    if key is None or device is None or isinstance(want.resource, Command):
        return None
    if _may_take(want, device, actual) or _uses_external(want, wanted.get(key)):
        return None
    described = getattr(device.resource, "described", "") or device.resource.kind
    return Conflict(f"{want.resource.name} exists, is a {described} and is not ours").problem


def _may_take(want: Want, device: Found, actual: Actual) -> bool:
    """A bridge that is there has its device; one just removed may leave it for a moment, and one
    whose database was lost for good."""
    if not isinstance(want.resource, OvsBridge):
        return may_connect(device, want.owner)
    of_ovs = getattr(device.resource, "described", "") == "openvswitch"
    return want.resource.key in actual.found or device.held or of_ovs or is_abandoned(device)


def _uses_external(want: Want, device: Want | None) -> bool:
    return device is not None and device.resource.external and device.ports == want.ports
